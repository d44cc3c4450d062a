"""Workers asked one by one: ages, several messages, sweeps, damage, loss."""

import numpy as np
import pytest

from mpicode.pool import Kind, Stream, largest_answer, request_length, wire
from mpicode.pool.delays import Delay
from mpicode.pool.faults import make as inject
from mpicode.pool.snapshots import Snapshots
from mpicode.pool.virtual import Costs, VirtualMaster

F8 = np.dtype(float)
X = np.arange(5.0)


class Echo:
    """Answers the parameters, times one more than the message."""

    answer_length, dtype, load = 5, F8, 1.0

    def compute(self, request, message, out):
        out[:] = request.payload * (message + 1)
        yield 1.0


class Slow(Delay):
    """Worker i takes i + 1 seconds."""

    name = "slow"

    def __init__(self):
        pass

    def seconds(self, worker, iteration, now, load):
        return worker + 1.0


@pytest.fixture
def stream():
    def stream(n_workers=3, faults=(), renew=None, **more):
        injection = inject(faults, n_workers=n_workers, seed=0)
        master = VirtualMaster(
            lambda worker: Echo(),
            n_workers,
            5,
            F8,
            largest_answer(5, F8),
            Slow(),
            Costs(seconds_per_row=1e-3, latency_seconds=1e-3),
            faults=injection,
            checksum=more.get("checksum", False),
            renew=renew,
        )
        pool = Stream(master, payload_length=5, dtype=F8, **more)
        pool.start()
        return pool

    return stream


def numbers(*messages):
    return np.array(messages)


def test_answers_of_any_version_come_with_their_age(stream):
    pool = stream()
    assert sorted(pool.idle) == [0, 1, 2]
    pool.ask(Kind.GRADIENT, X, {w: numbers(w) for w in range(3)})
    seen = []
    while len(seen) < 6:
        for answer in pool.arrivals():
            # the snapshot is that of its version, whatever was sent since
            np.testing.assert_array_equal(
                answer.payload, (X + answer.iteration) * (answer.message + 1)
            )
            seen.append((answer.worker, answer.iteration, answer.age))
            pool.version += 1
        pool.ask(Kind.GRADIENT, X + pool.version, {w: numbers(w) for w in list(pool.idle)})
    assert [worker for worker, _, _ in seen[:3]] == [0, 1, 0]
    assert all(age >= 0 for _, _, age in seen)
    assert max(age for _, _, age in seen) >= 2
    assert pool.close() == []


def test_messages_of_one_request_arrive_one_by_one(stream):
    pool = stream(1)
    pool.ask(Kind.GRADIENT, X, {0: numbers(2, 0, 1)})
    found = []
    while not pool.idle:
        found += [(a.message, a.payload[1]) for a in pool.arrivals()]
    assert found == [(2, 3.0), (0, 1.0), (1, 2.0)]
    pool.close()


def test_those_who_are_busy_or_dead_are_not_asked(stream):
    pool = stream(2, [{"kind": "kill", "worker": 1, "iteration": 0}])
    pool.ask(Kind.GRADIENT, X, {0: numbers(0), 1: numbers(1)})
    pool.ask(Kind.GRADIENT, X, {0: numbers(0), 1: numbers(1)})
    assert pool.idle == []
    while pool.waits:
        pool.arrivals()
    assert pool.idle == [0]
    assert pool.members.dead == [False, True]
    assert pool.arrivals() == []
    pool.close()


def test_a_sweep_ends_at_the_deadline(stream):
    pool = stream()
    pool.ask(Kind.GRADIENT, X, {2: numbers(0)})
    assert pool.arrivals(1.0) == []
    assert pool.now() == pytest.approx(1.0)
    assert len(pool.arrivals()) == 1
    pool.close()


def test_what_was_forgotten_is_counted_and_not_given(stream):
    rows = []
    pool = stream(2, log=lambda *row: rows.append(row))
    pool.page(0)
    pool.ask(Kind.GRADIENT, X, {0: numbers(0), 1: numbers(1)})
    pool.forget_all()
    while pool.waits:
        assert pool.arrivals() == []
    assert pool.n_stale == len(rows) == 2
    pool.ask(Kind.GRADIENT, X, {0: numbers(0)})
    (answer,) = pool.arrivals()
    assert (answer.iteration, answer.age) == (1, 0)
    pool.close()


def test_damaged_messages_are_dropped_and_their_worker_is_idle(stream):
    faults = [{"kind": "corrupt", "worker": 0, "rate": 1.0, "damage": "header"}]
    pool = stream(1, faults, checksum=True)
    pool.ask(Kind.GRADIENT, X, {0: numbers(0)})
    while not pool.idle:
        assert pool.arrivals() == []
    assert pool.corrupt == [True]
    assert [change.kind for change in pool.members.take_changes()] == ["corrupt"]
    pool.close()


def test_a_slot_that_is_kept_is_not_written_to(stream):
    pool = stream(1)
    pool.ask(Kind.GRADIENT, X, {0: numbers(0)})
    (kept,) = pool.arrivals()
    slot = kept.keep()
    for version in range(1, 4):
        pool.version = version
        pool.ask(Kind.GRADIENT, X + version, {0: numbers(0)})
        (answer,) = pool.arrivals()
        assert answer.slot is not slot
    np.testing.assert_array_equal(kept.payload, X)
    pool.recycle(slot)
    pool.close()


def test_a_request_of_its_own_may_have_any_length(stream):
    pool = stream(2)
    pool.tell(Kind.UPDATE, 0, np.full(1, 7.0), numbers(1))
    (answer,) = pool.arrivals()
    np.testing.assert_array_equal(answer.payload, np.full(5, 14.0))
    assert pool.idle == [1, 0]
    pool.close()


REQUEST_BYTES = wire.message_bytes(request_length(5, F8, 3), F8)


def ask_one_by_one(pool, *asked):
    """Ask for these messages, one request after the other, and return what came of each."""
    found = []
    for messages in asked:
        pool.ask(Kind.GRADIENT, X, {0: numbers(*messages)})
        while not pool.idle or pool.idle[-1] != 0:
            found += [(a.message, a.payload[1]) for a in pool.arrivals()]
    return found


def test_one_message_is_asked_for_in_the_request_itself(stream):
    pool = stream()
    for turn in range(4):
        sent = pool.bytes_sent
        pool.ask(Kind.GRADIENT, X, {w: numbers(w + turn) for w in range(3)})
        assert pool.bytes_sent - sent == 3 * REQUEST_BYTES
        found = []
        while len(pool.idle) < 3:
            found += [(a.worker, a.message, a.payload[1]) for a in pool.arrivals()]
        assert found == [(w, w + turn, w + turn + 1.0) for w in range(3)]
    pool.close()


def test_one_message_and_several_take_turns(stream):
    pool = stream()
    several, single = numbers(2, 0), (1,)
    found = ask_one_by_one(pool, several, single, several, several, single, single)
    two, one = [(2, 3.0), (0, 1.0)], [(1, 2.0)]
    assert found == two + one + two + two + one + one
    pool.close()


def test_requests_of_one_call_share_a_snapshot(stream, monkeypatch):
    taken = []
    take = Snapshots.take
    monkeypatch.setattr(Snapshots, "take", lambda *a: taken.append(take(*a)) or taken[-1])
    pool = stream()
    for turn in range(3):
        pool.ask(Kind.GRADIENT, X, {w: numbers(w) for w in range(3)})
        assert len(taken) == turn + 1
        while len(pool.idle) < 3:
            pool.arrivals()
    pool.close()


def test_a_request_of_its_own_names_its_message_too(stream):
    pool = stream()
    for message in (4, 0, 0, 2):
        sent = pool.bytes_sent
        pool.tell(Kind.UPDATE, 1, np.full(1, 7.0), numbers(message))
        assert pool.bytes_sent - sent == wire.message_bytes(1, F8)
        (answer,) = pool.arrivals()
        np.testing.assert_array_equal(answer.payload, np.full(5, 7.0 * (message + 1)))
    pool.close()


class Scaled(Echo):
    """Answers the parameters times what it was told to get ready for."""

    def __init__(self, factor):
        self.factor = factor

    def compute(self, request, message, out):
        out[:] = request.payload * self.factor
        yield 1.0


def scaled(worker, told, cancelled):
    return Scaled(float(told[0])), 20.0  # rows, so 20 ms


def test_each_goes_by_the_new_code_from_its_next_request_on(stream):
    """Whoever is busy answers by the code before; nobody waits for him."""
    pool = stream(renew=scaled)
    same = {w: numbers(w) for w in range(3)}  # the very arrays that were assigned before
    pool.ask(Kind.GRADIENT, X, same)
    pool.version = 1
    pool.renew(numbers(7))
    found = []
    while len(found) < 12:
        for answer in pool.arrivals():
            found.append((answer.worker, answer.generation))
            factor = answer.message + 1 if answer.generation == 0 else 7.0
            np.testing.assert_array_equal(answer.payload, X * factor)
        pool.ask(Kind.GRADIENT, X, {w: same[w] for w in pool.idle})
    # workers 0, 1, 2 take 1, 2, 3 seconds
    assert found[:3] == [(0, 0), (1, 0), (0, 1)]
    assert [generation for worker, generation in found if worker == 2][:2] == [0, 1]
    assert pool.close() == []


def test_the_idle_get_ready_first_and_the_newest_code_counts(stream):
    pool = stream(2, renew=scaled)
    pool.renew(numbers(5))
    assert pool.idle == []
    assert pool.waits
    pool.renew(numbers(6))  # while they get ready for the one before
    began = pool.now()
    while len(pool.idle) < 2:
        assert pool.arrivals() == []
    assert pool.now() - began >= 2 * 0.02
    assert pool.generation == 2
    pool.ask(Kind.GRADIENT, X, {w: numbers(0) for w in range(2)})
    (answer,) = pool.arrivals()
    np.testing.assert_array_equal(answer.payload, X * 6)
    pool.close()


def test_one_that_cannot_get_ready_is_done_without(stream):
    def renew(worker, told, cancelled):
        if worker == 1:
            raise MemoryError("no room")
        return scaled(worker, told, cancelled)

    pool = stream(2, renew=renew)
    pool.renew(numbers(5))
    while pool.waits:
        assert pool.arrivals() == []
    assert pool.idle == [0]
    (change,) = pool.members.take_changes()
    assert (change.kind, change.worker) == ("lost", 1)
    assert "no room" in change.detail
    pool.close()


def test_the_silent_get_ready_when_they_are_back(stream):
    faults = [{"kind": "stop", "worker": 0, "iteration": 0, "seconds": 60.0}]
    pool = stream(2, faults, renew=scaled, silent_seconds=5.0)
    pool.ask(Kind.GRADIENT, X, {w: numbers(w) for w in range(2)})
    found = []
    while (0, 1) not in found:
        for answer in pool.arrivals():
            found.append((answer.worker, answer.generation))
            pool.version += 1
        if pool.version == 2 and pool.generation == 0:
            pool.renew(numbers(3))
        pool.ask(Kind.GRADIENT, X, {w: numbers(w) for w in pool.idle})
    assert found.index((0, 0)) < found.index((0, 1))
    kinds = [(change.worker, change.kind) for change in pool.members.take_changes()]
    assert kinds == [(0, "silent"), (0, "returned")]
    pool.close()
