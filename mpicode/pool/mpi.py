"""Rounds over MPI: the only file that imports ``mpi4py.MPI``, and the only one that knows ranks.

Worker ``i`` is rank ``i + 1`` of a duplicate of the caller's communicator. Requests, and
assignments before them, travel with one tag; notices one way and answers the other way share a
second one. Whoever starts a transfer owns its buffer until it has completed. Transfers that recur
are persistent: an iteration starts them, it does not describe them again; and each recurs in the
buffer it used before, since that is the one in the cache.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any

import numpy as np
from mpi4py import MPI

from ..errors import GaveUp
from . import wire
from .backoff import Backoff, sharpen_sleep
from .snapshots import Snapshot
from .transport import Slot
from .wire import Kind
from .worker import Action, Receive, Request, Send, Sleep

_REQUEST = 1
_NOTICE = _ANSWER = 2
_NOTICES = frozenset((int(Kind.WITHDRAW), int(Kind.STOP)))
# looked up once: these run for every request
_ASSIGN = int(Kind.ASSIGN)
_new = tuple.__new__
_ABANDONED: list[Any] = []
_LOOK_SECONDS = 100e-6  # shorter work is not interrupted to look for a notice


def world() -> MPI.Intracomm:
    """Return ``MPI.COMM_WORLD``."""
    return MPI.COMM_WORLD


def library_version() -> str:
    """Return the first line of what the MPI library says of itself."""
    return MPI.Get_library_version().splitlines()[0].strip("\x00 ")


class StartFailed(GaveUp):
    """A rank died before the master could do without it."""


class MasterLost(GaveUp):
    """Rank 0 has died; a worker can only leave."""


def survives() -> bool:
    """Return whether this job goes on when a rank dies: ``mpirun --with-ft ulfm`` started it."""
    return os.environ.get("OMPI_MCA_mpi_ft_enable") == "1"  # noqa: SIM112


def abort(exit_code: int) -> None:
    """End every rank of the job at once."""
    MPI.COMM_WORLD.Abort(exit_code)


def group(comm: MPI.Intracomm, n_workers: int) -> MPI.Intracomm | None:
    """Return a duplicate of ranks 0 to ``n_workers`` of ``comm``, None on surplus ranks.

    On rank 0, all others have their duplicate too when this returns: from then on the job can lose
    any of them. Raises `StartFailed` if one dies before that, in a job that goes on without it.
    """
    color = 0 if comm.rank <= n_workers else MPI.UNDEFINED
    with starting():
        part = comm.Split(color, key=comm.rank)
    if not isinstance(part, MPI.Intracomm) or part == MPI.COMM_NULL:
        return None
    if survives():
        # a worker whose barrier fails is here all the same, and that is all rank 0 wants to know
        try:
            with starting():
                part.Barrier()
        except StartFailed:
            if part.rank == 0:
                raise
    return part


@contextlib.contextmanager
def starting() -> Iterator[None]:
    """Turn the failure of a collective call into `StartFailed`, in a job that survives deaths."""
    try:
        yield
    except MPI.Exception as error:
        if not survives():
            raise
        raise StartFailed(f"a rank died while the job started: {error}") from None


class MPIMaster:
    """The master's end of the wire: a receive is pending for each worker with something to say.

    comm : what `group` returned; it is freed by `close`
    """

    def __init__(
        self, comm: MPI.Intracomm, answer_length: int, dtype: np.dtype[Any], largest: int
    ) -> None:
        self.n_workers = comm.size - 1
        self.interrupted: Callable[[], bool] = lambda: False
        self.now = time.perf_counter
        self._comm = comm
        self._answer = (answer_length, dtype)
        self._largest = largest
        self._backoff = Backoff()
        self._told: list[tuple[MPI.Request, wire.Bytes]] = []
        self._posted: list[tuple[list[MPI.Request], Snapshot]] = []
        self._slots: list[Slot] = []
        self._free: list[list[Slot]] = [[] for _ in range(self.n_workers)]
        buffers = wire.new_buffers(self.n_workers, largest)
        self._pending = [self._new_slot(worker, buffer) for worker, buffer in enumerate(buffers)]
        self._handles: list[MPI.Request] = [slot.handle for slot in self._pending]
        self._listening = [True] * self.n_workers
        self._ready = [True] * self.n_workers  # the pending slot listens, or could
        self._lost: set[int] = set()
        self._losses: list[tuple[int, str]] = []
        MPI.Prequest.Startall(self._handles)  # type: ignore[arg-type]
        sharpen_sleep()

    def assign(self, worker: int, message: wire.Bytes) -> None:
        self._send(worker, message, _REQUEST)

    def notify(self, worker: int, message: wire.Bytes) -> None:
        self._send(worker, message, _NOTICE)

    def _send(self, worker: int, message: wire.Bytes, tag: int) -> None:
        try:
            request = self._comm.Isend((message, MPI.BYTE), worker + 1, tag)
        except MPI.Exception as error:
            self._find_losses(error)
        else:
            self._told.append((request, message))

    def post(self, workers: Sequence[int], request: Snapshot) -> None:
        handles = request.handles
        if not handles:
            for worker in range(self.n_workers):
                if worker not in self._lost:
                    handles[worker] = self._comm.Send_init(
                        (request.buffer, MPI.BYTE), worker + 1, _REQUEST
                    )
        if len(workers) == self.n_workers and not any(self._listening) and all(self._ready):
            MPI.Prequest.Startall(self._handles)  # type: ignore[arg-type]
            self._listening = [True] * self.n_workers
            started = list(handles.values())
        else:
            workers = [worker for worker in workers if worker not in self._lost]
            for worker in workers:
                self.listen(worker)
            started = [handles[worker] for worker in workers]
        MPI.Prequest.Startall(started)
        request.pins += 1
        self._posted.append((started, request))

    def reap(self) -> None:
        pending = []
        for started, request in self._posted:
            try:
                left = not MPI.Request.Testall(started)
            except MPI.Exception as error:
                self._find_losses(error)
                started[:] = [handle for handle in started if not _over(handle)]
                left = bool(started)
            if left:
                pending.append((started, request))
            else:
                request.pins -= 1
        self._posted = pending
        if self._told:
            self._told = [told for told in self._told if not _over(told[0])]

    def drop(self, snapshot: Snapshot) -> None:
        if not snapshot.pins:
            for handle in snapshot.handles.values():
                handle.Free()

    def wait(self, deadline: float | None = None) -> list[Slot]:
        # one call for all of them: each call of MPI may yield the core to every other rank on it
        look, handles, backoff = MPI.Request.Testsome, self._handles, self._backoff
        backoff.reset()
        while not self._losses:
            try:
                completed = look(handles) or look(handles)
            except MPI.Exception as error:
                return self._sort_out(error)
            if completed:
                arrived: list[Slot] = []
                for worker in completed:
                    arrived.append(self._pending[worker])
                    self._listening[worker] = self._ready[worker] = False
                return arrived
            if self.interrupted() or (deadline is not None and self.now() >= deadline):
                return []
            backoff.pause()
        return []

    def losses(self) -> list[tuple[int, str]]:
        losses, self._losses = self._losses, []
        return losses

    def _find_losses(self, error: MPI.Exception) -> None:
        """Strike out who has died; raise ``error`` if nobody has."""
        for worker in _dead(self._comm, error):
            if worker not in self._lost:
                self._lost.add(worker)
                self._losses.append((worker, f"MPI: {error}"))
                self._listening[worker] = False
                self._ready[worker] = True  # its slots are never asked for again
                self._handles[worker] = MPI.REQUEST_NULL

    def _sort_out(self, error: MPI.Exception) -> list[Slot]:
        """Find out what a failed look has completed: the error hides it, and who it is about.

        A persistent receive that the look completed is inactive now, and `Test` says so.
        """
        self._find_losses(error)
        arrived = []
        for worker in range(self.n_workers):
            if self._listening[worker] and _over(self._handles[worker]):
                arrived.append(self._pending[worker])
                self._listening[worker] = self._ready[worker] = False
        return arrived

    def recycle(self, slot: Slot) -> None:
        if self._ready[slot.worker]:
            self._free[slot.worker].append(slot)
        else:
            self._prepare(slot)

    def _prepare(self, slot: Slot) -> None:
        self._pending[slot.worker] = slot
        self._handles[slot.worker] = slot.handle
        self._ready[slot.worker] = True

    def close(self, everyone_left: bool) -> None:
        for slot, listening in zip(self._pending, self._listening, strict=True):
            if listening:
                slot.handle.Cancel()
                slot.handle.Wait()
        if self._lost or not everyone_left:
            # what was sent to a silent worker may yet be read, and freeing a communicator is a
            # collective operation: neither complete nor free anything
            _ABANDONED.append((self._told, self._posted, self._slots))
            return
        for request, _ in self._told:
            request.Wait()
        for slot in self._slots:
            slot.handle.Free()
        self._comm.Free()

    def listen(self, worker: int) -> None:
        if self._listening[worker] or worker in self._lost:
            return
        if not self._ready[worker]:
            free = self._free[worker]
            self._prepare(
                free.pop() if free else self._new_slot(worker, wire.new_buffer(self._largest))
            )
        self._pending[worker].handle.Start()
        self._listening[worker] = True

    def _new_slot(self, worker: int, buffer: wire.Bytes) -> Slot:
        slot = Slot(worker, f"worker {worker} (rank {worker + 1})", buffer, *self._answer)
        slot.handle = self._comm.Recv_init((slot.buffer, MPI.BYTE), worker + 1, _ANSWER)
        self._slots.append(slot)
        return slot


def _over(handle: MPI.Request) -> bool:
    """Return whether a transfer needs its buffer no more: it completed, or its peer has died."""
    try:
        return handle.Test()
    except MPI.Exception:
        return True


def _dead(comm: MPI.Intracomm, error: MPI.Exception) -> list[int]:
    """Return the workers known to be dead, whom ``error`` may be about; raise it if none is.

    Open MPI answers only if it was started ``--with-ft ulfm``, others not at all.
    """
    with contextlib.suppress(MPI.Exception, NotImplementedError):
        failed = comm.Get_failed()
        everyone = comm.Get_group()
        ranks = MPI.Group.Translate_ranks(failed, list(range(failed.size)), everyone)
        if ranks:
            return [rank - 1 for rank in ranks]
    raise error


class MPIWorker:
    """A worker's end of the wire: it carries out what `worker_loop` yields.

    Requests have ``payload_length`` elements of ``dtype``; ``n_messages`` is the most that can be
    assigned to one worker. ``buffer`` is where answers are put together, ``answer_bytes`` long as a
    rule.
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
        n_bytes = max(
            wire.message_bytes(payload_length, dtype),
            wire.message_bytes(n_messages, np.dtype(np.int64)),
        )
        self._inbox = wire.new_buffer(n_bytes)
        self._frame = wire.Frame(self._inbox, payload_length, dtype)
        notices = wire.new_buffer(wire.message_bytes(0, dtype))
        self._notices = wire.Frame(notices, 0, dtype)
        self._answer = comm.Send_init((buffer[:answer_bytes], MPI.BYTE), 0, _ANSWER)
        self._request = comm.Recv_init((self._inbox, MPI.BYTE), 0, _REQUEST)
        self._notice = comm.Recv_init((notices, MPI.BYTE), 0, _NOTICE)
        self._sending: MPI.Request | None = None
        self._backoff = Backoff()
        self._current = Request(0, -1, 0, self._frame.values, 0.0)
        self._looked_at = 0.0
        self._stop: Request | None = None
        sharpen_sleep()

    def run(self, loop: Generator[Action, Any, BaseException | None]) -> BaseException | None:
        """Drive ``loop`` to its end; return the exception that ended its work, if one did."""
        self._request.Start()
        self._notice.Start()
        waiting = True  # a receive for the next request is pending
        send, now = loop.send, self.now
        outcome: Any = None
        try:
            while True:
                action = send(outcome)
                if isinstance(action, Send):
                    self._send(action)
                    if not action.last:
                        self._complete_send()
                        outcome = None
                        continue
                elif isinstance(action, Sleep):
                    time.sleep(action.seconds)
                    outcome = None
                    continue
                elif not isinstance(action, Receive):
                    outcome = now() - self._looked_at > _LOOK_SECONDS and self._withdrawn()
                    continue
                if not waiting:
                    self._request.Start()
                outcome = self._next_request()
                waiting = outcome.kind in _NOTICES
        except StopIteration as end:
            ended: BaseException | None = end.value
        except MPI.Exception as error:
            if not survives():
                raise
            raise MasterLost(f"the master (rank 0) has died: {error}") from None
        self._notice.Cancel()
        self._notice.Wait()
        if waiting:
            self._request.Cancel()
            self._request.Wait()
        return ended

    def close(self) -> None:
        """Free the communicator, together with all other ranks."""
        for handle in (self._answer, self._request, self._notice):
            handle.Free()
        self._comm.Free()

    def _send(self, action: Send) -> None:
        if action.n_bytes == self._answer_bytes:
            self._sending = self._answer
            self._answer.Start()
        else:
            answer = self._buffer[: action.n_bytes]
            self._sending = self._comm.Isend((answer, MPI.BYTE), 0, _ANSWER)

    def _complete_send(self) -> None:
        """Wait until the answer has left: only then may its buffer be written again."""
        if self._sending is not None and not self._sending.Test():
            test, backoff = self._sending.Test, self._backoff
            backoff.reset()
            while not test():
                backoff.pause()
        self._sending = None

    def _next_request(self) -> Request:
        if self._stop is not None:
            self._complete_send()
            return self._stop
        backoff, frame = self._backoff, self._frame
        requested, notified = self._request.Test, self._notice.Test
        backoff.reset()
        while not (requested() or requested() or requested()):
            # what is told to an idle worker can wait a little longer than a request
            if notified():
                notice = self._open_notice()
                if notice.kind == Kind.STOP:
                    self._complete_send()
                return notice
            backoff.pause()
        self._complete_send()
        _, kind, dtype, _, _, iteration, round, _, length, seconds, _, _ = frame.read("master")
        if frame.n_bytes == frame.full_bytes and kind != _ASSIGN:
            values = frame.values
        else:
            values = wire.payload(self._inbox, length, wire.DTYPES[dtype])
        self._looked_at = self.now()
        self._current = request = _new(Request, (kind, iteration, round, values, seconds))
        return request

    def _open_notice(self) -> Request:
        _, kind, _, _, _, iteration, round, _, _, seconds, _, _ = self._notices.read("master")
        self._notice.Start()
        return Request(kind, iteration, round, self._notices.values, seconds)

    def _withdrawn(self) -> bool:
        """Look for a notice about the request that is being worked on."""
        self._looked_at = self.now()
        if not self._notice.Test():
            return False
        notice = self._open_notice()
        if notice.kind == Kind.STOP:
            self._stop = notice
            return True
        return notice[1:3] >= self._current[1:3]  # iteration and round
