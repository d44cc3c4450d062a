"""The books of a pool: who is busy with what, what has come of it, and whom to do without."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..outcomes import Outcome
from . import wire
from .assignments import Assignments
from .members import Members
from .reports import failure, text, unasked
from .tasks import Task
from .transport import Slot, Transport
from .wire import Kind

# looked up once: these run for every message
_DROPPED, _FAILED = int(Kind.DROPPED), int(Kind.FAILED)
_HELLO, _READY = int(Kind.HELLO), int(Kind.READY)
_PREPARE, _PREPARED = int(Kind.PREPARE), int(Kind.PREPARED)
_new = tuple.__new__
_BYTE = np.dtype(np.uint8)

Log = Callable[[int, int, int, int, int, float, Outcome], None]
"""Called for each message with the fields of a row of /messages."""


class Answer(NamedTuple):
    """One coded vector. ``payload``, (length,), is valid until the next answer is asked for."""

    worker: int
    message: int
    iteration: int
    round: int
    age: int
    payload: NDArray[Any]
    slot: Slot
    generation: int

    def keep(self) -> Slot:
        """Take the buffer over: the payload stays valid until `WorkerPool.recycle` is given it."""
        self.slot.kept = True
        return self.slot


class Books(ABC):
    """What `WorkerPool` knows of its workers, and how an arrival or a loss changes it.

    The attributes without an underscore are explained there.
    """

    def __init__(
        self,
        transport: Transport,
        log: Log | None,
        silent_seconds: float,
        errors_end: bool,
        checksum: bool,
    ) -> None:
        n_workers = self.n_workers = transport.n_workers
        self.members = Members(n_workers, silent_seconds)
        self.log = log
        self.bytes_received = 0
        self._transport = transport
        self._errors_end = errors_end
        self._checksum = checksum
        self._check_seconds = min(transport.check_seconds, silent_seconds)
        self._next_check = math.inf  # when to look after those who do not answer
        self._unknown = [math.nan] * n_workers
        self._nobody = [False] * n_workers
        self._tasks: list[Task | None] = [None] * n_workers
        self._n_busy = 0  # those who are waited for: the silent are not
        self._assignments = Assignments(n_workers, self._send_numbers)
        self._answered = [0] * n_workers  # messages of the task at hand that have come
        self._asked = [False] * n_workers
        self._open = False
        self._round = 0
        self._iteration = -1
        self._clock = transport.now
        self._zero = self._clock()
        self._open_page()

    def _open_page(self) -> None:
        """Forget what was taken down of the last round."""
        self.n_stale = 0
        self.compute_seconds = self._unknown.copy()
        self.delay_seconds = self._unknown.copy()
        self.latency_seconds = self._unknown.copy()
        self.corrupt = self._nobody.copy()
        self.empty = self._nobody.copy()

    def now(self) -> float:
        """Return the run time in seconds: since all workers were ready."""
        return self._clock() - self._zero

    @property
    def hosts(self) -> list[str]:
        """Where the workers run."""
        return self.members.hosts

    @abstractmethod
    def _age(self, iteration: int, round: int, generation: int) -> int | None:
        """Return how old an answer to such a request is by now, None where it is of no use."""

    @abstractmethod
    def _ask(self, workers: Sequence[int]) -> None:
        """Send the current request to those of ``workers``, all idle, who have a part in it."""

    @abstractmethod
    def _send_numbers(
        self, worker: int, kind: Kind, numbers: NDArray[np.integer[Any]], generation: int
    ) -> None:
        """Tell a worker, who is idle, something about a code."""

    def _check_members(self) -> None:
        """Do without those who have been silent for too long, or are seen to have left."""
        members, now = self.members, self.now()
        for worker, task in enumerate(self._tasks):
            if task is None and worker not in self._assignments.unprepared:
                continue
            if self._has_left(worker) or task is None or members.silent[worker]:
                continue
            if now - task.posted_at >= members.silent_seconds:
                members.fall_silent(now, worker)
                self._n_busy -= 1
        self._next_check = self._clock() + self._check_seconds

    def _has_left(self, worker: int) -> bool:
        """Strike out a worker whose process is seen to be gone; return whether it is."""
        if not self.members.has_ended(worker):
            return False
        self._transport.lose(worker)
        self._lose(worker, "its process has ended", dead=True)
        return True

    def _bury(self) -> bool:
        """Strike out the workers that were found dead; return whether there were any."""
        losses = self._transport.losses()
        for worker, detail in losses:
            self._lose(worker, detail, dead=True)
        return bool(losses)

    def _lose(self, worker: int, detail: str, *, dead: bool) -> None:
        if self._tasks[worker] is not None:
            self._tasks[worker] = None
            self._answered[worker] = 0
            self._n_busy -= not self.members.silent[worker]
        self._assignments.forget(worker)
        self.members.lose(self.now(), worker, detail, dead=dead)

    def _accept(self, slot: Slot) -> Answer | None:
        """Keep the books of one arrival; return it if it answers the current round."""
        worker = slot.worker
        if self.members.silent[worker]:
            self.members.come_back(self.now(), worker)
            self._n_busy += 1
        task = self._tasks[worker]
        try:
            (
                _, kind, dtype, flags, message, iteration, round, generation, length, seconds,
                slept, _,
            ) = slot.read(slot.sender)  # fmt: skip
            if self._checksum:
                slot.check(slot.sender)
            self.bytes_received += slot.n_bytes
            if kind == _FAILED and wire.DTYPES[dtype] == _BYTE:
                self._take_failure(slot)
                return None
            if task is not None and task.kind == _READY and kind in (_HELLO, _READY):
                self._take_first_words(slot, kind)
                return None
            if kind == _PREPARED and wire.DTYPES[dtype] == _BYTE:
                self._take_prepared(slot, generation)
                return None
            dropped = kind == _DROPPED
            numbers, place = self._assignments.numbers[worker], self._answered[worker]
            if (
                task is None
                or iteration != task.iteration
                or round != task.round
                or generation != task.generation
                or not (dropped or kind == task.kind)
                or place == len(numbers)
                or message != numbers[place]
                or (not dropped and (flags & wire.LAST) != (place + 1 == len(numbers)))
            ):
                raise unasked(
                    slot.sender,
                    task,
                    numbers[place:],
                    (kind, flags, message, iteration, round, generation),
                )
        except wire.BadMessage as error:
            self._take_damaged(slot, task, str(error))
            return None
        now = self._clock() - self._zero
        age = self._age(iteration, round, generation)
        if flags & wire.LAST:
            self._finish(worker)
        else:
            self._answered[worker] += 1
            self._transport.listen(worker)
        if age is not None and not dropped:
            if slot.n_bytes != slot.full_bytes or wire.DTYPES[dtype] != slot.values.dtype:
                raise wire.BadMessage(
                    f"{slot.sender}: message {message} has {length} elements of "
                    f"{wire.DTYPES[dtype]}, wants {len(slot.values)} of {slot.values.dtype}"
                )
            self.compute_seconds[worker] = seconds
            self.delay_seconds[worker] = slept
            self.latency_seconds[worker] = now - task.posted_at
            return _new(
                Answer, (worker, message, iteration, round, age, slot.values, slot, generation)
            )
        self.n_stale += not dropped
        if age is not None:
            self.empty[worker] = True
        if self.log is not None:
            outcome = Outcome.DROPPED if dropped else Outcome.STALE_DROPPED
            self.log(self._iteration, round, message, worker, iteration, now, outcome)
        return None

    def _take_first_words(self, slot: Slot, kind: int) -> None:
        worker = slot.worker
        if kind == _HELLO:
            self.members.introduce(worker, text(slot).decode())
            self._transport.listen(worker)
        else:
            self._tasks[worker] = None
            self._n_busy -= 1

    def _take_prepared(self, slot: Slot, generation: int) -> None:
        worker = slot.worker
        self._assignments.take(worker, generation, text(slot).decode(errors="replace"))
        if self._tasks[worker] is not None or worker in self._assignments.unprepared:
            self._transport.listen(worker)

    def _finish(self, worker: int) -> None:
        """Take down that a worker has answered; ask it again if it missed the round's beginning."""
        self._tasks[worker] = None
        self._answered[worker] = 0
        self._n_busy -= 1
        if self._open and not self._asked[worker]:
            self._ask((worker,))
        if worker in self._assignments.unprepared:
            self._transport.listen(worker)

    def _take_damaged(self, slot: Slot, task: Task | None, error: str) -> None:
        """Drop a message, and go on as if it had been right: answers come in the order asked for.

        A worker whose very first word is damaged, or that of being ready, cannot be counted on.
        """
        worker, now = slot.worker, self.now()
        self.bytes_received += slot.full_bytes
        detail = error.removeprefix(f"{slot.sender}: ")
        if self.members.failed[worker]:
            return  # nothing it says counts any more
        if task is not None and task.kind in (_READY, _PREPARE):
            self._lose(worker, detail, dead=False)
            return
        self.members.blame(now, worker, detail)
        if task is None:
            return
        self.corrupt[worker] = True
        place, numbers = self._answered[worker], self._assignments.numbers[worker]
        if self.log is not None:
            self.log(
                self._iteration, task.round, numbers[place], worker, task.iteration, now,
                Outcome.CORRUPT,
            )  # fmt: skip
        if place + 1 == len(numbers):
            self._finish(worker)
        else:
            self._answered[worker] = place + 1
            self._transport.listen(worker)

    def _take_failure(self, slot: Slot) -> None:
        error = failure(slot.sender, text(slot))
        if self._errors_end:
            raise error
        self._lose(slot.worker, str(error), dead=False)
