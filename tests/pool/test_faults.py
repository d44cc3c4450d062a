"""Faults: whom they strike and when, and what becomes of the workers of a pool that meets them."""

import itertools
import os
import subprocess
import sys

import numpy as np
import pytest

from mpicode.errors import ConfigError, WorkerFailed
from mpicode.outcomes import Outcome
from mpicode.pool import Kind, faults, wire
from mpicode.pool.faults import ProcessFault
from mpicode.pool.faults.base import Fault
from mpicode.pool.members import CORRUPT, LOST

N = 5


def make(*entries, n_workers=N, seed=0):
    return faults.make(entries, n_workers=n_workers, seed=seed)


def struck(injection, moment="compute", iterations=100, order=1):
    """Return the (worker, iteration) that something strikes, asked for in order or backwards."""
    places = list(itertools.product(range(N), range(iterations)))[::order]
    return {place for place in places if injection.due(place[0], moment, place[1])}


def test_nothing_is_no_injection():
    assert faults.make([], n_workers=N, seed=0) is None


def test_a_fault_strikes_at_the_first_request_from_its_iteration_on():
    injection = make({"kind": "kill", "worker": 2, "iteration": 10})
    asked = [(worker, iteration) for iteration in (3, 9, 12, 13) for worker in range(N)]
    assert [place for place in asked if injection.due(place[0], "compute", place[1])] == [(2, 12)]


@pytest.mark.parametrize("moment", ["compute", "send", "receive", "start", "shutdown"])
def test_a_fault_strikes_at_its_moment_alone(moment):
    inside = moment not in ("start", "shutdown")
    when = {"iteration": 3} if inside else {}
    injection = make({"kind": "kill", "worker": 1, "at": moment, **when})
    for other in ("compute", "send", "receive", "start", "shutdown"):
        due = injection.due(1, other, 3 if other in ("compute", "send", "receive") else -1)
        assert [fault.name for fault in due] == ["kill"] * (other == moment)


def test_random_faults_depend_on_seed_entry_worker_and_iteration_alone():
    entry = {"kind": "stop", "seconds": 1.0, "rate": 0.2}
    once = struck(make(entry))
    assert once == struck(make(entry), order=-1)
    assert 60 < len(once) < 140  # 100 expected, 9 the standard deviation
    assert len({worker for worker, _ in once}) == N
    assert once != struck(make(entry, seed=1))
    other = make({"kind": "drop", "worker": 0, "iteration": 0}, entry)
    assert once != struck(other)
    assert struck(make({**entry, "rate": 0.0})) == set()
    assert len(struck(make({**entry, "rate": 1.0}))) == 100 * N


def test_most_draws_so_many_workers():
    drawn = set()
    for seed in range(30):
        places = struck(make({"kind": "exit", "iteration": 7, "most": 2}, seed=seed))
        assert {iteration for _, iteration in places} == {7}
        assert len(places) == 2
        drawn |= {worker for worker, _ in places}
    assert drawn == set(range(N))
    few = struck(make({"kind": "kill", "rate": 0.5, "most": 3}))
    assert len({worker for worker, _ in few}) == 3


def test_lasting_faults_last():
    injection = make(
        {"kind": "slow", "worker": 0, "iteration": 4, "seconds": 2.0, "iterations": 3},
        {"kind": "slow", "worker": 0, "iteration": 5, "seconds": 0.5},
        {"kind": "drop", "worker": 1, "iteration": 4, "iterations": 2},
    )
    seconds = [injection.slow_seconds(0, iteration) for iteration in range(9)]
    assert seconds == [0, 0, 0, 0, 2.0, 2.5, 2.0, 0, 0]
    assert [t for t in range(9) if injection.drops(1, t)] == [4, 5]
    assert not injection.corrupts


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ({}, "inject[0].kind: missing; one of: kill, segfault, exit, stop"),
        ({"kind": "kil"}, "inject[0].kind: unknown kind 'kil'; did you mean 'kill'?"),
        ({"kind": "kill"}, "inject[0].iteration: missing; or a rate"),
        ({"kind": "kill", "iteration": 2}, "inject[0].worker: missing; or how many of them"),
        ({"kind": "kill", "worker": 5, "iteration": 2}, "worker 5 does not exist, 5 workers"),
        ({"kind": "kill", "worker": 1, "rate": 1.5}, "rate: must lie in [0, 1], got 1.5"),
        ({"kind": "kill", "worker": 1, "rate": 0.5, "iteration": 1}, "together with an iteration"),
        ({"kind": "kill", "worker": 1, "iteration": -1}, "iteration: must be at least 0, got -1"),
        ({"kind": "kill", "worker": 1, "iteration": 1, "at": "start"}, "there is none at 'start'"),
        ({"kind": "kill", "worker": 1, "iteration": 1, "at": "lunch"}, "at: 'lunch' is not one of"),
        ({"kind": "kill", "worker": 1, "iteration": 1, "most": 2}, "together with a worker"),
        ({"kind": "kill", "iteration": 1, "most": 6}, "most: must lie in 1 to 5, got 6"),
        ({"kind": "kill", "worker": 1, "key": "x"}, "inject[0].key: no such parameter of 'kill'"),
        ({"kind": "stop", "worker": 1, "iteration": 1}, "seconds: missing, 'stop' needs it"),
        ({"kind": "stop", "worker": 1, "iteration": 1, "seconds": 0}, "above 0 and finite, got 0"),
        ({"kind": "slow", "rate": 0.5, "seconds": 1, "iterations": 0}, "iterations: must be at"),
        ({"kind": "corrupt", "rate": 0.5, "bits": 0}, "bits: must be at least 1, got 0"),
        ({"kind": "corrupt", "rate": 0.5, "bits": 2, "damage": "nan"}, "bits: 2, but damage"),
        ({"kind": "full-disk", "iteration": -2}, "iteration: must be at least 0, got -2"),
        ({"kind": "full-disk", "iteration": 2, "worker": 1}, "no such parameter of 'full-disk'"),
    ],
)
def test_what_is_wrong_is_told(entry, text):
    with pytest.raises(ConfigError) as caught:
        make(entry)
    assert str(caught.value).startswith("faults.inject[0].")
    assert text in str(caught.value)


def test_every_kind_of_fault_says_what_it_is():
    assert all(cls.__doc__ for cls in faults.FAULTS)
    assert len({cls.name for cls in faults.FAULTS}) == len(faults.FAULTS)


# What happens to a process, tried on one.
VICTIM = """
import sys
from mpicode.pool import faults
entry = {"kind": sys.argv[1], "worker": 0, "at": "start"}
if sys.argv[1] == "stop":
    entry["seconds"] = 0.05
[fault] = faults.make([entry], n_workers=1, seed=0).due(0, "start")
fault.strike()
print("went on")
"""


@pytest.mark.parametrize(
    ("kind", "code", "said"),
    [("kill", -9, b""), ("segfault", -11, b""), ("exit", 1, b""), ("stop", 0, b"went on\n")],
)
def test_what_happens_to_the_process_is_real(kind, code, said):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        [sys.executable, "-c", VICTIM, kind], stdout=subprocess.PIPE, env=environment
    )
    if kind == "stop":
        options = os.WSTOPPED | os.WEXITED | os.WNOWAIT
        assert os.waitid(os.P_PID, process.pid, options).si_code == os.CLD_STOPPED
    assert process.communicate(timeout=30)[0] == said
    assert process.returncode == code


def rounds(made, own, ask, iterations, n_workers=3, **options):
    """Do so many rounds; return who answered each."""
    return [
        sorted(worker for worker, _ in ask(made.pool, iteration, own(n_workers), **options))
        for iteration in range(iterations)
    ]


def lost(made):
    return [(one.worker, one.detail) for one in made.pool.members.take_changes()]


@pytest.mark.parametrize("moment", ["compute", "send", "receive"])
@pytest.mark.parametrize("kind", ["kill", "segfault", "exit"])
def test_a_dead_worker_is_found_and_done_without(stage, own, ask, kind, moment):
    made = stage(3, faults=[{"kind": kind, "worker": 1, "iteration": 2, "at": moment}])
    answered = rounds(made, own, ask, 6)
    n_whole = 3 if moment == "receive" else 2
    assert answered == [[0, 1, 2]] * n_whole + [[0, 2]] * (6 - n_whole)
    assert lost(made) == [(1, "its process has ended" if kind == "exit" else "died")]
    assert made.pool.members.dead == [False, True, False]
    assert made.pool.close() == []
    # what it had not read is not kept for it
    assert made.transport.most_snapshots <= 3


@pytest.mark.parametrize("moment", ["compute", "send", "receive"])
def test_a_stopped_worker_goes_on_after_its_time(stage, own, ask, moment):
    entry = {"kind": "stop", "worker": 1, "iteration": 2, "seconds": 40.0, "at": moment}
    made = stage(3, faults=[entry])
    began = made.pool.now()
    assert rounds(made, own, ask, 5) == [[0, 1, 2]] * 5
    # a request that comes meanwhile is on its way for a quarter of a second of that time
    assert made.pool.now() - began in (5 * 2.5 + 40.0, 5 * 2.5 + 39.75)
    assert lost(made) == []
    assert made.pool.close() == []


@pytest.mark.parametrize("moment", ["start", "shutdown"])
@pytest.mark.parametrize("kind", ["kill", "exit", "stop"])
def test_faults_before_and_after_the_rounds(stage, own, ask, kind, moment):
    seconds = {"seconds": 3.0} if kind == "stop" else {}
    made = stage(3, faults=[{"kind": kind, "worker": 1, "at": moment, **seconds}])
    away = kind != "stop" and moment == "start"
    assert rounds(made, own, ask, 3) == [[0, 2] if away else [0, 1, 2]] * 3
    assert made.pool.close() == []
    assert made.pool.members.dead == [False, kind != "stop", False]


@pytest.mark.parametrize("moment", ["start", "compute", "send", "receive", "shutdown"])
def test_an_exception_is_told_whenever_it_comes(stage, own, ask, moment):
    when = {} if moment in ("start", "shutdown") else {"iteration": 2}
    entry = {"kind": "exception", "worker": 1, "at": moment, **when}
    made = stage(3, faults=[entry], start=False)
    if moment == "shutdown":
        made.pool.start()
        assert rounds(made, own, ask, 3) == [[0, 1, 2]] * 3
    else:
        text = r"InjectedError: injected by faults.inject\[0\]"
        with pytest.raises(WorkerFailed, match=text):  # noqa: PT012
            made.pool.start()
            rounds(made, own, ask, 5)
    assert made.pool.close() == []


def test_a_slow_worker_is_slow_and_says_so(stage, own, ask):
    entry = {"kind": "slow", "worker": 1, "iteration": 1, "seconds": 8.0, "iterations": 2}
    made = stage(2, faults=[entry], delays={(1, 2): 4.0})
    slept = []
    for iteration in range(4):
        ask(made.pool, iteration, own(2))
        slept.append(made.pool.delay_seconds[1])
    assert slept == [0.0, 8.0, 12.0, 0.0]


def test_dropped_answers_come_empty(stage, own, ask):
    made = stage(3, faults=[{"kind": "drop", "worker": 1, "iteration": 1, "iterations": 2}])
    empty = []
    answered = []
    for iteration in range(4):
        answered += [sorted(worker for worker, _ in ask(made.pool, iteration, own(3)))]
        empty.append(made.pool.empty)
    assert answered == [[0, 1, 2], [0, 2], [0, 2], [0, 1, 2]]
    assert [sum(flags) for flags in empty] == [0, 1, 1, 0]
    assert [row[3] for row in made.log if row[6] == Outcome.DROPPED] == [1, 1]
    assert made.pool.close() == []


@pytest.mark.parametrize(
    ("how", "wanted"), [("reverse", [3, 2, 1]), ("zero", [0, 0, 0]), ("same", [1, 1, 1])]
)
@pytest.mark.parametrize("dtype", [np.float64, np.int64, np.complex128])
def test_a_lie_is_another_answer_of_the_same_kind(how, wanted, dtype):
    entry = {"kind": "lie", "worker": 2, "iteration": 4, "iterations": 2, "how": how}
    injection = make(entry)
    for worker, iteration in itertools.product(range(N), range(8)):
        values = np.array([1, 2, 3], dtype)
        injection.falsify(values, worker, iteration)
        lies = worker == 2 and iteration in (4, 5)
        assert values.tolist() == (wanted if lies else [1, 2, 3])
    assert not injection.corrupts


@pytest.mark.parametrize("damage", ["payload", "nan", "header"])
@pytest.mark.parametrize("seed", range(8))
def test_a_damaged_message_never_gets_through(stage, ask, damage, seed):
    entry = {"kind": "corrupt", "rate": 0.3, "damage": damage}
    wanted = [np.array([0, 1, 2]), np.array([3]), np.array([4, 5])]
    made = stage(3, faults=[entry], seed=seed, checksum=True)
    for iteration in range(12):
        whole = ask(made.pool, iteration, wanted)  # which holds each payload to what it has to be
        bad = [(row[3], row[2]) for row in made.log if row[6] == Outcome.CORRUPT]
        assert sorted([*whole, *bad]) == [(0, 0), (0, 1), (0, 2), (1, 3), (2, 4), (2, 5)]
        assert made.pool.corrupt == [any(w == worker for w, _ in bad) for worker in range(3)]
        changes = made.pool.members.take_changes()
        assert [(one.worker, one.kind) for one in changes] == [(w, CORRUPT) for w, _ in bad]
        made.log.clear()
    assert made.pool.close() == []


@pytest.mark.parametrize("word", [Kind.HELLO, Kind.READY])
def test_workers_whose_first_word_is_damaged_are_not_counted_on(stage, monkeypatch, word):
    pack = wire.pack

    def damaged(buffer, kind, *fields, **more):
        n_bytes = pack(buffer, kind, *fields, **more)
        if kind == word:
            buffer[0] ^= 1
        return n_bytes

    with monkeypatch.context() as patch:
        patch.setattr(wire, "pack", damaged)
        made = stage(2, start=False)
        made.pool.start()
    assert [one.kind for one in made.pool.members.take_changes()] == [LOST, LOST]
    assert made.pool.members.active == []
    assert made.pool.close() == []


def test_the_base_knows_the_moments_of_all():
    moments = {"start", "compute", "send", "receive", "shutdown"}
    assert {cls.at for cls in faults.FAULTS if issubclass(cls, Fault)} <= moments
    assert all(cls.once for cls in faults.FAULTS if issubclass(cls, ProcessFault))
