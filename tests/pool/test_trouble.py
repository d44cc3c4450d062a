"""Workers that raise, never answer or cannot leave; and what stays bounded whatever they do."""

from functools import partial

import numpy as np
import pytest

from mpicode.errors import ConfigError, DataError, GaveUp, NotDecodable, WorkerFailed
from mpicode.outcomes import Outcome
from mpicode.pool import wire
from mpicode.pool.members import CORRUPT
from mpicode.pool.virtual import VirtualMaster
from mpicode.pool.wire import BadMessage, Kind

NEVER = 1e9  # seconds


def refusing(error, at=1):
    """Make the work of each worker but one, who raises."""

    def make_work(worker):
        if worker == at:
            raise error
        return Nothing()

    return make_work


class Nothing:
    answer_length = 8
    dtype = np.dtype(np.float64)
    load = 0.0

    def compute(self, request, message, out):
        out[:] = 0
        yield 1.0


@pytest.mark.parametrize("kind", [ConfigError, DataError, GaveUp])
def test_a_worker_that_cannot_begin_is_named_with_our_error(stage, kind):
    made = stage(3, make_work=refusing(kind("rows.h5: truncated")), start=False)
    with pytest.raises(kind, match=r"^worker 1 on \S+: rows.h5: truncated$"):
        made.pool.start()
    assert made.pool.close() == []


def test_any_other_error_comes_with_its_traceback(stage):
    made = stage(3, make_work=refusing(ZeroDivisionError("by hand")), start=False)
    with pytest.raises(WorkerFailed) as caught:
        made.pool.start()
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("worker 1 on ")
    assert lines[0].endswith(" raised an exception:")
    assert lines[1].startswith("Traceback")
    assert any("in make_work" in line for line in lines)
    assert lines[-1] == "ZeroDivisionError: by hand"
    assert caught.value.exit_code == 1
    assert made.pool.close() == []


def test_an_interrupt_while_workers_get_ready(stage):
    made = stage(3, start=False)
    made.transport.interrupted = lambda: True
    with pytest.raises(GaveUp, match="interrupted while 3 of 3 workers got ready"):
        made.pool.start()
    assert made.pool.close() == []


@pytest.mark.parametrize("part", [(4,), (1, 1)])
def test_a_worker_that_fails_in_the_middle(stage, own, ask, part):
    made = stage(3, parts=part, fails={(2, 4): RuntimeError("disk\non fire")})
    for iteration in range(4):
        ask(made.pool, iteration, own(3))
    with pytest.raises(WorkerFailed, match=r"(?s)^worker 2 on .*RuntimeError: disk\non fire$"):
        ask(made.pool, 4, own(3))
    assert made.pool.close() == []


def test_a_failure_is_told_although_the_round_was_over(stage, own, ask):
    made = stage(2, parts={0: [4], 1: [5]}, fails={(1, 0): DataError("row 7")})
    assert ask(made.pool, 0, own(2), enough=1) == [(0, 0)]
    with pytest.raises(DataError, match=r"worker 1 on .*: row 7"):
        ask(made.pool, 1, own(2), enough=2)


def test_a_long_text_is_cut_to_fit_its_buffer(stage):
    made = stage(2, make_work=refusing(DataError('"' * 100_000)), start=False)
    with pytest.raises(DataError) as caught:
        made.pool.start()
    assert 1000 <= len(str(caught.value)) <= 1100
    made = stage(2, make_work=refusing(ValueError("first" + '"' * 100_000 + "last")), start=False)
    with pytest.raises(WorkerFailed) as caught:
        made.pool.start()
    assert str(caught.value).endswith('"last')


def test_close_stops_workers_whatever_they_do(stage, own):
    # idle, computing for long, asleep for a while
    made = stage(3, parts={0: [1], 1: [1] * 100, 2: [1]}, delays={(2, 0): 3.0})
    made.pool.begin(Kind.GRADIENT, 0, np.zeros(7), own(3))
    next(made.pool.answers())
    made.pool.end()
    assert made.pool.close() == []
    assert made.pool.now() < 5.0
    goodbyes = made.transport.of_kind(Kind.GOODBYE, what="arrived")
    assert sorted(entry[3] for entry in goodbyes) == [0, 1, 2]


def test_close_does_not_wait_for_ever(stage, own, ask):
    made = stage(3, delays={(1, 0): NEVER})
    ask(made.pool, 0, own(3), enough=2)
    before = made.pool.now()
    assert made.pool.close(grace_seconds=5.0) == [1]
    assert made.pool.now() == before + 5.0


def test_close_is_not_held_up_by_an_interrupt(stage, own, ask):
    made = stage(2)
    made.transport.interrupted = lambda: True
    assert made.pool.close() == []


def test_waiting_for_nobody_raises_where_mpi_would_hang(stage):
    made = stage(1)
    with pytest.raises(GaveUp, match="no worker is computing and none is in flight"):
        made.transport.wait()
    assert made.transport.wait(deadline=7.0) == []
    assert made.transport.now() == 7.0


def test_silent_workers_cost_a_snapshot_each_and_no_more(stage, own, ask):
    n = 6
    # one after the other falls silent, each with parameters of its own unread
    made = stage(n, delays={(worker, 3 * worker): NEVER for worker in range(1, n)})
    for iteration in range(60):
        ask(made.pool, iteration, own(n), enough=1)
    assert sum(made.transport.requests[1:]) == n - 1
    assert made.transport.most_snapshots <= n + 2
    # each got one request it did not answer, and one notice
    for worker in range(1, n):
        kinds = [entry[2] for entry in made.transport.log if entry[3] == worker]
        assert kinds[-2:] == [Kind.GRADIENT, Kind.WITHDRAW]
    assert made.pool.close() == list(range(1, n))


def test_those_who_never_answer_hold_two_snapshots_at_most(stage, own, ask):
    made = stage(4, delays={(worker, 0): NEVER for worker in (1, 2, 3)})
    for iteration in range(100):
        ask(made.pool, iteration, own(4), enough=1)
    assert made.transport.most_snapshots <= 3


@pytest.mark.parametrize("place", [0, 9, 32, 64 + 8 * 8])
def test_a_damaged_answer_never_gets_through(stage, own, monkeypatch, place):
    made = stage(2)
    made.pool.begin(Kind.GRADIENT, 0, np.zeros(7), own(2))
    pack = wire.Frame.pack

    def damaged(frame, *fields):
        pack(frame, *fields)
        frame.view[place] ^= 0x40

    with monkeypatch.context() as patch:
        patch.setattr(wire.Frame, "pack", damaged)
        patch.setattr(made.transport, "wait", partial(VirtualMaster.wait, made.transport))
        assert list(made.pool.answers()) == []
    made.pool.end()
    assert made.pool.corrupt == [True, True]
    changes = made.pool.members.take_changes()
    assert [(one.worker, one.kind) for one in changes] == [(0, CORRUPT), (1, CORRUPT)]
    assert {(row[2], row[3], row[6]) for row in made.log} == {
        (0, 0, Outcome.CORRUPT),
        (1, 1, Outcome.CORRUPT),
    }


class Short(Nothing):
    """Work of a rank that read other data than the master."""

    answer_length = 5


def test_an_answer_of_another_length_never_gets_through(stage, own):
    made = stage(1, make_work=lambda worker: Short())
    made.pool.begin(Kind.GRADIENT, 0, np.zeros(7), own(1))
    with pytest.raises(
        BadMessage, match=r"^worker 0: message 0 has 5 elements of float64, wants 8"
    ):
        list(made.pool.answers())


def storm(stage, seed, n=5, iterations=150):
    """Rounds of random length over workers with random delays and messages; all that happened."""
    rng = np.random.default_rng(seed)
    delays = {
        (worker, iteration): float(rng.exponential(4.0))
        for worker in range(n)
        for iteration in range(iterations)
        if rng.random() < 0.3
    }
    parts = {worker: [float(r) for r in rng.integers(1, 4, 3)] for worker in range(n)}
    made = stage(n, parts=parts, delays=delays, together=bool(seed % 2))
    taken = []
    for iteration in range(iterations):
        owner = rng.integers(0, n, n)
        if iteration % 10 in (0, 1, 2, 3):  # then it stays for a while
            wanted = [np.flatnonzero(owner == worker) for worker in range(n)]
        x = rng.standard_normal(7)
        enough = int(rng.integers(1, n + 1))
        limit = made.pool.now() + float(rng.exponential(20.0))
        made.pool.begin(Kind.GRADIENT, iteration, x, wanted)
        for got, one in enumerate(made.pool.answers(limit), start=1):
            assert (one.iteration, one.age) == (iteration, 0)
            assert one.message in wanted[one.worker]
            expected = np.append(x * (one.message + 1), 1000.0 * iteration + one.message)
            np.testing.assert_array_equal(one.payload, expected)
            taken.append((made.pool.now(), one.worker, one.message, iteration))
            if got == enough:
                break
        made.pool.end()
    silent = made.pool.close(grace_seconds=1000.0)
    return made, taken, silent


@pytest.mark.parametrize("seed", range(6))
def test_a_storm_keeps_the_rules(stage, seed):
    # `Watched` counts requests and notices at every step
    made, taken, silent = storm(stage, seed)
    assert silent == []
    assert len(set(taken)) == len(taken)
    stale = [row for row in made.log if row[6] == Outcome.STALE_DROPPED]
    dropped = [row for row in made.log if row[6] == Outcome.DROPPED]
    assert stale
    assert dropped
    assert len(made.log) == len(stale) + len(dropped)
    # nobody answers for a later iteration than the one at hand, and none is used twice
    assert all(row[4] <= row[0] for row in made.log)
    used = {(worker, message, iteration) for _, worker, message, iteration in taken}
    assert not used & {(row[3], row[2], row[4]) for row in made.log}
    # no more notices than requests; what was sent and received is what was counted
    sent = made.transport.of_kind
    assert len(sent(Kind.WITHDRAW)) <= len(sent(Kind.GRADIENT))
    assert made.pool.bytes_sent == made.transport.n_bytes["sent"]
    assert made.transport.most_snapshots <= 5 + 2
    assert len(made.transport.slots) <= 3 * 5


def test_a_storm_is_the_same_each_time(stage):
    first, second = storm(stage, 4), storm(stage, 4)
    assert first[1] == second[1]
    assert first[0].log == second[0].log
    assert first[0].transport.log == second[0].transport.log
    assert storm(stage, 5)[1] != first[1]


def test_the_virtual_clock_reads_no_real_one(stage, monkeypatch, no_clock):
    no_clock(monkeypatch)
    made, taken, _ = storm(stage, 2)
    monkeypatch.undo()
    assert taken
    assert made.pool.now() > 100.0


def test_not_decodable_is_a_way_of_giving_up():
    assert issubclass(NotDecodable, GaveUp)
    assert NotDecodable("x").exit_code == 4


def test_a_failure_that_lands_with_the_last_answer_needed_is_not_lost(stage, ask):
    made = stage(2, fails={(1, 0): DataError("row 7")}, together=True)
    with pytest.raises(DataError, match="row 7"):
        ask(made.pool, 0, [np.array([0]), np.array([1])], enough=1)
