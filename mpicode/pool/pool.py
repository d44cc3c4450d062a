"""The master's side of a round: whom to ask, what has come, who is late."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import ConfigError, DataError, GaveUp, MpicodeError, WorkerFailed
from ..outcomes import Outcome
from . import wire
from .snapshots import Snapshot, Snapshots
from .transport import Arrival, Transport
from .wire import Kind

_ERRORS: dict[int, type[MpicodeError]] = {
    error.exit_code: error for error in (ConfigError, DataError, GaveUp)
}
_SMALLEST_ANSWER = 32 * 1024  # room for the traceback of a worker that failed

Log = Callable[[int, int, int, int, int, float, Outcome], None]
"""Called for each message: iteration, round, message, worker, iteration of its parameters, seconds, outcome."""


def _log_nothing(*_: Any) -> None:
    pass


class Answer:
    """One coded vector. ``payload``, (length,), is valid until the next answer is asked for."""

    __slots__ = ("_buffer", "age", "iteration", "kept", "message", "payload", "round", "worker")

    def __init__(
        self, worker: int, header: wire.Header, age: int, buffer: wire.Bytes, n_bytes: int
    ) -> None:
        self.worker = worker
        self.message = header.message
        self.iteration = header.iteration
        self.round = header.round
        self.age = age
        self.kept = False
        self._buffer = buffer
        self.payload: NDArray[Any] = buffer[
            wire.HEADER_BYTES : wire.HEADER_BYTES + n_bytes
        ].view(header.payload_dtype)

    def keep(self) -> wire.Bytes:
        """Take the buffer over; ``payload`` stays valid until it is given back with `WorkerPool.recycle`."""
        self.kept = True
        return self._buffer


class _Task:
    """The request a worker is busy with."""

    __slots__ = ("iteration", "posted_at", "round", "withdrawn")

    def __init__(self, iteration: int, round: int, posted_at: float) -> None:
        self.iteration = iteration
        self.round = round
        self.posted_at = posted_at
        self.withdrawn = False


class WorkerPool:
    """Asks workers in rounds, and never waits for more answers than its caller wants.

    At most one request and one notice are outstanding per worker: a busy worker is not asked again
    until it has answered, and one whose answer nobody can use any more is told so once.

    Per round: ``begin``, then iterate over ``answers`` for as long as more are needed, then ``end``.
    ``compute_seconds``, ``delay_seconds`` and ``latency_seconds``, (n_workers,), hold the worker's own
    time, the delay injected and the time from request to answer, NaN for those who have not answered.
    """

    def __init__(
        self, transport: Transport, *, payload_length: int, dtype: np.dtype[Any], log: Log | None = None
    ) -> None:
        self.n_workers = transport.n_workers
        self.hosts = [""] * self.n_workers
        self.log: Log = log or _log_nothing
        self.bytes_sent = 0
        self.bytes_received = 0
        self.n_stale = 0
        self.n_withdrawn = 0
        self.compute_seconds = np.full(self.n_workers, np.nan)
        self.delay_seconds = np.full(self.n_workers, np.nan)
        self.latency_seconds = np.full(self.n_workers, np.nan)
        self._transport = transport
        self._snapshots = Snapshots(payload_length, dtype, most=self.n_workers + 2)
        self._tasks: list[_Task | None] = [None] * self.n_workers
        self._gone = [False] * self.n_workers
        self._kind: int = Kind.GRADIENT
        self._iteration = -1
        self._round = 0
        self._open = False
        self._snapshot: Snapshot | None = None
        self._wanted: Sequence[NDArray[np.int32]] = ()
        self._asked = [False] * self.n_workers
        self._zero = transport.now()

    def now(self) -> float:
        """Return the run time in seconds: since all workers were ready."""
        return self._transport.now() - self._zero

    def interrupted(self) -> bool:
        """Return whether the run was told to stop waiting."""
        return self._transport.interrupted()

    def start(self) -> None:
        """Wait until each worker has prepared itself, then start the clock."""
        waiting = set(range(self.n_workers))
        while waiting:
            arrived = self._transport.wait()
            if not arrived and self._transport.interrupted():
                raise GaveUp(f"interrupted while {len(waiting)} of {self.n_workers} workers got ready")
            for arrival in arrived:
                header, payload_bytes = self._open_envelope(arrival)
                text = arrival.buffer[wire.HEADER_BYTES : wire.HEADER_BYTES + payload_bytes]
                self.hosts[arrival.worker] = text.tobytes().decode()
                self._transport.recycle(arrival.buffer)
                waiting.discard(arrival.worker)
        self._zero = self._transport.now()

    def begin(
        self,
        kind: int,
        iteration: int,
        payload: ArrayLike,
        wanted: Sequence[NDArray[np.int32]],
        round: int = 0,
    ) -> None:
        """Ask each idle worker ``i`` for the messages ``wanted[i]`` at ``payload``, (payload_length,).

        Busy workers are asked as soon as they have answered, if that is before `end`.
        """
        self._transport.reap()
        self._snapshot = self._snapshots.take(payload)
        self._kind, self._iteration, self._round = kind, iteration, round
        self._wanted = wanted
        self._open = True
        self.n_stale = self.n_withdrawn = 0
        self.compute_seconds.fill(np.nan)
        self.delay_seconds.fill(np.nan)
        self.latency_seconds.fill(np.nan)
        for worker in range(self.n_workers):
            self._asked[worker] = False
            if self._tasks[worker] is None:
                self._ask(worker)

    def answers(self, deadline: float | None = None) -> Iterator[Answer]:
        """Yield the answers to the current round as they land, until ``deadline`` (run time in seconds).

        It also ends when nobody is left who could answer, or when the run is interrupted.
        """
        if deadline is not None:
            deadline += self._zero
        while any(task is not None for task in self._tasks):
            arrived = self._transport.wait(deadline)
            if not arrived:
                return
            position = 0
            try:
                for arrival in arrived:
                    position += 1
                    answer = self._accept(arrival)
                    if answer is None:
                        self._transport.recycle(arrival.buffer)
                        continue
                    try:
                        yield answer
                    finally:
                        if not answer.kept:
                            self._transport.recycle(arrival.buffer)
            finally:
                # the caller has left with some of this sweep unread: they are late by a moment
                self._open = self._open and position == len(arrived)
                for arrival in arrived[position:]:
                    self._accept(arrival)
                    self._transport.recycle(arrival.buffer)

    def end(self) -> None:
        """Close the round: tell each worker that is still busy with it, once, that it may stop."""
        self._open = False
        for worker, task in enumerate(self._tasks):
            if task is None or task.withdrawn:
                continue
            task.withdrawn = True
            self.n_withdrawn += 1
            header = self._transport.new_header(wire.HEADER_BYTES)
            wire.pack(header, Kind.WITHDRAW, iteration=task.iteration, round=task.round)
            self._transport.post(worker, header, None)
            self.bytes_sent += len(header)

    def recycle(self, buffer: wire.Bytes) -> None:
        """Give back a buffer that was kept."""
        self._transport.recycle(buffer)

    def close(self, grace_seconds: float = 5.0) -> list[int]:
        """Tell every worker to leave; return those that have not said goodbye in ``grace_seconds``."""
        self._open = False
        for worker in range(self.n_workers):
            header = self._transport.new_header(wire.HEADER_BYTES)
            wire.pack(header, Kind.STOP)
            self._transport.post(worker, header, None)
        self._transport.interrupted = lambda: False
        deadline = self._transport.now() + grace_seconds
        while not all(self._gone):
            arrived = self._transport.wait(deadline)
            if not arrived:
                break
            for arrival in arrived:
                header_fields = wire.parse(arrival.buffer, f"worker {arrival.worker}")
                self._gone[arrival.worker] |= header_fields.kind == Kind.GOODBYE
                self._transport.recycle(arrival.buffer)
        silent = [worker for worker, gone in enumerate(self._gone) if not gone]
        self._transport.close(everyone_left=not silent)
        return silent

    def _ask(self, worker: int) -> None:
        messages = self._wanted[worker]
        self._asked[worker] = True
        if not len(messages):
            return
        assert self._snapshot is not None
        header = self._transport.new_header(wire.HEADER_BYTES + 4 * len(messages))
        now = self.now()
        wire.pack(
            header,
            self._kind,
            dtype=self._snapshot.dtype_number,
            n_messages=len(messages),
            iteration=self._iteration,
            round=self._round,
            length=len(self._snapshot.values),
            compute_seconds=now,
        )
        header[wire.HEADER_BYTES :].view(np.int32)[:] = messages
        self._tasks[worker] = _Task(self._iteration, self._round, now)
        self._transport.post(worker, header, self._snapshot)
        self.bytes_sent += len(header) + len(self._snapshot.buffer)

    def _accept(self, arrival: Arrival) -> Answer | None:
        """Keep the books of one arrival; return it if it answers the current round."""
        header, payload_bytes = self._open_envelope(arrival)
        worker = arrival.worker
        task = self._tasks[worker]
        if task is None or (header.iteration, header.round) != (task.iteration, task.round):
            raise wire.BadMessage(
                f"worker {worker}: answers iteration {header.iteration}, round {header.round}, "
                f"was asked for {(task.iteration, task.round) if task else 'nothing'}"
            )
        now = self.now()
        current = self._open and header.iteration == self._iteration and header.round == self._round
        dropped = header.kind == Kind.DROPPED
        if header.flags & wire.LAST:
            self._tasks[worker] = None
            if self._open and not self._asked[worker]:
                self._ask(worker)
        if current and not dropped:
            self.compute_seconds[worker] = header.compute_seconds
            self.delay_seconds[worker] = header.delay_seconds
            self.latency_seconds[worker] = now - task.posted_at
            return Answer(
                worker, header, self._iteration - header.iteration, arrival.buffer, payload_bytes
            )
        self.n_stale += not dropped
        outcome = Outcome.DROPPED if dropped else Outcome.STALE_DROPPED
        self.log(
            self._iteration, header.round, header.message, worker, header.iteration, now, outcome
        )
        return None

    def _open_envelope(self, arrival: Arrival) -> tuple[wire.Header, int]:
        sender = f"worker {arrival.worker}"
        self.bytes_received += arrival.n_bytes
        header = wire.parse(arrival.buffer, sender)
        payload_bytes = wire.check_answer(arrival.buffer, header, arrival.n_bytes, sender)
        if header.kind == Kind.FAILED:
            text = arrival.buffer[wire.HEADER_BYTES : wire.HEADER_BYTES + payload_bytes]
            raise _failure(self._transport.describe(arrival.worker), text.tobytes())
        return header, payload_bytes


def _failure(worker: str, text: bytes) -> MpicodeError:
    """Return the exception that a worker reported, as ours."""
    report = json.loads(text)
    where = f"{worker} on {report['host']}"
    error = _ERRORS.get(report["exit_code"])
    if error is not None:
        return error(f"{where}: {report['text']}")
    return WorkerFailed(f"{where} raised an exception:\n{report['traceback'].rstrip()}")


def largest_answer(answer_length: int, dtype: np.dtype[Any]) -> int:
    """Return the size in bytes of the buffers that answers of ``answer_length`` elements need."""
    return max(_SMALLEST_ANSWER, wire.answer_bytes(answer_length, dtype))
