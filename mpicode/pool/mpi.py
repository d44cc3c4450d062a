"""Rounds over MPI: the only file that imports ``mpi4py.MPI``, and the only one that knows ranks.

Worker ``i`` is rank ``i + 1`` of a duplicate of the caller's communicator. Requests and notices travel
with one tag, answers with another. Whoever starts a transfer owns its buffer until it has completed.
Requests that recur are persistent: an iteration starts transfers, it does not describe them again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from typing import Any

import numpy as np
from mpi4py import MPI

from . import wire
from .backoff import Backoff, sharpen_sleep
from .snapshots import Snapshot
from .transport import Slot
from .wire import Kind
from .worker import Action, Receive, Request, Send, Sleep, Step

_REQUEST = 1
_ANSWER = 2
_LOOK_SECONDS = 100e-6  # shorter work is not interrupted to look for a notice


def world() -> MPI.Intracomm:
    """Return ``MPI.COMM_WORLD``."""
    return MPI.COMM_WORLD


def library_version() -> str:
    """Return the first line of what the MPI library says of itself."""
    return MPI.Get_library_version().splitlines()[0].strip("\x00 ")


def abort(exit_code: int) -> None:
    """End every rank of the job at once."""
    MPI.COMM_WORLD.Abort(exit_code)


def group(comm: MPI.Intracomm, n_workers: int) -> MPI.Intracomm | None:
    """Return a duplicate of the first ``n_workers + 1`` ranks of ``comm``, None on surplus ranks."""
    color = 0 if comm.rank <= n_workers else MPI.UNDEFINED
    part = comm.Split(color, key=comm.rank)
    return None if part == MPI.COMM_NULL else part


class MPIMaster:
    """The master's end of the wire: one receive is always pending for each worker.

    comm : what `group` returned; it is freed by `close`
    """

    def __init__(
        self, comm: MPI.Intracomm, answer_length: int, dtype: np.dtype[Any], largest: int
    ) -> None:
        self.n_workers = comm.size - 1
        self.interrupted: Callable[[], bool] = lambda: False
        self.now = time.perf_counter
        self._comm = comm
        self._answer = (largest, answer_length, dtype)
        self._statuses = [MPI.Status() for _ in range(self.n_workers)]
        self._names = [f"worker {w} (rank {w + 1})" for w in range(self.n_workers)]
        self._backoff = Backoff()
        self._told: list[tuple[MPI.Request, wire.Bytes]] = []
        self._posted: list[tuple[MPI.Prequest, Snapshot]] = []
        self._free: list[list[Slot]] = [[] for _ in range(self.n_workers)]
        self._pending = [self._listen(worker) for worker in range(self.n_workers)]
        self._handles: list[MPI.Request] = [slot.handle for slot in self._pending]
        sharpen_sleep()

    def describe(self, worker: int) -> str:
        return self._names[worker]

    def tell(self, worker: int, message: wire.Bytes) -> None:
        request = self._comm.Isend((message, MPI.BYTE), worker + 1, _REQUEST)
        self._told.append((request, message))

    def post(self, worker: int, request: Snapshot) -> None:
        handle = request.handles.get(worker)
        if handle is None:
            handle = self._comm.Send_init((request.buffer, MPI.BYTE), worker + 1, _REQUEST)
            request.handles[worker] = handle
        handle.Start()
        request.pins += 1
        self._posted.append((handle, request))

    def reap(self) -> None:
        pending = []
        for send in self._posted:
            if send[0].Test():
                send[1].pins -= 1
            else:
                pending.append(send)
        self._posted = pending
        if self._told:
            self._told = [told for told in self._told if not told[0].Test()]

    def drop(self, snapshot: Snapshot) -> None:
        if not snapshot.pins:
            for handle in snapshot.handles.values():
                handle.Free()

    def wait(self, deadline: float | None = None) -> list[Slot]:
        # one call looks at all of them: each call of MPI may yield the core to all other ranks on it
        look, handles, statuses = MPI.Request.Testsome, self._handles, self._statuses
        backoff = self._backoff
        backoff.reset()
        while True:
            completed = look(handles, statuses)
            if completed:
                arrived: list[Slot] = []
                for position, worker in enumerate(completed):
                    slot = self._pending[worker]
                    slot.n_bytes = statuses[position].Get_count(MPI.BYTE)
                    arrived.append(slot)
                    self._pending[worker] = fresh = self._listen(worker)
                    handles[worker] = fresh.handle
                return arrived
            if self.interrupted() or (deadline is not None and self.now() >= deadline):
                return []
            backoff.pause()

    def recycle(self, slot: Slot) -> None:
        self._free[slot.worker].append(slot)

    def close(self, everyone_left: bool) -> None:
        for slot in self._pending:
            slot.handle.Cancel()
            slot.handle.Wait()
        if not everyone_left:
            return  # what was sent to a silent worker can be neither completed nor freed
        for request, _ in self._told:
            request.Wait()
        for slots in (self._pending, *self._free):
            for slot in slots:
                slot.handle.Free()
        self._comm.Free()

    def _listen(self, worker: int) -> Slot:
        free = self._free[worker]
        if free:
            slot = free.pop()
        else:
            slot = Slot(worker, *self._answer)
            slot.handle = self._comm.Recv_init((slot.buffer, MPI.BYTE), worker + 1, _ANSWER)
        slot.handle.Start()
        return slot


class _Inbox:
    """One of a worker's two receive buffers: a request is worked on in one while the other listens."""

    __slots__ = ("buffer", "handle", "values")

    def __init__(
        self, comm: MPI.Intracomm, n_bytes: int, length: int, dtype: np.dtype[Any]
    ) -> None:
        self.buffer = wire.new_buffer(n_bytes)
        self.values = wire.payload(self.buffer, length, dtype)
        self.handle = comm.Recv_init((self.buffer, MPI.BYTE), 0, _REQUEST)


class MPIWorker:
    """A worker's end of the wire: it carries out what `worker_loop` yields.

    Requests have ``payload_length`` elements of ``dtype``; ``n_messages`` is the most that can be
    assigned to one worker. ``buffer`` is where answers are put together, ``answer_bytes`` long as a rule.
    """

    def __init__(
        self,
        comm: MPI.Intracomm,
        payload_length: int,
        dtype: np.dtype[Any],
        n_messages: int,
        buffer: wire.Bytes,
        answer_bytes: int,
    ) -> None:
        self.now = time.perf_counter
        self._comm = comm
        self._buffer = buffer
        self._answer_bytes = answer_bytes
        self._answer = comm.Send_init((buffer[:answer_bytes], MPI.BYTE), 0, _ANSWER)
        self._sending: MPI.Request = MPI.REQUEST_NULL
        self._looked_at = 0.0
        n_bytes = max(
            wire.message_bytes(payload_length, dtype),
            wire.message_bytes(n_messages, np.dtype(np.int64)),
        )
        self._current, self._next = (
            _Inbox(comm, n_bytes, payload_length, dtype) for _ in range(2)
        )
        self._status = MPI.Status()
        self._backoff = Backoff()
        self._stop: Request | None = None
        sharpen_sleep()

    def run(
        self, loop: Generator[Action, Any, BaseException | None]
    ) -> BaseException | None:
        """Drive ``loop`` to its end; return the exception that ended its work, if one did."""
        self._next.handle.Start()
        send = loop.send
        outcome: Any = None
        try:
            while True:
                action = send(outcome)
                kind = action.__class__
                if kind is Step:
                    outcome = self._withdrawn()
                elif kind is Receive:
                    outcome = self._next_request()
                elif kind is Send:
                    self._send(action)  # type: ignore[arg-type]
                    outcome = None
                elif kind is Sleep:
                    time.sleep(action.seconds)  # type: ignore[union-attr]
                    outcome = None
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        finally:
            self._next.handle.Cancel()
            self._next.handle.Wait()

    def close(self) -> None:
        """Free the communicator, together with all other ranks."""
        for handle in (self._answer, self._current.handle, self._next.handle):
            handle.Free()
        self._comm.Free()

    def _complete(self, request: MPI.Request) -> None:
        test, status = request.Test, self._status
        if test(status):
            return
        backoff = self._backoff
        backoff.reset()
        while not test(status):
            backoff.pause()

    def _send(self, action: Send) -> None:
        if action.n_bytes == self._answer_bytes:
            self._sending = self._answer
            self._answer.Start()
        else:
            answer = self._buffer[: action.n_bytes]
            self._sending = self._comm.Isend((answer, MPI.BYTE), 0, _ANSWER)
        if not action.last:
            self._complete(self._sending)
            self._sending = MPI.REQUEST_NULL

    def _next_request(self) -> Request:
        if self._stop is not None:
            return self._stop
        inbox = self._next
        self._complete(inbox.handle)
        n_bytes = self._status.Get_count(MPI.BYTE)
        # the last answer went out while we waited; its buffer is to be ours again before it is written
        if self._sending != MPI.REQUEST_NULL:
            self._complete(self._sending)
            self._sending = MPI.REQUEST_NULL
        self._next, self._current = self._current, inbox
        self._next.handle.Start()
        self._looked_at = self.now()
        return self._open(inbox, n_bytes)

    @staticmethod
    def _open(inbox: _Inbox, n_bytes: int) -> Request:
        header = wire.parse(inbox.buffer, n_bytes, "master")
        length = header.length
        values = inbox.values
        if length != len(values) or wire.DTYPES[header.dtype] != values.dtype:
            values = wire.payload(inbox.buffer, length, wire.DTYPES[header.dtype])
        return Request(header.kind, header.iteration, header.round, values, header.seconds)

    def _withdrawn(self) -> bool:
        """Look for a notice: only notices and the stop can come while a request is being worked on."""
        now = self.now()
        if now - self._looked_at < _LOOK_SECONDS:
            return False
        self._looked_at = now
        inbox = self._next
        if not inbox.handle.Test(self._status):
            return False
        notice = self._open(inbox, self._status.Get_count(MPI.BYTE))
        inbox.handle.Start()
        if notice.kind == Kind.STOP:
            self._stop = notice
        return True
