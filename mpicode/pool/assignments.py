"""What each worker has been told: the messages it is to compute, and of which code."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .wire import Kind

Numbers = NDArray[np.integer[Any]]
_NOTHING: Numbers = np.empty(0, dtype=np.int64)


class Assignments:
    """Keeps what workers know up to date; told only while they are idle, they never mix codes.

    The code can change: `prepare` has workers get ready for another ``generation`` of it beside
    their work, ``unprepared`` are those that are not yet, and after `change_over` each worker goes
    by it from its next assignment on, of which there is none before it is ready. A worker is ready
    for one code at a time. ``refusals`` are those that cannot get ready, and why.

    send    : ``send(worker, kind, numbers, generation)`` tells a worker
    numbers : of the messages assigned to each worker, in their order
    """

    def __init__(self, n_workers: int, send: Callable[[int, Kind, Numbers, int], None]) -> None:
        self.generation = 0
        self.unprepared: set[int] = set()
        self.refusals: dict[int, str] = {}
        self.numbers: list[list[int]] = [[] for _ in range(n_workers)]
        self._send = send
        self._assigned: list[Any] = [None] * n_workers
        self._generations = [0] * n_workers  # that each worker goes by
        self._wanted: Sequence[Numbers] | None = None  # what all have been assigned, each its own
        self._untold: set[int] = set()
        self._coming = 0, _NOTHING

    def all_have(self, wanted: Sequence[Numbers]) -> bool:
        """Return whether every worker has been assigned ``wanted``, and has a part in it."""
        return wanted is self._wanted

    def settle(self, workers: Sequence[int], wanted: Sequence[Numbers]) -> list[int]:
        """Assign ``wanted`` to ``workers``, all idle; return those who have a part in it."""
        for worker in workers:
            self.give(worker, wanted[worker])
        all_have_it = all(map(operator.is_, wanted, self._assigned))
        self._wanted = wanted if all_have_it and all(map(len, wanted)) else None
        return [worker for worker in workers if len(wanted[worker])]

    def give(self, worker: int, messages: Numbers) -> None:
        """Assign ``messages`` to a worker, who is idle; nothing is sent where it has them."""
        if worker in self._untold:
            self.tell(worker)
        lags = self._lags(worker)
        if messages is self._assigned[worker] and not lags:
            return
        if lags or (len(messages) and not np.array_equal(messages, self._assigned[worker])):
            self._assign(worker, messages)
        self._assigned[worker] = messages
        self.numbers[worker] = [int(message) for message in messages]
        self._wanted = None

    def lend(self, worker: int, message: int) -> bool:
        """Take down that a request is to tell an idle worker its one message, if one can.

        What the worker was assigned, if anything, does not count any more.
        """
        if worker in self._untold or self._lags(worker):
            return False
        self.numbers[worker] = [message]
        self._assigned[worker] = self._wanted = None
        return True

    def prepare(self, generation: int, workers: Sequence[int], numbers: Numbers) -> None:
        """Have ``workers`` get ready for the code that ``numbers`` stand for, once they are told.

        It takes the place of any preparation that is not over.
        """
        self._coming = generation, numbers
        self.unprepared, self._untold = set(workers), set(workers)
        self.refusals = {}
        self._wanted = None

    def tell(self, worker: int) -> None:
        """Tell a worker, who is idle, what it is to get ready for."""
        generation, numbers = self._coming
        self._untold.discard(worker)
        if self._lags(worker) and generation != self.generation:
            # it was busy when the others changed over, and must before it gets ready again
            self._assign(worker, _NOTHING)
            self._assigned[worker] = None
        self._send(worker, Kind.PREPARE, numbers, generation)

    def take(self, worker: int, generation: int, refusal: str) -> None:
        """Take down that a worker is ready, or why it cannot be."""
        if generation == self._coming[0] and worker in self.unprepared:
            self.unprepared.discard(worker)
            if refusal:
                self.refusals[worker] = refusal

    def change_over(self) -> None:
        """Go by the code that was prepared."""
        self.generation = self._coming[0]
        self._wanted = None

    def forget(self, worker: int) -> None:
        """Expect nothing of a worker any more."""
        self._untold.discard(worker)
        self.unprepared.discard(worker)

    def _lags(self, worker: int) -> bool:
        return self._generations[worker] != self.generation

    def _assign(self, worker: int, messages: Numbers) -> None:
        self._send(worker, Kind.ASSIGN, messages, self.generation)
        self._generations[worker] = self.generation
