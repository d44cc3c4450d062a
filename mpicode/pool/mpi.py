"""Rounds over MPI: the only file that imports ``mpi4py.MPI``, and the only one that knows ranks.

Worker ``i`` is rank ``i + 1`` of a duplicate of the caller's communicator. Requests and notices travel
with one tag, answers with another. Whoever starts a transfer owns its buffer until it has completed.
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
from .transport import Arrival
from .wire import Kind
from .worker import Action, Receive, Request, Send, Sleep, Step

_REQUEST = 1
_ANSWER = 2

Communicator = MPI.Intracomm


def world() -> MPI.Intracomm:
    """Return ``MPI.COMM_WORLD``."""
    return MPI.COMM_WORLD


def library_version() -> str:
    """Return the first line of what the MPI library says of itself."""
    return MPI.Get_library_version().splitlines()[0].strip("\x00 ")


def abort(exit_code: int) -> None:
    """End every rank of the job at once."""
    MPI.COMM_WORLD.Abort(exit_code)


class MPIMaster:
    """The master's end of the wire: one receive is always pending for each worker."""

    def __init__(self, comm: MPI.Intracomm, n_workers: int, largest_answer: int) -> None:
        """Duplicate the first ``n_workers + 1`` ranks of ``comm``; the workers must do the same."""
        self.n_workers = n_workers
        self.interrupted: Callable[[], bool] = lambda: False
        self._comm = comm
        self._largest = largest_answer
        self._status = MPI.Status()
        self._backoff = Backoff()
        self._free: list[wire.Bytes] = []
        self._free_headers: list[wire.Bytes] = []
        self._sends: list[tuple[MPI.Request, wire.Bytes | None, Snapshot | None]] = []
        self._buffers = [wire.new_buffer(largest_answer) for _ in range(n_workers)]
        self._receives = [self._receive(worker) for worker in range(n_workers)]
        sharpen_sleep()

    def now(self) -> float:
        return time.perf_counter()

    def _receive(self, worker: int) -> MPI.Request:
        return self._comm.Irecv((self._buffers[worker], MPI.BYTE), source=worker + 1, tag=_ANSWER)

    def describe(self, worker: int) -> str:
        return f"worker {worker} (rank {worker + 1})"

    def new_header(self, n_bytes: int) -> wire.Bytes:
        for position, header in enumerate(self._free_headers):
            if len(header) == n_bytes:
                return self._free_headers.pop(position)
        return wire.new_buffer(n_bytes)

    def post(self, worker: int, header: wire.Bytes, payload: Snapshot | None) -> None:
        request = self._comm.Isend((header, MPI.BYTE), dest=worker + 1, tag=_REQUEST)
        self._sends.append((request, header, None))
        if payload is not None:
            request = self._comm.Isend((payload.buffer, MPI.BYTE), dest=worker + 1, tag=_REQUEST)
            payload.pins += 1
            self._sends.append((request, None, payload))

    def reap(self) -> None:
        pending = []
        for send in self._sends:
            request, header, payload = send
            if not request.Test():
                pending.append(send)
            elif header is not None:
                self._free_headers.append(header)
            elif payload is not None:
                payload.pins -= 1
        self._sends = pending

    def wait(self, deadline: float | None = None) -> list[Arrival]:
        arrived: list[Arrival] = []
        status = self._status
        self._backoff.reset()
        while True:
            for worker, request in enumerate(self._receives):
                if request.Test(status):
                    arrived.append(
                        Arrival(worker, self._buffers[worker], status.Get_count(MPI.BYTE))
                    )
                    self._buffers[worker] = (
                        self._free.pop() if self._free else wire.new_buffer(self._largest)
                    )
                    self._receives[worker] = self._receive(worker)
            if arrived or self.interrupted():
                return arrived
            if deadline is not None and time.perf_counter() >= deadline:
                return arrived
            self._backoff.pause()

    def recycle(self, buffer: wire.Bytes) -> None:
        self._free.append(buffer)

    def close(self, everyone_left: bool) -> None:
        for request in self._receives:
            request.Cancel()
            request.Wait()
        if everyone_left:
            for request, _, _ in self._sends:
                request.Wait()
            self._comm.Free()


class MPIWorker:
    """A worker's end of the wire: it carries out what `worker_loop` yields."""

    def __init__(
        self, comm: MPI.Intracomm, payload_length: int, dtype: np.dtype[Any], n_messages: int
    ) -> None:
        self._comm = comm
        self._payload = np.empty(payload_length, dtype=dtype)
        self._header = wire.new_buffer(wire.HEADER_BYTES + 4 * n_messages)
        self._numbers = self._header[wire.HEADER_BYTES :].view(np.int32)
        self._backoff = Backoff()
        self._pending: MPI.Request
        self._stop: Request | None = None
        sharpen_sleep()

    def now(self) -> float:
        """Seconds on this process's clock."""
        return time.perf_counter()

    def run(
        self, loop: Generator[Action, Any, BaseException | None], buffer: wire.Bytes
    ) -> BaseException | None:
        """Drive ``loop`` to its end; return the exception that ended its work, if one did."""
        self._listen()
        outcome: Any = None
        try:
            while True:
                action = loop.send(outcome)
                outcome = None
                if isinstance(action, Step):
                    outcome = self._withdrawn(action.iteration)
                elif isinstance(action, Receive):
                    outcome = self._next_request()
                elif isinstance(action, Send):
                    self._complete(
                        self._comm.Isend((buffer[: action.n_bytes], MPI.BYTE), dest=0, tag=_ANSWER)
                    )
                elif isinstance(action, Sleep):
                    time.sleep(action.seconds)
        except StopIteration as end:
            self._pending.Cancel()
            self._pending.Wait()
            return end.value  # type: ignore[no-any-return]

    def close(self) -> None:
        """Free the communicator, together with all other ranks."""
        self._comm.Free()

    def _listen(self) -> None:
        self._pending = self._comm.Irecv((self._header, MPI.BYTE), source=0, tag=_REQUEST)

    def _complete(self, request: MPI.Request) -> None:
        self._backoff.reset()
        while not request.Test():
            self._backoff.pause()

    def _next_request(self) -> Request:
        if self._stop is not None:
            return self._stop
        self._complete(self._pending)
        header = wire.parse(self._header, "master")
        messages = self._numbers[: header.n_messages].copy()
        payload = self._payload[: header.length]
        if header.length:
            self._complete(self._comm.Irecv((payload, MPI.BYTE), source=0, tag=_REQUEST))
        self._listen()
        return Request(
            header.kind, header.iteration, header.round, messages, payload, header.compute_seconds
        )

    def _withdrawn(self, iteration: int) -> bool:
        """Look for a notice: only notices and the stop can come while a request is being worked on."""
        if not self._pending.Test():
            return False
        header = wire.parse(self._header, "master")
        self._listen()
        if header.kind == Kind.STOP:
            self._stop = Request(
                Kind.STOP, -1, 0, self._numbers[:0], self._payload[:0], header.compute_seconds
            )
            return True
        return header.iteration >= iteration


def group(comm: MPI.Intracomm, n_workers: int) -> MPI.Intracomm | None:
    """Return a duplicate of the first ``n_workers + 1`` ranks of ``comm``, None on surplus ranks."""
    color = 0 if comm.rank <= n_workers else MPI.UNDEFINED
    part = comm.Split(color, key=comm.rank)
    return None if part == MPI.COMM_NULL else part

