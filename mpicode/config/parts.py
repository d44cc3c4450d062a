"""Tables that name a part of the package and give its parameters."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Part:
    """A table that names a part: ``name`` and the parameters of its constructor."""

    name: str
    parameters: dict[str, Any] = field(default_factory=dict)
