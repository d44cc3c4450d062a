"""What follows from a set of arrivals, computed once per set."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

from ..errors import ConfigError

T = TypeVar("T")

# Sets remembered: enough for every pair of 40 lost workers, small beside one parameter vector.
CACHE_SIZE = 1024


def as_mask(arrived: npt.ArrayLike, size: int) -> npt.NDArray[np.bool_]:
    """Return a mask, (size,) bool; `ConfigError` if it is no such thing."""
    mask = np.asarray(arrived)
    if mask.dtype != np.bool_ or mask.shape != (size,):
        raise ConfigError(f"arrived: wants ({size},) bool, got {mask.shape} {mask.dtype}")
    return mask


class PerSet(Generic[T]):
    """Calls ``compute`` for a mask, (size,) bool; gives the same object for the same set.

    The sets used longest ago are forgotten first.
    """

    def __init__(self, size: int, compute: Callable[[npt.NDArray[np.bool_]], T]) -> None:
        self._size = size
        self._compute = compute
        self._known: OrderedDict[bytes, T] = OrderedDict()

    def __call__(self, arrived: npt.NDArray[np.bool_]) -> T:
        """Return what was computed for this set; `ConfigError` if it is no such mask."""
        mask = as_mask(arrived, self._size)
        key = np.packbits(mask).tobytes()
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._compute(mask)
            if len(self._known) > CACHE_SIZE:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(key)
        return found
