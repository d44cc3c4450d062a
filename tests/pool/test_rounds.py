"""One round after the other: whom the pool asks, what it takes, what it tells."""

import numpy as np
import pytest

from mpicode.outcomes import Outcome
from mpicode.pool import wire
from mpicode.pool.members import CORRUPT
from mpicode.pool.virtual import Costs
from mpicode.pool.wire import Kind

REQUEST_BYTES = wire.message_bytes(7, np.dtype(np.float64))
ANSWER_BYTES = wire.message_bytes(8, np.dtype(np.float64))
HEADER_BYTES = wire.message_bytes(0, np.dtype(np.float64))


def test_everyone_is_asked_and_heard(stage, own, ask):
    made = stage(3)
    for iteration in range(4):
        assert sorted(ask(made.pool, iteration, own(3))) == [(0, 0), (1, 1), (2, 2)]
    assert made.pool.hosts == [made.pool.hosts[0]] * 3
    assert made.pool.hosts[0]
    assert made.pool.close() == []
    assert made.log == []


def test_times_of_one_round_by_hand(stage, own, ask):
    made = stage(2, parts={0: [4], 1: [1, 2]})
    assert made.pool.now() == 0.0
    assert ask(made.pool, 0, own(2)) == [(1, 1), (0, 0)]
    # a quarter there, half a second per row, a quarter back
    assert made.pool.now() == 0.25 + 4 * 0.5 + 0.25
    assert made.pool.latency_seconds == [2.5, 2.0]
    assert made.pool.compute_seconds == [2.0, 1.5]
    assert made.pool.delay_seconds == [0.0, 0.0]
    ask(made.pool, 1, own(2))
    assert made.pool.now() == 5.0


def test_times_with_bandwidth_by_hand(stage, own, ask):
    made = stage(1, costs=Costs(0.5, 0.25, bytes_per_second=1024.0))
    ask(made.pool, 0, own(1))
    there, back = 0.25 + REQUEST_BYTES / 1024, 0.25 + ANSWER_BYTES / 1024
    assert made.pool.now() == there + 2.0 + back
    assert made.pool.bytes_sent == made.transport.n_bytes["sent"]
    assert made.pool.bytes_received == made.transport.n_bytes["arrived"]
    sent, received = made.pool.bytes_sent, made.pool.bytes_received
    ask(made.pool, 1, own(1))
    assert made.pool.bytes_sent - sent == REQUEST_BYTES
    assert made.pool.bytes_received - received == ANSWER_BYTES


def test_a_short_message_does_not_overtake_a_long_one(stage, own, ask):
    # a request takes 2 s, the notice after it 1.125 s, an assignment of 20 messages 3.625 s
    made = stage(1, parts=[1, 1, 1], costs=Costs(0.5, 0.25, bytes_per_second=64.0))
    everything = [np.arange(20)]
    assert len(ask(made.pool, 0, everything)) == 20
    assert ask(made.pool, 1, everything, deadline=made.pool.now() + 0.25) == []
    assert len(ask(made.pool, 2, everything)) == 20
    assert [(row[4], row[6]) for row in made.log] == [(1, Outcome.DROPPED)]


@pytest.mark.parametrize(("workers", "cores", "factor"), [(4, 2, 2.0), (4, 4, 1.0), (2, 8, 1.0)])
def test_times_where_workers_share_cores(stage, own, ask, workers, cores, factor):
    made = stage(1, costs=Costs(0.5, 0.25, workers_per_node=workers, cores_per_node=cores))
    ask(made.pool, 0, own(1))
    assert made.pool.now() == 0.5 + factor * 2.0
    assert made.pool.compute_seconds[0] == factor * 2.0


def test_one_who_is_slow_is_not_waited_for_nor_asked_again(stage, own, ask):
    made = stage(2, delays={(1, 0): 8.0})
    began = []
    for iteration in range(4):
        began.append(made.pool.now())
        assert ask(made.pool, iteration, own(2), enough=1) == [(0, 0)]
    assert began == [0.0, 2.5, 5.0, 7.5]
    asked = [(t, i) for t, _, _, worker, i in made.transport.of_kind(Kind.GRADIENT) if worker == 1]
    # its delay ends at 8.25 and the news arrives at 8.5, while iteration 3 is still open
    zero = 0.5  # two words of each worker
    assert asked == [(zero, 0), (zero + 8.5, 3)]
    assert len(made.transport.of_kind(Kind.WITHDRAW)) == 2


def test_a_delay_that_has_begun_is_served_to_its_end(stage, own, ask):
    made = stage(2, delays={(1, 0): 8.0, (1, 1): 100.0, (1, 2): 100.0, (1, 3): 100.0})
    for iteration in range(4):
        ask(made.pool, iteration, own(2), enough=1)
    arrived = [entry for entry in made.transport.log if entry[1] == "arrived" and entry[3] == 1]
    # neither the notice of 2.5 nor the iterations meanwhile shorten it
    assert arrived[-1] == (0.5 + 8.5, "arrived", Kind.DROPPED, 1, 0)
    assert made.log == [(3, 0, 1, 1, 0, 8.5, Outcome.DROPPED)]
    # and each delay belongs to the iteration whose request the worker got
    assert [(w, t) for w, t, _, _ in made.delay.asked if w == 1] == [(1, 0), (1, 3)]


def test_a_delay_model_is_asked_by_run_time_and_load(stage, own, ask):
    made = stage(1, delays={(0, 0): 1.0})
    ask(made.pool, 0, own(1))
    ask(made.pool, 1, own(1))
    # the worker's idea of the run time lags by the quarter that the first message to it took
    assert made.delay.asked == [(0, 0, 0.0, 0.25), (0, 1, 3.5, 0.25)]
    assert made.pool.delay_seconds == [0.0]


def test_a_notice_ends_the_work_after_the_part_at_hand(stage, own, ask):
    made = stage(2, parts={0: [4], 1: [4, 4, 4, 4]})
    ask(made.pool, 0, own(2), enough=1)
    assert made.pool.now() == 2.5
    assert made.pool.n_withdrawn == 1
    assert np.isnan(made.pool.latency_seconds[1])
    # the notice lands at 2.75, in the second part, which ends at 4.25; the header is back at 4.5
    ask(made.pool, 1, own(2), enough=1)
    assert made.log == [(1, 0, 1, 1, 0, 4.5, Outcome.DROPPED)]
    assert made.pool.n_stale == 0
    dropped = made.transport.of_kind(Kind.DROPPED, what="arrived")
    assert [(t - 0.5, w, i) for t, _, _, w, i in dropped] == [(4.5, 1, 0)]
    sizes = {slot.n_bytes for slot in made.transport.slots.values() if slot.worker == 1}
    assert HEADER_BYTES in sizes


def test_a_late_answer_is_stale_whatever_was_told_meanwhile(stage, own, ask):
    # worker 1 answers at 3.0, after the round has ended at 2.5 but before the notice is there
    made = stage(2, parts={0: [4], 1: [5]}, costs=Costs(0.5, 0.25))
    ask(made.pool, 0, own(2), enough=1)
    assert made.log == []
    got = ask(made.pool, 1, own(2), enough=2)
    assert got == [(0, 0), (1, 1)]
    assert made.log == [(1, 0, 1, 1, 0, 3.0, Outcome.STALE_DROPPED)]
    assert made.pool.n_stale == 1
    # it was asked for iteration 1 as soon as it was idle, and the old notice did not stop it
    assert made.pool.now() == 3.0 + 0.25 + 2.5 + 0.25
    assert made.pool.latency_seconds[1] == 3.0
    ask(made.pool, 2, own(2))
    assert made.pool.n_stale == 0


def test_an_answer_in_the_same_sweep_as_the_last_one_needed_is_late(stage, own, ask):
    made = stage(3, together=True)
    assert ask(made.pool, 0, own(3), enough=1) == [(0, 0)]
    assert [(row[3], row[6]) for row in made.log] == [
        (1, Outcome.STALE_DROPPED),
        (2, Outcome.STALE_DROPPED),
    ]
    assert made.pool.n_stale == 2
    assert made.pool.n_withdrawn == 0
    assert made.transport.of_kind(Kind.WITHDRAW) == []
    assert len(ask(made.pool, 1, own(3))) == 3


def test_several_messages_of_one_worker(stage, ask):
    made = stage(2, parts={0: [2], 1: [1, 1]})
    wanted = [np.array([0, 2, 4]), np.array([1, 3])]
    assert ask(made.pool, 0, wanted) == [(0, 0), (1, 1), (0, 2), (1, 3), (0, 4)]
    # each is sent to completion (a quarter of a second) before the next one is begun
    assert made.pool.now() == 0.25 + 3 * (1.0 + 0.25)
    assert made.pool.latency_seconds == [4.0, 2.75]
    # its own time counts from the beginning of the request
    assert made.pool.compute_seconds[0] == 3.5


def test_those_not_begun_are_dropped_with_the_rest(stage, ask):
    made = stage(1, parts=[2])
    wanted = [np.array([0, 1, 2])]
    assert ask(made.pool, 0, wanted, enough=1) == [(0, 0)]
    assert made.pool.now() == 1.5
    # the notice lands at 1.75, message 1 is done at 2.5 but nobody wants it any more
    assert ask(made.pool, 1, wanted, enough=3) == [(0, 0), (0, 1), (0, 2)]
    assert made.log == [(1, 0, 1, 0, 0, 2.75, Outcome.DROPPED)]


def test_messages_change_hands_between_rounds(stage, ask):
    made = stage(3)
    sent = made.transport.of_kind
    assert len(ask(made.pool, 0, [np.array([0]), np.array([1]), np.array([2])])) == 3
    assert len(sent(Kind.ASSIGN)) == 3
    # the same again in other arrays: nothing new to tell
    assert len(ask(made.pool, 1, [np.array([0]), np.array([1]), np.array([2])])) == 3
    assert len(sent(Kind.ASSIGN)) == 3
    # worker 2 is lost: its message goes to worker 0
    wanted = [np.array([0, 2]), np.array([1]), np.array([], dtype=int)]
    assert sorted(ask(made.pool, 2, wanted)) == [(0, 0), (0, 2), (1, 1)]
    told = [entry[3] for entry in sent(Kind.ASSIGN)[3:]]
    assert 0 in told
    assert 1 not in told
    assert [entry[3] for entry in sent(Kind.GRADIENT)[6:]] == [0, 1]
    assert made.pool.n_withdrawn == 0
    # and back
    assert len(ask(made.pool, 3, [np.array([0]), np.array([1]), np.array([2])])) == 3
    assert 0 in [entry[3] for entry in sent(Kind.ASSIGN)[3 + len(told) :]]


def test_the_same_assignment_round_after_round(stage, ask):
    """The short way of a settled run: one object says what is wanted, and everybody is idle."""
    made = stage(3, delays={(1, 2): 1.0, (1, 5): 1.0})
    wanted = [np.array([0]), np.array([1]), np.array([2])]
    for iteration in range(8):
        # those who are late are told so each time, and heard before the next round
        slow = iteration in (2, 5)
        assert len(ask(made.pool, iteration, wanted, enough=2 if slow else 3)) == 3 - slow
        assert made.pool.n_withdrawn == slow
        if slow:
            assert ask(made.pool, 100 + iteration, [wanted[0], [], []]) == [(0, 0)]
            assert ask(made.pool, 200 + iteration, [wanted[0], [], []]) == [(0, 0)]
    notices = made.transport.of_kind(Kind.WITHDRAW)
    assert [(worker, iteration) for *_, worker, iteration in notices] == [(1, 2), (1, 5)]


def test_one_whose_answer_came_between_rounds_can_be_told_again(stage, ask):
    # its news lands together with, and behind, the answer that ends iteration 2: while worker 0
    # sends 136 bytes for 2.375 s, worker 1 wakes and sends 72 bytes for 1.375 s
    made = stage(
        2, delays={(1, 1): 9.625, (1, 3): 9.0}, together=True,
        costs=Costs(0.5, 0.25, bytes_per_second=64.0),
    )  # fmt: skip
    wanted = [np.array([0]), np.array([1])]
    assert len(ask(made.pool, 0, wanted)) == 2
    assert ask(made.pool, 1, wanted, enough=1) == [(0, 0)]
    assert made.pool.n_withdrawn == 1
    assert ask(made.pool, 2, wanted, enough=1) == [(0, 0)]
    assert [row[3:5] for row in made.log] == [(1, 1)]
    assert made.transport.requests == [0, 0]
    assert ask(made.pool, 3, wanted, enough=1) == [(0, 0)]
    assert made.pool.n_withdrawn == 1


def test_one_without_a_part_is_never_asked(stage, ask):
    made = stage(3)
    wanted = [np.array([0, 1]), np.array([], dtype=int), np.array([2])]
    for iteration in range(4):
        assert sorted(ask(made.pool, iteration, wanted)) == [(0, 0), (0, 1), (2, 2)]
        assert np.isnan(made.pool.latency_seconds[1])
    assert {entry[3] for entry in made.transport.of_kind(Kind.GRADIENT)} == {0, 2}


def test_two_rounds_of_one_iteration_are_told_apart(stage, own, ask):
    made = stage(2, parts={0: [4], 1: [5]})
    assert ask(made.pool, 0, own(2), enough=1, round=0) == [(0, 0)]
    assert ask(made.pool, 0, own(2), enough=2, round=1) == [(0, 0), (1, 1)]
    assert made.log == [(0, 0, 1, 1, 0, 3.0, Outcome.STALE_DROPPED)]


def test_nobody_asked_is_the_end_of_the_answers(stage, ask):
    made = stage(2)
    assert ask(made.pool, 0, [np.array([], dtype=int)] * 2) == []
    assert made.pool.now() == 0.0


def test_a_deadline_ends_the_wait(stage, own, ask):
    made = stage(2, parts={0: [1], 1: [8]})
    assert ask(made.pool, 0, own(2), deadline=2.0) == [(0, 0)]
    assert made.pool.now() == 2.0
    assert made.pool.n_withdrawn == 1
    # one that has passed waits for nothing
    assert ask(made.pool, 1, own(2), deadline=2.0) == []
    assert made.pool.now() == 2.0
    assert ask(made.pool, 2, own(2), deadline=1e6, enough=1) == [(0, 0)]


def test_an_interrupt_ends_the_wait(stage, own, ask):
    made = stage(2, parts={0: [1], 1: [8]})
    made.transport.interrupted = lambda: made.transport.now() > 0.5
    assert ask(made.pool, 0, own(2)) == []
    assert made.pool.interrupted()
    made.transport.interrupted = lambda: False
    assert not made.pool.interrupted()
    assert made.pool.close() == []


def test_parameters_are_a_snapshot(stage, own):
    made = stage(1)
    x = np.ones(7)
    made.pool.begin(Kind.GRADIENT, 0, x, own(1))
    x[:] = 5.0
    (payload,) = [one.payload.copy() for one in made.pool.answers()]
    assert payload[0] == 1.0


def test_a_payload_that_is_kept_stays(stage, own):
    made = stage(2)
    slots = []
    payloads = []
    for iteration in range(3):
        made.pool.begin(Kind.GRADIENT, iteration, np.full(7, iteration), own(2))
        for one in made.pool.answers():
            slots.append(one.keep())
            payloads.append((one.payload, one.payload.copy()))
        made.pool.end()
    assert all(np.array_equal(payload, copy) for payload, copy in payloads)
    assert not any(
        np.shares_memory(a, b) for i, (a, _) in enumerate(payloads) for b, _ in payloads[:i]
    )
    n_slots = len(made.transport.slots)
    for slot in slots:
        made.pool.recycle(slot)
    for iteration in range(3, 10):
        made.pool.begin(Kind.GRADIENT, iteration, np.zeros(7), own(2))
        for one in made.pool.answers():
            assert not one.slot.kept
        made.pool.end()
    assert len(made.transport.slots) == n_slots


def test_buffers_of_answers_do_not_multiply(stage, own, ask):
    made = stage(3, delays={(2, 5): 40.0}, together=True)
    for iteration in range(50):
        ask(made.pool, iteration, own(3), enough=2)
    assert len(made.transport.slots) <= 2 * 3


def test_an_answer_nobody_asked_for_is_refused(stage, own, ask, monkeypatch):
    made = stage(2)
    pack = wire.Frame.pack

    def lying(frame, kind, iteration, *rest):
        pack(frame, kind, iteration + 1, *rest)

    made.pool.begin(Kind.GRADIENT, 3, np.zeros(7), own(2))
    monkeypatch.setattr(wire.Frame, "pack", lying)
    assert list(made.pool.answers()) == []
    assert made.pool.corrupt == [True, True]
    told = [(one.worker, one.kind, one.detail) for one in made.pool.members.take_changes()]
    detail = "answers iteration 4, round 0, was asked for 3, 0"
    assert told == [(0, CORRUPT, detail), (1, CORRUPT, detail)]
