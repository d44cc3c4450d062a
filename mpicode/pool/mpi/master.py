"""The master's end of the wire."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from mpi4py import MPI

from .. import wire
from ..background import Background
from ..backoff import Backoff, sharpen_sleep
from ..lifeline import hold_connections
from ..snapshots import Snapshot
from ..transport import Slot
from .job import survives
from .tags import ANSWER, NOTICE, REQUEST

_ABANDONED: list[Any] = []


class MPIMaster:
    """The master's end of the wire: a receive is pending for each worker with something to say.

    comm : what `group` returned; it is freed by `close`
    unreached_seconds : a worker that is out of reach for so long is lost, in a job that survives
           that
    """

    def __init__(
        self,
        comm: MPI.Intracomm,
        answer_length: int,
        dtype: np.dtype[Any],
        largest: int,
        unreached_seconds: float = math.inf,
    ) -> None:
        self.n_workers = comm.size - 1
        self.check_seconds = 1.0
        self.interrupted: Callable[[], bool] = lambda: False
        self.now = time.perf_counter
        self._comm = comm
        self._answer = (answer_length, dtype)
        self._largest = largest
        self._backoff = Backoff()
        self.start = Background().start
        self._told: list[tuple[MPI.Request, wire.Bytes]] = []
        # requests on their way, and the snapshots they read
        self._posted: list[MPI.Request] = []
        self._read: list[Snapshot] = []
        self._slots: list[Slot] = []
        self._free: list[list[Slot]] = [[] for _ in range(self.n_workers)]
        buffers = wire.new_buffers(self.n_workers, largest)
        self._pending = [self._new_slot(worker, buffer) for worker, buffer in enumerate(buffers)]
        self._handles: list[MPI.Request] = [slot.handle for slot in self._pending]
        self._listening = [True] * self.n_workers
        self._ready = [True] * self.n_workers  # the pending slot listens, or could
        self._lost: set[int] = set()
        self._losses: list[tuple[int, str]] = []
        self._unreached_seconds = unreached_seconds
        self._holds = not survives()
        MPI.Prequest.Startall(self._handles)  # type: ignore[arg-type]
        sharpen_sleep()

    def assign(self, worker: int, message: wire.Bytes) -> None:
        self._send(worker, message, REQUEST)

    def notify(self, worker: int, message: wire.Bytes) -> None:
        self._send(worker, message, NOTICE)

    def _send(self, worker: int, message: wire.Bytes, tag: int) -> None:
        try:
            request = self._comm.Isend((message, MPI.BYTE), worker + 1, tag)
        except MPI.Exception as error:
            self._find_losses(error)
        else:
            self._told.append((request, message))

    def post(self, workers: Sequence[int], request: Snapshot) -> None:
        if not self._holds:
            hold_connections(self._unreached_seconds)
            self._holds = True
        handles = request.handles
        if not handles:
            for worker in range(self.n_workers):
                if worker not in self._lost:
                    handles[worker] = self._comm.Send_init(
                        (request.buffer, MPI.BYTE), worker + 1, REQUEST
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
        if len(started) == 1:
            started[0].Start()
        else:
            MPI.Prequest.Startall(started)
        request.pins += len(started)
        self._posted += started
        self._read += [request] * len(started)

    def reap(self) -> None:
        posted, read = self._posted, self._read
        if posted:
            try:
                over = MPI.Request.Testsome(posted) or []
            except MPI.Exception as error:
                self._find_losses(error)
                over = [place for place, handle in enumerate(posted) if _over(handle)]
            if len(over) == len(posted):
                for request in read:
                    request.pins -= 1
                posted.clear()
                read.clear()
            else:
                for place in sorted(over, reverse=True):
                    read.pop(place).pins -= 1
                    del posted[place]
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

    def lose(self, worker: int) -> None:
        self._lost.add(worker)
        self._listening[worker] = False
        self._ready[worker] = True  # its slots are never asked for again
        self._handles[worker] = MPI.REQUEST_NULL

    def _find_losses(self, error: MPI.Exception) -> None:
        """Strike out who has died; raise ``error`` if nobody has."""
        for worker in _dead(self._comm, error):
            if worker not in self._lost:
                self.lose(worker)
                self._losses.append((worker, f"died ({error})"))

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
        slot.handle = self._comm.Recv_init((slot.buffer, MPI.BYTE), worker + 1, ANSWER)
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
