"""Numbers that a checkpoint kept for an asynchronous run, looked at before they are used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError

# More messages than any run uses, and room to count on from.
MOST = 1 << 62


def count(state: Mapping[str, Any], key: str, below: int = MOST) -> int:
    """Return a number of things; `DataError` if it is missing, none, or not below ``below``."""
    value = np.asarray(state.get(key))
    if value.shape or value.dtype.kind not in "iu" or not 0 <= value < below:
        raise DataError(
            f"checkpoint: asynchronous.{key} is {_told(value)}, wants a number from 0 to "
            f"{below - 1}"
        )
    return int(value)


def numbers(state: Mapping[str, Any], key: str, shape: tuple[int, ...]) -> NDArray[Any]:
    """Return an array of numbers; `DataError` if it is missing or not of this shape."""
    found = np.asarray(state.get(key))
    if found.shape != shape or found.dtype.kind != "f":
        raise DataError(f"checkpoint: asynchronous.{key} is {_told(found)}, wants floats {shape}")
    return found


def counts(state: Mapping[str, Any], key: str, shape: tuple[int, ...]) -> NDArray[Any]:
    """Return an array of numbers of things; `DataError` where it is none of this shape."""
    found = np.asarray(state.get(key))
    if found.shape != shape or found.dtype.kind not in "iu" or (found < 0).any():
        raise DataError(
            f"checkpoint: asynchronous.{key} is {_told(found)}, wants counts {shape}, none negative"
        )
    return found


def _told(value: NDArray[Any]) -> str:
    if value.dtype == object:
        return "missing"
    return f"{value.dtype} {value.shape}" if value.shape else f"{value}"
