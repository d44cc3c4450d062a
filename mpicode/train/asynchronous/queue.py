"""Which messages a worker is asked for next."""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ...codes import GradientCode

Numbers = NDArray[np.int64]
_NONE: Numbers = np.empty(0, dtype=np.int64)


class Rows(Protocol):
    """Says what to ask of a worker that is idle."""

    def take(self, worker: int, among: Container[int] | None = None) -> Numbers:
        """Return the numbers of messages, in the order they are to come; of ``among`` alone."""


class Queue:
    """All messages in turn, in the order of their numbers: any worker takes the next.

    So every message is asked for equally often, however fast who is. A worker takes the first in
    the queue whose blocks it holds; what it has taken goes to the end.
    """

    def __init__(self, code: GradientCode, workers: Sequence[int], count: int) -> None:
        self._waiting = deque(range(code.n_messages))
        self._count = count
        self._alone = [np.array([message]) for message in range(code.n_messages)]
        encoding, n_blocks = code.encoding, code.n_blocks
        blocks = [
            set((encoding.indices[start:stop] % n_blocks).tolist())
            for start, stop in zip(encoding.indptr[:-1], encoding.indptr[1:], strict=True)
        ]
        self._able: dict[int, list[bool]] = {}
        for place, worker in enumerate(workers):
            held = set(code.blocks(place).tolist())
            self._able[worker] = [wanted <= held for wanted in blocks]

    def take(self, worker: int, among: Container[int] | None = None) -> Numbers:
        """Take the next messages that the worker can compute, as many as are asked for at once."""
        able = self._able.get(worker)
        if able is None:
            return _NONE
        taken: list[int] = []
        for message in self._waiting:
            if able[message] and (among is None or message in among):
                taken.append(message)
                if len(taken) == self._count:
                    break
        for message in taken:
            self._waiting.remove(message)
            self._waiting.append(message)
        return self._alone[taken[0]] if len(taken) == 1 else np.array(taken, dtype=np.int64)


class Fixed:
    """Each worker has messages of its own, as the code says, and goes through them in turn."""

    def __init__(self, code: GradientCode, workers: Sequence[int], count: int) -> None:
        self._turns: dict[int, list[Numbers]] = {}
        self._next: dict[int, int] = {}
        for place, worker in enumerate(workers):
            own = code.messages(place).astype(np.int64)
            n = min(count, len(own))
            # arrays that come again: what a worker was told already is not told again
            starts = range(0, len(own), n) if n and len(own) % n == 0 else range(len(own))
            self._turns[worker] = [np.take(own, range(s, s + n), mode="wrap") for s in starts]
            self._next[worker] = 0

    def take(self, worker: int, among: Container[int] | None = None) -> Numbers:
        """Take the next of the worker's own messages; none where it has no part in the code."""
        turns = self._turns.get(worker, [])
        for _ in turns:
            turn = self._next[worker]
            self._next[worker] = (turn + 1) % len(turns)
            if among is None:
                return turns[turn]
            left = [message for message in turns[turn].tolist() if message in among]
            if left:
                return np.array(left, dtype=np.int64)
        return _NONE
