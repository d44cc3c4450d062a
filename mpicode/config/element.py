"""Which run of a sweep a configuration is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Element:
    """``[element]``: which run of a sweep this is; written by `mpicode.sweep` into run files."""

    number: int | None = None
    """Of the element, from 0 on; absent: the run is none of a sweep."""
    changes: dict[str, Any] | None = None
    """What it changed, by keys ``table.key``."""
