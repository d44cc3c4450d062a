"""The master's side of a round: whom to ask, what has come, who is late."""

from __future__ import annotations

import contextlib
import math
import operator
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import Stopped
from . import wire
from .background import Job
from .books import Answer, Books, Log
from .snapshots import Snapshot, Snapshots
from .tasks import Task
from .transport import Slot, Transport
from .wire import Kind

_SMALLEST_ANSWER = 64 * 1024  # room for the traceback of a worker that failed
_LOOK_SECONDS = 0.1  # at the end, between two looks after those who do not answer
_INT64 = np.dtype(np.int64)


class WorkerPool(Books):
    """Asks workers in rounds, and never waits for more answers than its caller wants.

    At most one request and one notice are outstanding per worker: a busy worker is not asked again
    until it has answered, and one whose answer nobody can use any more is told so once.

    Per round: ``begin``, then iterate over ``answers`` for as long as more are needed, then
    ``end``. ``compute_seconds``, ``delay_seconds`` and ``latency_seconds``, n_workers numbers each,
    hold the worker's own time, the delay injected and the time from request to answer, NaN for
    those who have not answered.

    A worker that dies is struck out, and so is one that raised an exception if ``errors_end`` is
    False; one that does not answer for ``silent_seconds`` is not waited for until it does.
    ``members`` tells.

    A damaged answer is dropped and told as an event; its worker is asked again in the next round.
    ``corrupt`` and ``empty``, n_workers flags each, tell of the current round whose answer was
    damaged, and whose came without what was asked for. With ``checksum`` all answers carry one.

    The code can be another one from some round on: `prepare` has workers get ready for it beside
    their work, `unprepared` are those that are not yet, and the rounds after `change_over` belong
    to it.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        payload_length: int,
        dtype: np.dtype[Any],
        log: Log | None = None,
        silent_seconds: float = math.inf,
        errors_end: bool = True,
        checksum: bool = False,
    ) -> None:
        super().__init__(transport, log, silent_seconds, errors_end, checksum)
        n_workers = self.n_workers
        self.bytes_sent = 0
        self.n_withdrawn = 0
        self._dtype_number = wire.dtype_number(dtype)
        self._payload_length = payload_length
        self._snapshots = self._new_snapshots(payload_length, dtype)
        self._snapshot: Snapshot | None = None
        self._withdrawn = [False] * n_workers
        self._unread: list[Slot] = []
        self._gone = [False] * n_workers
        self._wanted: Sequence[NDArray[np.integer[Any]]] = ()
        self._kind: int = Kind.GRADIENT

    def _new_snapshots(self, payload_length: int, dtype: np.dtype[Any]) -> Snapshots:
        return Snapshots(payload_length, dtype, self.n_workers + 2, self._transport.drop)

    def interrupted(self) -> bool:
        """Return whether the run was told to stop waiting."""
        return self._transport.interrupted()

    def start(self, elapsed: float = 0.0) -> None:
        """Wait until each worker has prepared itself, then start the clock at ``elapsed`` s."""
        self._tasks = [Task(Kind.READY, -1, 0, 0.0)] * self.n_workers
        self._withdrawn = [True] * self.n_workers
        self._n_busy = self.n_workers
        self._next_check = self._clock() + self._check_seconds
        while self._n_busy:
            arrived = self._wait(None)
            if arrived is None:
                raise Stopped(
                    f"interrupted while {self._n_busy} of {self.n_workers} workers got ready"
                )
            for slot in arrived:
                self._accept(slot)
                self._transport.recycle(slot)
        zero = self._clock() - elapsed
        late = Task(Kind.READY, -1, 0, self._zero - zero)
        self._tasks = [None if task is None else late for task in self._tasks]
        self._zero = zero

    def begin(
        self,
        kind: int,
        iteration: int,
        payload: ArrayLike,
        wanted: Sequence[NDArray[np.integer[Any]]],
        round: int = 0,
    ) -> None:
        """Ask each idle worker ``i`` for messages ``wanted[i]`` at ``payload``, (payload_length,).

        Busy workers are asked as soon as they have answered, if that is before `end`. ``wanted``
        and its arrays must not be changed afterwards; handing over the same ones again costs
        nothing.
        """
        self._transport.reap()
        self._bury()
        snapshot = self._snapshot = self._snapshots.take(payload)
        wire.pack(
            snapshot.buffer, kind, self._dtype_number, self._payload_length, iteration, round,
            seconds=self.now(), generation=self._assignments.generation,
        )  # fmt: skip
        self._kind = kind
        self._iteration = iteration
        self._round = round
        self._open = True
        self._wanted = wanted
        self.n_withdrawn = 0
        self._open_page()
        active = self.members.active
        if self._n_busy or len(active) < self.n_workers or any(self.members.silent):
            active = [worker for worker in active if self._tasks[worker] is None]
        self._asked = [False] * self.n_workers
        self._ask(active)
        self._bury()

    def answers(self, deadline: float | None = None) -> Iterator[Answer]:
        """Yield the answers to the current round as they land, until ``deadline`` (run time, s).

        It also ends when nobody is left who could answer, or when the run is interrupted.
        """
        transport = self._transport
        if deadline is not None:
            deadline += self._zero
        answer: Answer | None = None
        try:
            while self._n_busy:
                arrived = self._wait(deadline)
                if arrived is None:
                    return
                self._unread = unread = arrived
                unread.reverse()
                while unread:
                    slot = unread.pop()
                    answer = self._accept(slot)
                    if answer is None:
                        transport.recycle(slot)
                        continue
                    yield answer
                    if not slot.kept:
                        transport.recycle(slot)
                    answer = None
        finally:
            if answer is not None and not answer.slot.kept:
                transport.recycle(answer.slot)

    def _wait(self, deadline: float | None) -> list[Slot] | None:
        """Return what has come, nothing if only the members changed; None at ``deadline``.

        None also when the run is interrupted. ``deadline`` is a time of the transport's clock.
        """
        check = self._next_check
        early = check < (math.inf if deadline is None else deadline)
        arrived = self._transport.wait(check if early else deadline)
        changed = self._bury()
        if arrived:
            return arrived
        if early and self._clock() >= check:
            self._check_members()
            return []
        return [] if changed else None

    def end(self) -> None:
        """Close the round: tell each worker that is still busy with it, once, that it may stop."""
        self._open = False
        while self._unread:
            # what the caller left of the last sweep is late by a moment
            slot = self._unread.pop()
            self._accept(slot)
            self._transport.recycle(slot)
        if self._n_busy:
            self._withdraw()

    def pause(self, seconds: float) -> None:
        """Take what lands between rounds, for so long at most."""
        for slot in self._wait(self._clock() + seconds) or ():
            self._accept(slot)
            self._transport.recycle(slot)

    def start_job(self, job: Job[Any]) -> None:
        """Do something beside the rounds."""
        self._transport.start(job)

    @property
    def unprepared(self) -> set[int]:
        """Those who are not yet ready for the code of the last `prepare`."""
        return self._assignments.unprepared

    @property
    def refusals(self) -> dict[int, str]:
        """Those who cannot get ready for it, and why."""
        return self._assignments.refusals

    def prepare(
        self, generation: int, workers: Sequence[int], numbers: NDArray[np.integer[Any]]
    ) -> None:
        """Have ``workers`` get ready for the code that ``numbers`` stand for.

        The busy are told when they are asked next. What was being prepared before is given up.
        """
        self._assignments.prepare(generation, workers, numbers)
        for worker in workers:
            if self._tasks[worker] is None:
                self._assignments.tell(worker)

    def change_over(self) -> None:
        """Have the rounds from the next one on belong to the code that was prepared."""
        self._assignments.change_over()

    def recycle(self, slot: Slot) -> None:
        """Give back a slot that was kept."""
        slot.kept = False
        self._transport.recycle(slot)

    def close(self, grace_seconds: float = 5.0) -> list[int]:
        """Tell every worker to leave; return those that do not within ``grace_seconds``."""
        transport = self._transport
        self._open = False
        transport.interrupted = lambda: False
        dead = self.members.dead
        for worker in range(self.n_workers):
            if not dead[worker]:
                self._transport.listen(worker)
                self._notify(worker, Kind.STOP)
        deadline = self._clock() + grace_seconds
        self._bury()
        while not all(map(operator.or_, self._gone, dead)):
            arrived = transport.wait(min(deadline, self._clock() + _LOOK_SECONDS))
            if not self._bury() and not arrived:
                if self._clock() >= deadline:
                    break
                for worker, gone in enumerate(self._gone):
                    if not (gone or dead[worker]):
                        self._has_left(worker)
            for slot in arrived:
                # a damaged message is not the last one: only answers are long enough to be
                with contextlib.suppress(wire.BadMessage):
                    self._gone[slot.worker] |= slot.read(slot.sender)[1] == Kind.GOODBYE
                transport.recycle(slot)
                if not self._gone[slot.worker]:
                    transport.listen(slot.worker)
        silent = [w for w in range(self.n_workers) if not (self._gone[w] or dead[w])]
        transport.reap()
        self._snapshots.close()
        transport.close(everyone_left=not silent)
        return silent

    def _withdraw(self) -> None:
        for worker, task in enumerate(self._tasks):
            if task is not None and not self._withdrawn[worker]:
                self._withdrawn[worker] = True
                self.n_withdrawn += 1
                self._notify(worker, Kind.WITHDRAW, task.iteration, task.round)

    def _notify(self, worker: int, kind: Kind, iteration: int = -1, round: int = 0) -> None:
        notice = wire.new_buffer(wire.message_bytes(0, _INT64))
        wire.pack(notice, kind, iteration=iteration, round=round, seconds=self.now())
        self._transport.notify(worker, notice)
        self.bytes_sent += len(notice)

    def _send_numbers(
        self, worker: int, kind: Kind, numbers: NDArray[np.integer[Any]], generation: int
    ) -> None:
        length = len(numbers)
        message = wire.new_buffer(wire.message_bytes(length, _INT64))
        wire.payload(message, length, _INT64)[:] = numbers
        number = wire.dtype_number(_INT64)
        wire.pack(message, kind, number, length, seconds=self.now(), generation=generation)
        self._transport.assign(worker, message)
        self.bytes_sent += len(message)
        if kind == Kind.PREPARE:
            self._transport.listen(worker)

    def _age(self, iteration: int, round: int, generation: int) -> int | None:
        current = (
            self._open
            and iteration == self._iteration
            and round == self._round
            and generation == self._assignments.generation
        )
        return 0 if current else None

    def _ask(self, workers: Sequence[int]) -> None:
        """Send the current request to those of ``workers``, all idle, who have a part in it."""
        snapshot = self._snapshot
        assert snapshot is not None
        assignments = self._assignments
        task = Task(self._kind, self._iteration, self._round, self.now(), assignments.generation)
        if len(workers) == self.n_workers and assignments.all_have(self._wanted):
            # as in the round before: everyone is idle and has the assignment this round asks for
            asked = workers
            self._asked = [True] * self.n_workers
            self._tasks = [task] * self.n_workers
            self._withdrawn = [False] * self.n_workers
        else:
            asked = assignments.settle(workers, self._wanted)
            for worker in workers:
                self._asked[worker] = True
            for worker in asked:
                self._tasks[worker] = task
                self._withdrawn[worker] = False
        self._n_busy += len(asked)
        self._transport.post(asked, snapshot)
        self.bytes_sent += len(asked) * len(snapshot.buffer)


def largest_answer(answer_length: int, dtype: np.dtype[Any]) -> int:
    """Return the size in bytes of the buffers that answers of ``answer_length`` elements need."""
    return max(_SMALLEST_ANSWER, wire.message_bytes(answer_length, dtype))
