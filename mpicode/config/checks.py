"""The range of a number."""

from __future__ import annotations

import math

from ..errors import ConfigError


def within(key: str, value: float, low: float, below: float | None = None) -> None:
    """Raise `ConfigError` unless ``low <= value``, and ``value < below`` where that is given."""
    if value >= low and (below is None or value < below):
        return
    bound = f"at least {low:g}"
    if below is not None:
        bound += " and finite" if below == math.inf else f" and below {below}"
    raise ConfigError(f"{key}: must be {bound}, got {value!r}")
