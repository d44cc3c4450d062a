"""The downlink of used messages: workers replay them, and have the same parameters bit by bit."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...optimizers import Optimizer
from ...pool import Kind, Stream
from .queue import Numbers

if TYPE_CHECKING:
    from ..setup import Setup


class Relay:
    """Sends each worker the messages used since it was asked last, or where it is to begin anew.

    A request is a list of updates, each ``length + 1`` numbers of the run's type: the number of the
    message, and the message. Where that would be longer than the parameters, or the worker was
    never asked, they are sent whole, in double precision, behind the number of steps made so far.
    """

    def __init__(
        self, pool: Stream, optimizer: Optimizer, flat: NDArray[np.float64], setup: Setup
    ) -> None:
        self._pool = pool
        self._optimizer = optimizer
        self._flat = flat
        self._dtype = setup.segments.dtype
        self._width = setup.segments.length + 1
        most = (flat.size + 1) * flat.itemsize // (self._width * self._dtype.itemsize)
        self._updates: deque[NDArray[Any]] = deque(maxlen=most)
        self._n_used = 0
        self._told = [-1] * pool.n_workers

    def used(self, message: int, codeword: NDArray[Any]) -> None:
        """Take down what a step was made of."""
        update = np.empty(self._width, self._dtype)
        update[0], update[1:] = message, codeword
        self._updates.append(update)
        self._n_used += 1

    def ask(self, wanted: dict[int, Numbers]) -> None:
        """Ask idle workers, each with what it lacks."""
        for worker, messages in wanted.items():
            lacks = self._n_used - self._told[worker]
            if self._told[worker] < 0 or lacks > len(self._updates):
                whole = np.empty(self._flat.size + 1)
                whole[0], whole[1:] = self._optimizer.iteration, self._flat
                self._pool.tell(Kind.GRADIENT, worker, whole, messages)
            else:
                since = len(self._updates) - lacks
                parts = [self._updates[place] for place in range(since, len(self._updates))]
                joined = np.concatenate(parts) if parts else np.empty(0, self._dtype)
                self._pool.tell(Kind.UPDATE, worker, joined, messages)
            self._told[worker] = self._n_used
