"""Workers with simple answers, delays by script, and a transport that watches the pool."""

from __future__ import annotations

import contextlib
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mpicode.pool import WorkerPool, largest_answer, wire
from mpicode.pool.delays import Delay
from mpicode.pool.faults import make as inject
from mpicode.pool.virtual import Costs, VirtualMaster
from mpicode.pool.wire import Kind

LENGTH = 7  # of the parameters
F8 = np.dtype(np.float64)


def answer(x, iteration, message):
    """What a worker answers for one message, (LENGTH + 1,)."""
    return np.append(x * (message + 1), [1000.0 * iteration + message])


class Echo:
    """Work whose answers tell what was asked; each message takes ``parts`` steps of so many rows.

    ``fails``: {(worker, iteration): exception} to raise after the first part.
    """

    answer_length = LENGTH + 1
    dtype = F8
    load = 0.25

    def __init__(self, worker, parts, fails):
        self.worker = worker
        self.parts = parts
        self.fails = fails

    def compute(self, request, message, out):
        out[:] = answer(request.payload, request.iteration, message)
        for part, rows in enumerate(self.parts):
            yield rows
            if part == 0 and (self.worker, request.iteration) in self.fails:
                raise self.fails[self.worker, request.iteration]


class Script(Delay):
    """Delays as told: {(worker, iteration): seconds}, else none; remembers what it was asked."""

    name = "script"

    def __init__(self, seconds):
        self._seconds = seconds
        self.asked = []

    def seconds(self, worker, iteration, now, load):
        self.asked.append((worker, iteration, now, load))
        return self._seconds.get((worker, iteration), 0.0)


class Watched(VirtualMaster):
    """The virtual transport, holding the pool to the rules of the wire.

    ``log``: (time, "sent" or "arrived", kind, worker, iteration). Each worker has at most one
    request and one notice outstanding. With ``together``, answers that land at the same moment are
    handed over in one sweep, as MPI does.
    """

    def __init__(self, *arguments: Any, together: bool = False, **more: Any) -> None:
        self.log: list[tuple[float, str, Kind, int, int]] = []
        self.n_bytes = {"sent": 0, "arrived": 0}
        self.snapshots: dict[int, Any] = {}
        self.most_snapshots = 0
        self.slots: dict[int, Any] = {}
        self._together = together
        n_workers = arguments[1]
        self.requests, self.notices = [0] * n_workers, [0] * n_workers
        super().__init__(*arguments, **more)

    def of_kind(self, *kinds, what="sent"):
        return [entry for entry in self.log if entry[1] == what and entry[2] in kinds]

    def _carry(self, worker, message, *rest):
        header = wire.parse(message, "pool")
        kind = Kind(header.kind)
        if kind == Kind.WITHDRAW:
            self.notices[worker] += 1
            assert self.requests[worker] == 1, f"a notice to worker {worker}, who is idle"
        elif kind == Kind.GRADIENT:
            self.requests[worker] += 1
            self.notices[worker] = 0
        elif kind in (Kind.ASSIGN, Kind.PREPARE):
            assert self.requests[worker] == 0, f"worker {worker} is busy and is told its messages"
        assert self.requests[worker] <= 1, f"{self.requests[worker]} requests to worker {worker}"
        assert self.notices[worker] <= 1, f"{self.notices[worker]} notices to worker {worker}"
        self.log.append((self.now(), "sent", kind, worker, header.iteration))
        self.n_bytes["sent"] += len(message)
        super()._carry(worker, message, *rest)

    def post(self, worker, request):
        self.snapshots[id(request)] = request  # kept, so that no other gets its number
        self.most_snapshots = max(self.most_snapshots, len(self.snapshots))
        super().post(worker, request)

    def drop(self, snapshot):
        self.snapshots.pop(id(snapshot), None)
        super().drop(snapshot)

    def wait(self, deadline=None):
        arrived = super().wait(deadline)
        while self._together and arrived:
            more = super().wait(self.now())
            if not more:
                break
            arrived += more
        for slot in arrived:
            self.slots[id(slot)] = slot
            with contextlib.suppress(wire.BadMessage, ValueError):
                header = wire.parse(slot.buffer, "worker")
                n_bytes = wire.message_bytes(header.length, wire.DTYPES[header.dtype])
                self.n_bytes["arrived"] += n_bytes
                kind = Kind(header.kind)
                self.log.append((self.now(), "arrived", kind, slot.worker, header.iteration))
                if kind in (Kind.GRADIENT, Kind.DROPPED, Kind.FAILED) and header.flags & wire.LAST:
                    self.requests[slot.worker] = 0
            # of a damaged one that cannot be told
            if self._workers[slot.worker].listening:
                self.requests[slot.worker] = 0
        return arrived


# Times that are sums of powers of two, so that what is computed by hand is met to the last bit.
EXACT = Costs(seconds_per_row=0.5, latency_seconds=0.25)


@pytest.fixture
def stage():
    """Build a pool over watched virtual workers.

    ``parts[worker]`` are the rows of the steps of each message, for all workers where it is one
    list; ``log`` collects what the pool says of messages; the pool is started unless told not to.
    """

    def build(
        n_workers=2, *, parts=(4,), delays=None, fails=None, costs=EXACT, start=True,
        together=False, make_work=None, faults=(), seed=0, checksum=False, renew=None,
    ):  # fmt: skip
        script = Script(delays or {})
        steps = parts if isinstance(parts, dict) else dict.fromkeys(range(n_workers), parts)

        def work(worker):
            return Echo(worker, steps[worker], fails or {})

        largest = largest_answer(LENGTH + 1, F8)
        transport = Watched(
            make_work or work, n_workers, LENGTH + 1, F8, largest, script, costs,
            together=together, checksum=checksum, renew=renew,
            faults=inject(faults, n_workers=n_workers, seed=seed),
        )  # fmt: skip
        rows = []
        pool = WorkerPool(
            transport, payload_length=LENGTH, dtype=F8, log=lambda *row: rows.append(row),
            checksum=checksum,
        )  # fmt: skip
        if start:
            pool.start()
        return SimpleNamespace(pool=pool, transport=transport, delay=script, log=rows)

    return build


@pytest.fixture
def own():
    """For so many workers: message ``i`` belongs to worker ``i``."""
    return lambda n_workers: [np.array([worker]) for worker in range(n_workers)]


@pytest.fixture
def ask():
    """Do one round and check each payload: the answers taken, (worker, message) each."""

    def one_round(pool, iteration, wanted, enough=None, deadline=None, x=None, round=0):
        x = np.arange(LENGTH) + iteration if x is None else x
        got = []
        pool.begin(Kind.GRADIENT, iteration, x, wanted, round=round)
        for one in pool.answers(deadline):
            assert (one.iteration, one.round) == (iteration, round)
            np.testing.assert_array_equal(one.payload, answer(x, iteration, one.message))
            got.append((one.worker, one.message))
            if enough is not None and len(got) == enough:
                break
        pool.end()
        return got

    return one_round
