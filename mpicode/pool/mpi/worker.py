"""A worker's end of the wire."""

from __future__ import annotations

import math
import time
from collections.abc import Generator
from typing import Any

import numpy as np
from mpi4py import MPI
from numpy.typing import NDArray

from .. import wire
from ..background import Background, Job
from ..backoff import Backoff, sharpen_sleep
from ..lifeline import hold_connections
from ..wire import Kind
from ..worker import Action, Prepare, Receive, Request, Send, Sleep, Strike
from .job import MasterLost, survives
from .tags import ANSWER, NOTICE, REQUEST

_NO_REQUESTS = frozenset((int(Kind.WITHDRAW), int(Kind.STOP), int(Kind.PREPARED)))
# looked up once: these run for every request
_OF_NUMBERS = frozenset((int(Kind.ASSIGN), int(Kind.PREPARE)))
_new = tuple.__new__
_LOOK_SECONDS = 100e-6  # shorter work is not interrupted to look for a notice
_SECONDS_TO_CANCEL = 2.0


class MPIWorker:
    """A worker's end of the wire: it carries out what `worker_loop` yields.

    Requests have ``payload_length`` elements of ``dtype``; ``n_numbers`` is the most that can be
    assigned to one worker, or told it of another code. ``buffer`` is where answers are put
    together, ``answer_bytes`` long as a rule. A master that is out of reach for
    ``unreached_seconds`` is lost, in a job that survives that.
    """

    def __init__(
        self,
        comm: MPI.Intracomm,
        payload_length: int,
        dtype: np.dtype[Any],
        n_numbers: int,
        buffer: wire.Bytes,
        answer_bytes: int,
        unreached_seconds: float = math.inf,
    ) -> None:
        self.now = time.perf_counter
        self._comm = comm
        self._buffer = buffer
        self._answer_bytes = answer_bytes
        n_bytes = max(
            wire.message_bytes(payload_length, dtype),
            wire.message_bytes(n_numbers, np.dtype(np.int64)),
        )
        self._inbox = wire.new_buffer(n_bytes)
        self._frame = wire.Frame(self._inbox, payload_length, dtype)
        self._worker, self._n_workers = comm.rank - 1, comm.size - 1
        # a full request as payload and numbers, once there was one
        self._split: tuple[NDArray[Any], memoryview] | None = None
        notices = wire.new_buffer(wire.message_bytes(0, dtype))
        self._notices = wire.Frame(notices, 0, dtype)
        self._answer = comm.Send_init((buffer[:answer_bytes], MPI.BYTE), 0, ANSWER)
        self._request = comm.Recv_init((self._inbox, MPI.BYTE), 0, REQUEST)
        self._notice = comm.Recv_init((notices, MPI.BYTE), 0, NOTICE)
        self._sending: MPI.Request | None = None
        self._backoff = Backoff()
        self._current = Request(0, -1, 0, self._frame.values, 0.0)
        self._background = Background()
        self._job: Job[Any] | None = None
        self._looked_at = 0.0
        self._stop: Request | None = None
        self._unreached_seconds = unreached_seconds
        self._holds = not survives()
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
                elif isinstance(action, Strike):
                    self._suffer(action)
                    outcome = None
                    continue
                elif isinstance(action, Prepare):
                    self._job = action.job
                    self._background.start(action.job)
                    outcome = None
                    continue
                elif not isinstance(action, Receive):
                    outcome = now() - self._looked_at > _LOOK_SECONDS and self._withdrawn()
                    continue
                if not waiting:
                    self._request.Start()
                outcome = self._next_request()
                waiting = outcome.kind in _NO_REQUESTS
        except StopIteration as end:
            ended: BaseException | None = end.value
        except MPI.Exception as error:
            if not survives():
                raise
            raise MasterLost(f"the master (rank 0) has died: {error}") from None
        self._background.close(_SECONDS_TO_CANCEL)
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

    def _suffer(self, action: Strike) -> None:
        if action.send is not None:
            self._send(action.send)
        action.fault.strike()
        self._complete_send()

    def _send(self, action: Send) -> None:
        if action.n_bytes == self._answer_bytes:
            self._sending = self._answer
            self._answer.Start()
        else:
            answer = self._buffer[: action.n_bytes]
            self._sending = self._comm.Isend((answer, MPI.BYTE), 0, ANSWER)

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
        while True:
            if self._job is not None and self._job.done:
                return self._prepared()
            if requested() or requested() or requested():
                break
            # what is told to an idle worker can wait a little longer than a request
            if notified():
                notice = self._open_notice()
                if notice.kind == Kind.STOP:
                    self._complete_send()
                return notice
            backoff.pause()
        self._complete_send()
        _, kind, dtype, flags, single, iteration, round, generation, length, seconds, _, _ = (
            frame.read("master")
        )
        if flags & wire.NUMBERED:
            values, single = self._split_numbers(length, wire.DTYPES[dtype])
        elif frame.n_bytes == frame.full_bytes and kind not in _OF_NUMBERS:
            values = frame.values
        else:
            values = wire.payload(self._inbox, length, wire.DTYPES[dtype])
        if not self._holds:
            hold_connections(self._unreached_seconds)
            self._holds = True
        self._looked_at = self.now()
        self._current = request = _new(
            Request, (kind, iteration, round, values, seconds, generation, single)
        )
        return request

    def _split_numbers(self, length: int, dtype: np.dtype[Any]) -> tuple[NDArray[Any], int]:
        """Return the payload of the request that has come, and the message it wants of us."""
        split = self._split
        if split is None or self._frame.n_bytes != self._frame.full_bytes:
            whole = wire.payload(self._inbox, length, dtype)
            values, numbers = wire.split_numbers(whole, self._n_workers)
            split = values, memoryview(numbers)
            if self._frame.n_bytes == self._frame.full_bytes:
                self._split = split
        values, own = split
        return values, own[self._worker]

    def _prepared(self) -> Request:
        """Return the word that the job is done, whatever came of it."""
        self._job = None
        self._complete_send()
        return Request(Kind.PREPARED, -1, 0, self._notices.values, 0.0)

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
