"""Immutable requests, shared by all workers that were sent the same one.

A snapshot may be written only while nobody reads it, and a send cannot be cancelled. So each counts
its readers (``pins``), two rotate, and a worker that does not read holds at most one of its own:
there are never more than ``n_workers + 2``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from . import wire


class Snapshot:
    """One request: ``values``, (length,), is the payload in ``buffer``.

    ``numbers``, (n_numbers,) int32, stand behind it; ``pins`` counts the transfers that still read
    it; ``handles`` belongs to the transport.
    """

    __slots__ = ("buffer", "handles", "numbers", "pins", "values")

    def __init__(self, length: int, dtype: np.dtype[Any], n_numbers: int) -> None:
        length += wire.numbers_room(n_numbers, dtype)
        self.buffer = wire.new_buffer(wire.message_bytes(length, dtype))
        whole = wire.payload(self.buffer, length, dtype)
        self.values, self.numbers = wire.split_numbers(whole, n_numbers)
        self.pins = 0
        self.handles: dict[int, Any] = {}


class Snapshots:
    """Hands out a snapshot that nobody reads; allocates one only when all are pinned.

    Those that were not needed in any of ``patience`` takes in a row are given up, save two, and
    ``drop`` is told of each. Behind its values each has ``n_numbers`` numbers.
    """

    def __init__(
        self,
        length: int,
        dtype: np.dtype[Any],
        most: int,
        drop: Callable[[Snapshot], None],
        n_numbers: int = 0,
        patience: int = 1,
    ) -> None:
        self._form = length, dtype, n_numbers
        self._patience = patience
        self._n_takes = 0
        self._n_spare = most  # the fewest that were not needed in these takes
        self._most = most
        self._drop = drop
        self._all = [Snapshot(*self._form) for _ in range(2)]

    def take(self, values: ArrayLike) -> Snapshot:
        """Return a snapshot that holds ``values``, (length,), cast to the dtype on the wire."""
        free = [s for s in self._all if not s.pins]
        self._n_takes += 1
        self._n_spare = min(self._n_spare, max(0, len(free) - 1))
        if free:
            snapshot = free[0]
        else:
            assert len(self._all) < self._most, f"{len(self._all)} of {self._most} are pinned"
            snapshot = Snapshot(*self._form)
            self._all.append(snapshot)
        if self._n_takes == self._patience:
            for spare in free[len(free) - self._n_spare :]:
                if len(self._all) > 2:
                    self._all.remove(spare)
                    self._drop(spare)
            self._n_takes, self._n_spare = 0, self._most
        snapshot.values[:] = values
        return snapshot

    def close(self) -> None:
        """Give all of them up."""
        for snapshot in self._all:
            self._drop(snapshot)
        self._all.clear()

    def __len__(self) -> int:
        return len(self._all)
