"""The same workers in this process, under a virtual clock.

Events (a request lands, a worker wakes, an answer lands) are carried out in the order of their
virtual times, ties in the order they were made. The clock never reads a real one: computing takes a
modelled time per row, messages a latency and a time per byte, and the master's own work takes none.
So a run is the same to the last bit however busy the machine is.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from ..errors import GaveUp
from . import wire
from .background import Job
from .delays import Delay
from .faults import Injection
from .snapshots import Snapshot
from .transport import Slot
from .wire import Kind
from .worker import (
    Action,
    Prepare,
    Receive,
    Renew,
    Request,
    Send,
    Sleep,
    Strike,
    Work,
    worker_loop,
)


@dataclass(frozen=True)
class Costs:
    """How long things take under the virtual clock.

    seconds_per_row : time to compute on one row of data, with a core to oneself
    latency_seconds : time from sending a message to its arrival, without its bytes
    bytes_per_second : bandwidth of each worker's link; 0 means unlimited
    downlink_bytes_per_second : of what workers are sent; None: as what they send
    workers_per_node, cores_per_node : more workers than cores share the cores evenly
    """

    seconds_per_row: float = 1e-6
    latency_seconds: float = 50e-6
    bytes_per_second: float = 0.0
    workers_per_node: int = 1
    cores_per_node: int = 1
    downlink_bytes_per_second: float | None = None

    def computing(self, rows: float) -> float:
        """Seconds to compute on ``rows`` rows."""
        return rows * self.seconds_per_row * max(1.0, self.workers_per_node / self.cores_per_node)

    def sending(self, n_bytes: int) -> float:
        """Seconds until a message of ``n_bytes`` has arrived at the master."""
        transfer = n_bytes / self.bytes_per_second if self.bytes_per_second else 0.0
        return self.latency_seconds + transfer

    def asking(self, n_bytes: int) -> float:
        """Seconds until a message of ``n_bytes`` has arrived at a worker."""
        bandwidth = self.downlink_bytes_per_second
        if bandwidth is None:
            return self.sending(n_bytes)
        return self.latency_seconds + (n_bytes / bandwidth if bandwidth else 0.0)


class _Worker:
    """One worker: its generator, what it waits for, and the messages that have reached it."""

    def __init__(self, loop: Generator[Action, Any, Any], buffer: wire.Bytes) -> None:
        self.loop = loop
        self.buffer = buffer
        self.inbox: deque[tuple[wire.Bytes, Snapshot | None]] = deque()
        self.listening = False
        self.reading: Snapshot | None = None
        self.last_landing = 0.0
        self.job: Job[Any] | None = None
        self.job_is_over = False
        self.dead = False

    def die(self) -> None:
        """Take no message any more, and let go of those that have come."""
        self.dead = True
        self.loop.close()
        for snapshot in (self.reading, *(snapshot for _, snapshot in self.inbox)):
            if snapshot is not None:
                snapshot.pins -= 1
        self.reading = None
        self.inbox.clear()


class VirtualMaster:
    """A transport whose workers are generators in this process.

    ``left_out_bytes``: requests, and full answers, take the time of so many bytes more. ``faults``
    are those that the workers meet; with ``checksum`` each answer carries one. ``renew`` makes what
    workers compute under a later code; the rows for it take the time of computing on them, beside
    what the worker does.
    """

    def __init__(
        self,
        make_work: Callable[[int], Work],
        n_workers: int,
        answer_length: int,
        dtype: np.dtype[Any],
        largest: int,
        delay: Delay,
        costs: Costs,
        left_out_bytes: tuple[int, int] = (0, 0),
        faults: Injection | None = None,
        checksum: bool = False,
        renew: Renew | None = None,
    ) -> None:
        self.n_workers = n_workers
        self.check_seconds = math.inf  # there are no processes that could end
        self.interrupted: Callable[[], bool] = lambda: False
        self._costs = costs
        self._request_left_out, self._answer_left_out = left_out_bytes
        self._answer = (answer_length, dtype)
        self._largest = largest
        self._time = 0.0
        self._order = itertools.count()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._arrived: list[Slot] = []
        self._losses: list[tuple[int, str]] = []
        self._free: list[list[Slot]] = [[] for _ in range(n_workers)]
        self._workers: list[_Worker] = []
        for worker in range(n_workers):
            buffer = wire.new_buffer(largest)
            loop = worker_loop(
                worker, partial(make_work, worker), delay, self.now, buffer, faults, checksum, renew
            )
            self._workers.append(_Worker(loop, buffer))
            self._resume(worker, None)

    def now(self) -> float:
        return self._time

    def assign(self, worker: int, message: wire.Bytes) -> None:
        self._carry(worker, message, None, len(message))

    def notify(self, worker: int, message: wire.Bytes) -> None:
        self._carry(worker, message, None, len(message))

    def listen(self, worker: int) -> None:
        pass  # answers that land are always taken

    def post(self, workers: Sequence[int], request: Snapshot) -> None:
        n_bytes = len(request.buffer) + self._request_left_out
        for worker in workers:
            request.pins += 1
            self._carry(worker, request.buffer, request, n_bytes)

    def reap(self) -> None:
        pass  # a snapshot is unpinned when its worker asks for the next request

    def drop(self, snapshot: Snapshot) -> None:
        pass

    def wait(self, deadline: float | None = None) -> list[Slot]:
        while not (self._arrived or self._losses):
            if self.interrupted():
                return []
            if not self._events:
                if deadline is None:
                    raise GaveUp(
                        "waiting for answers, but no worker is computing and none is in flight"
                    )
                self._time = max(self._time, deadline)
                return []
            if deadline is not None and self._events[0][0] > deadline:
                self._time = max(self._time, deadline)
                return []
            self._time, _, happen = heapq.heappop(self._events)
            happen()
        arrived, self._arrived = self._arrived, []
        return arrived

    def losses(self) -> list[tuple[int, str]]:
        losses, self._losses = self._losses, []
        return losses

    def lose(self, worker: int) -> None:
        pass

    def start(self, job: Job[Any]) -> None:
        job.run()  # the master's work takes no time

    def recycle(self, slot: Slot) -> None:
        self._free[slot.worker].append(slot)

    def close(self, everyone_left: bool) -> None:
        for worker in self._workers:
            worker.loop.close()

    def _at(self, seconds: float, happen: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self._time + seconds, next(self._order), happen))

    def _carry(
        self, worker: int, message: wire.Bytes, snapshot: Snapshot | None, n_bytes: int
    ) -> None:
        """Bring a message to a worker; those to one worker never overtake each other."""
        state = self._workers[worker]

        def land() -> None:
            if state.dead:
                if snapshot is not None:
                    snapshot.pins -= 1
                return
            state.inbox.append((message, snapshot))
            if state.listening:
                state.listening = False
                self._resume(worker, self._next_request(worker))

        landing = max(self._time + self._costs.asking(n_bytes), state.last_landing)
        state.last_landing = landing
        self._at(landing - self._time, land)

    def _resume(self, worker: int, outcome: Any) -> None:
        """Let the worker go on until it does something that takes time."""
        state = self._workers[worker]
        while True:
            try:
                action = state.loop.send(outcome)
            except StopIteration:
                return
            if isinstance(action, Receive):
                self._receive(worker)
                return
            if isinstance(action, Sleep):
                self._at(action.seconds, lambda: self._resume(worker, None))
                return
            if isinstance(action, Send):
                self._send(worker, action)
                return
            if isinstance(action, Strike):
                self._strike(worker, action)
                return
            if isinstance(action, Prepare):
                self._prepare(worker, action.job)
                outcome = None
                continue
            seconds = self._costs.computing(action)
            if seconds > 0.0:
                self._at(seconds, lambda: self._resume(worker, self._withdrawn(state)))
                return
            outcome = self._withdrawn(state)

    def _strike(self, worker: int, action: Strike) -> None:
        """Kill the worker, unfinished sending included, or let it do nothing for a while."""
        fault = action.fault
        if math.isinf(fault.away):
            self._workers[worker].die()
            self._at(fault.found_after, lambda: self._losses.append((worker, fault.detail)))
        elif action.send is None:
            self._at(fault.away, lambda: self._resume(worker, None))
        else:
            send = action.send
            self._at(fault.away, lambda: self._send(worker, send))

    def _prepare(self, worker: int, job: Job[tuple[Work | None, float]]) -> None:
        """Do a worker's job, and have it known when the rows it took could have been read."""
        state = self._workers[worker]
        state.job, state.job_is_over = job, False
        job.run()

        def over() -> None:
            if state.job is job and not state.dead:
                state.job_is_over = True
                if state.listening:
                    state.listening = False
                    self._resume(worker, self._next_request(worker))

        rows = 0.0 if job.failed else job.result()[1]
        self._at(self._costs.computing(rows), over)

    def _receive(self, worker: int) -> None:
        """Hand the next request over, now or when it lands."""
        state = self._workers[worker]
        if state.reading is not None:
            state.reading.pins -= 1
            state.reading = None
        if state.inbox or state.job_is_over:
            self._resume(worker, self._next_request(worker))
        else:
            state.listening = True

    def _next_request(self, worker: int) -> Request:
        state = self._workers[worker]
        if state.job_is_over:
            state.job, state.job_is_over = None, False
            return Request(Kind.PREPARED, -1, 0, np.empty(0), 0.0)
        message, snapshot = state.inbox.popleft()
        header = wire.parse(message, "master")
        state.reading = snapshot
        payload: np.ndarray[Any, Any]
        payload = wire.payload(message, header.length, wire.DTYPES[header.dtype])
        single = header.message
        if header.flags & wire.NUMBERED:
            payload, numbers = wire.split_numbers(payload, self.n_workers)
            single = int(numbers[worker])
        return Request(
            header.kind, header.iteration, header.round, payload, header.seconds,
            header.generation, single,
        )  # fmt: skip

    @staticmethod
    def _withdrawn(state: _Worker) -> bool:
        if not state.inbox:
            return False
        message = state.inbox[0][0]
        if wire.parse(message, "master").kind == Kind.WITHDRAW:
            state.inbox.popleft()
        return True

    def _new_slot(self, worker: int) -> Slot:
        return Slot(worker, f"worker {worker}", wire.new_buffer(self._largest), *self._answer)

    def _send(self, worker: int, action: Send) -> None:
        n_bytes = action.n_bytes
        free = self._free[worker]
        slot = free.pop() if free else self._new_slot(worker)
        slot.buffer[:n_bytes] = self._workers[worker].buffer[:n_bytes]

        def land() -> None:
            self._arrived.append(slot)
            if action.last:
                self._receive(worker)
            else:
                self._resume(worker, None)

        full = wire.message_bytes(len(slot.values), slot.values.dtype)
        left_out = self._answer_left_out if n_bytes == full else 0
        self._at(self._costs.sending(n_bytes + left_out), land)
