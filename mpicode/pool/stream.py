"""The master's side where nobody waits for anybody: each worker is asked by itself, at any time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import wire
from .books import Answer
from .pool import WorkerPool
from .reports import text
from .snapshots import Snapshots
from .tasks import Task
from .transport import Slot, Transport
from .wire import Kind

Numbers = NDArray[np.integer[Any]]
_PATIENCE = 100


class Stream(WorkerPool):
    """Asks workers one by one, and takes their answers however old the question is.

    Between `start` and `close`: `ask` those who are ``idle``, and take what lands by `arrivals`.
    What the rounds of a `WorkerPool` call the iteration is here the version of the parameters that
    a request carries; the age of an answer is how many versions there have been since. Nobody is
    told to stop, save by `withdraw`: an answer that comes late is still an answer. At most one
    request is outstanding per worker, of one message or several, each of which is an arrival.

    The code can be another one from some version on, see `renew`; of which generation of it an
    answer is, the answer tells.

    version : of the parameters now; the caller counts it up, it never goes back
    idle    : workers that can be asked, in the order in which they answered
    """

    def __init__(
        self, transport: Transport, *, payload_length: int, dtype: np.dtype[Any], **more: Any
    ) -> None:
        self.version = 0
        self.idle: list[int] = []
        self._oldest = 0
        self._landed: list[Slot] = []
        super().__init__(transport, payload_length=payload_length, dtype=dtype, **more)
        self._request_length = request_length(payload_length, dtype, self.n_workers)
        self._open = True

    def _new_snapshots(self, payload_length: int, dtype: np.dtype[Any]) -> Snapshots:
        n = self.n_workers
        # how many are read at a time goes up and down
        return Snapshots(
            payload_length, dtype, n + 2, self._transport.drop, n_numbers=n, patience=_PATIENCE
        )

    def start(self, elapsed: float = 0.0) -> None:
        """Wait until each worker has prepared itself, then start the clock at ``elapsed`` s."""
        super().start(elapsed)
        self.idle = [worker for worker in self.members.active if self._tasks[worker] is None]
        self._asked = [True] * self.n_workers

    def arrivals(self, deadline: float | None = None) -> list[Answer]:
        """Return what has landed in one sweep, at least one answer where anybody can give one.

        The payloads are valid until the next `ask` or `arrivals`. Empty at ``deadline`` (run time,
        s), when the run is interrupted, when the members have changed or only damaged messages
        came, and when nobody is left who could answer.
        """
        self._give_back()
        if not self._n_busy:
            return []
        arrived = self._wait(None if deadline is None else deadline + self._zero)
        answers = []
        for slot in arrived or ():
            answer = self._accept(slot)
            if answer is None:
                self._transport.recycle(slot)
            else:
                answers.append(answer)
                self._landed.append(slot)
        return answers

    @property
    def waits(self) -> bool:
        """Whether anybody is busy of whom an answer is expected."""
        return self._n_busy > 0

    def ask(self, kind: int, payload: ArrayLike, wanted: Mapping[int, Numbers]) -> None:
        """Ask idle workers at the parameters ``payload``, (payload_length,), of this version.

        wanted : the messages of each worker that is asked; their arrays must not be changed
        """
        transport = self._transport
        self._give_back()
        transport.reap()
        self._bury()
        workers = [worker for worker in wanted if worker in self.idle]
        if not workers:
            return
        snapshot = self._snapshots.take(payload)
        numbers, now, generation = snapshot.numbers, self.now(), self._assignments.generation
        wire.pack(
            snapshot.buffer, kind, self._dtype_number, self._request_length, self.version,
            flags=wire.NUMBERED, seconds=now, generation=generation,
        )  # fmt: skip
        task = Task(kind, self.version, 0, now, generation)
        for worker in workers:
            numbers[worker] = self._begin(worker, wanted[worker], task)
        transport.post(workers, snapshot)
        self.bytes_sent += len(workers) * len(snapshot.buffer)

    def tell(self, kind: int, worker: int, payload: NDArray[Any], messages: Numbers) -> None:
        """Ask one idle worker with a ``payload`` of its own, of any length and type."""
        self._transport.reap()
        self._bury()
        if worker not in self.idle:
            return
        now, generation = self.now(), self._assignments.generation
        single = self._begin(worker, messages, Task(kind, self.version, 0, now, generation))
        length, number = len(payload), wire.dtype_number(payload.dtype)
        message = wire.new_buffer(wire.message_bytes(length, payload.dtype))
        wire.payload(message, length, payload.dtype)[:] = payload
        wire.pack(
            message, kind, number, length, self.version,
            message=single, seconds=now, generation=generation,
        )  # fmt: skip
        self._transport.assign(worker, message)
        self._transport.listen(worker)
        self.bytes_sent += len(message)

    @property
    def generation(self) -> int:
        """Of the code that workers are asked by."""
        return self._assignments.generation

    def renew(self, numbers: Numbers) -> None:
        """Ask by the code that ``numbers`` stand for from now on, each worker once it is ready.

        What workers are busy with is of the code before, and as welcome as ever. Who is idle gets
        ready first, which counts as being busy.
        """
        assignments = self._assignments
        assignments.prepare(assignments.generation + 1, self.members.active, numbers)
        assignments.change_over()
        idle, self.idle = self.idle, []
        for worker in idle:
            self._get_ready(worker)

    def _get_ready(self, worker: int) -> None:
        self._assignments.tell(worker)
        self._take_on(worker, Task(Kind.PREPARE, self.version, 0, self.now(), self.generation))
        self._withdrawn[worker] = True  # there is nothing to withdraw

    def _take_prepared(self, slot: Slot, generation: int) -> None:
        worker, task = slot.worker, self._tasks[slot.worker]
        if task is None or task.kind != Kind.PREPARE:
            raise wire.BadMessage(f"{slot.sender}: was not asked to get ready")
        assignments = self._assignments
        assignments.take(worker, generation, text(slot).decode(errors="replace"))
        self._tasks[worker] = None
        self._n_busy -= 1
        if worker in assignments.refusals:
            self._lose(worker, assignments.refusals[worker], dead=False)
        else:
            self._next(worker)

    def _next(self, worker: int) -> None:
        """Have a worker that has just answered get ready, where it is to; else it is idle."""
        if worker in self._assignments.unprepared:
            self._get_ready(worker)
        else:
            self.idle.append(worker)

    def page(self, iteration: int) -> None:
        """Open a page of the books for what lands from now on; ``iteration`` is for the log."""
        self._open_page()
        self.n_withdrawn = 0
        self._iteration = iteration

    def forget_all(self) -> None:
        """Make no use of what workers are busy with now; what follows is of the next version."""
        self.version += 1
        self._oldest = self.version

    def withdraw(self) -> None:
        """Tell each worker that is busy, once, that nobody can use its answer any more."""
        if self._n_busy:
            self._withdraw()

    def _begin(self, worker: int, messages: Numbers, task: Task) -> int:
        """Take down that a worker is asked; return the message that the request is to tell it.

        -1: it was told by an assignment, sent before.
        """
        single = int(messages[0]) if len(messages) == 1 else -1
        if single < 0 or not self._assignments.lend(worker, single):
            self._assignments.give(worker, messages)
            single = -1
        self._take_on(worker, task)
        self._withdrawn[worker] = False
        self.idle.remove(worker)
        return single

    def _take_on(self, worker: int, task: Task) -> None:
        self._tasks[worker] = task
        self._n_busy += 1
        if self._next_check == math.inf:
            self._next_check = self._clock() + self._check_seconds

    def recycle(self, slot: Slot) -> None:
        """Give back a slot that was kept."""
        if slot in self._landed:
            self._landed.remove(slot)
        super().recycle(slot)

    def _give_back(self) -> None:
        for slot in self._landed:
            if not slot.kept:
                self._transport.recycle(slot)
        self._landed.clear()

    def _age(self, iteration: int, round: int, generation: int) -> int | None:
        usable = self._open and iteration >= self._oldest
        return self.version - iteration if usable else None

    def _finish(self, worker: int) -> None:
        super()._finish(worker)
        self._next(worker)

    def _lose(self, worker: int, detail: str, *, dead: bool) -> None:
        super()._lose(worker, detail, dead=dead)
        if worker in self.idle:
            self.idle.remove(worker)


def request_length(payload_length: int, dtype: np.dtype[Any], n_workers: int) -> int:
    """Return the elements of a request of a `Stream`, the numbers behind its payload included."""
    return payload_length + wire.numbers_room(n_workers, dtype)
