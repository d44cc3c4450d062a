"""Immutable copies of the parameters, shared by all workers that were sent the same ones.

A snapshot may be written only while nobody reads it, and a send cannot be cancelled. So each counts its
readers (``pins``), two rotate, and a worker that does not read holds at most one of its own: there are
never more than ``n_workers + 2``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .wire import Bytes, dtype_number, new_buffer


class Snapshot:
    """``values`` is a view of ``buffer``, (length,); ``pins`` counts the transfers that still read it."""

    __slots__ = ("buffer", "dtype_number", "pins", "values")

    def __init__(self, length: int, dtype: np.dtype) -> None:  # type: ignore[type-arg]
        self.buffer: Bytes = new_buffer(length * dtype.itemsize)
        self.values: NDArray[np.generic] = self.buffer.view(dtype)
        self.dtype_number = dtype_number(dtype)
        self.pins = 0


class Snapshots:
    """Hands out a snapshot that nobody reads; allocates one only when all are pinned."""

    def __init__(self, length: int, dtype: np.dtype, most: int) -> None:  # type: ignore[type-arg]
        self._length = length
        self._dtype = dtype
        self._most = most
        self._all = [Snapshot(length, dtype) for _ in range(2)]

    def take(self, values: ArrayLike) -> Snapshot:
        """Return a snapshot that holds ``values``, (length,), cast to the dtype on the wire."""
        free = [s for s in self._all if not s.pins]
        if free:
            snapshot = free[0]
            for spare in free[1:]:
                if len(self._all) > 2:
                    self._all.remove(spare)
        else:
            assert len(self._all) < self._most, f"{len(self._all)} of {self._most} are pinned"
            snapshot = Snapshot(self._length, self._dtype)
            self._all.append(snapshot)
        snapshot.values[:] = values
        return snapshot

    def __len__(self) -> int:
        return len(self._all)
