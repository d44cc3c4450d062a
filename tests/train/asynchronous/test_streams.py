"""Whatever else lands, the result is that of the messages that were used, in their order."""

import numpy as np
import pytest

import mpicode
from mpicode import problems
from mpicode.config import Config
from mpicode.datasets import open_dataset
from mpicode.pool.transport import Slot
from mpicode.pool.virtual import VirtualMaster
from mpicode.problems import Rows
from mpicode.results import read_run
from mpicode.train.asynchronous.descents import Descent
from mpicode.train.asynchronous.parameters import Order, descent_for
from mpicode.train.setup import build

STEPS = {"direct": 0.5, "memory": 0.05, "sega": 0.02}
KILLED = [
    {"kind": "kill", "worker": 0, "iteration": 20, "at": "compute"},
    {"kind": "kill", "worker": 1, "iteration": 33, "at": "send"},
    {"kind": "kill", "worker": 2, "iteration": 47, "at": "receive"},
]
FAULTS = {
    "none": [],
    "late": [{"kind": "slow", "worker": 0, "rate": 1.0, "seconds": 0.05}],
    "damaged": [
        {"kind": "corrupt", "rate": 0.1, "damage": "nan"},
        {"kind": "corrupt", "rate": 0.1, "damage": "header"},
        {"kind": "corrupt", "rate": 0.1, "damage": "payload"},
        {"kind": "drop", "rate": 0.1},
    ],
    "killed": KILLED,
}


@pytest.fixture
def used(monkeypatch):
    """A list that grows by message, numbers and age of whatever a descent makes use of."""
    found, take = [], Descent.take

    def watch(descent, message, codeword, age):
        square = take(descent, message, codeword, age)
        if not np.isnan(square):
            found.append((message, np.array(codeword), age))
        return square

    monkeypatch.setattr(Descent, "take", watch)
    return found


def filtered(tables, used):
    """Return the parameters that the messages used lead to by themselves."""
    setup = build(Config.from_dict(tables))
    try:
        x = np.zeros((setup.code.n_segments, setup.segments.length))
        descent = descent_for(setup, x, setup.optimizer())
        for message, codeword, age in used:
            descent.take(message, codeword, age)
        order = Order(setup.segments)
        return order.join(order.flat(x), np.empty(setup.problem.n_parameters))
    finally:
        setup.close()


@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize("mode", STEPS)
def test_the_state_is_that_of_the_messages_used(config, used, mode, kind, tmp_path):
    path = tmp_path / "run.h5"
    tables = config(
        mode,
        optimizer={"step_size": STEPS[mode]},
        faults={"inject": FAULTS[kind]},
        output={"path": str(path)},
        run={"iterations": 25},
        problem={"l2": 1e-3},
    )
    tables["asynchronous"]["max_staleness"] = 9
    result = mpicode.run(tables)
    assert result.complete
    made = read_run(path)
    outcomes = made.messages["outcome"]
    assert (outcomes < 2).sum() == len(used)
    unused = {"late": 2, "damaged": 5}.get(kind)
    if unused is not None:
        assert (outcomes == unused).any()
    if kind == "killed":
        lost = [int(event["worker"]) for event in made.events if event["kind"] == "lost"]
        assert sorted(lost) == [0, 1, 2]
    kept = list(used)
    assert result.parameters.tobytes() == filtered(tables, kept).tobytes()


@pytest.mark.parametrize("mode", [*STEPS, "round"])
def test_an_answer_that_nobody_waits_for_leaves_no_trace(config, mode, monkeypatch):
    """Each lands twice: what the run makes is the same."""
    tables = config(mode, optimizer={"step_size": STEPS.get(mode, 0.5)}, run={"iterations": 15})
    alone = mpicode.run(tables)
    wait, recycle, copies = VirtualMaster.wait, VirtualMaster.recycle, []

    def again(slot):
        length, dtype = len(slot.values), slot.values.dtype
        copies.append(Slot(slot.worker, slot.sender, slot.buffer.copy(), length, dtype))
        return copies[-1]

    def twice(master, deadline=None):
        return [copy for slot in wait(master, deadline) for copy in (slot, again(slot))]

    def own(master, slot):
        if not any(slot is copy for copy in copies):
            recycle(master, slot)

    monkeypatch.setattr(VirtualMaster, "wait", twice)
    monkeypatch.setattr(VirtualMaster, "recycle", own)
    doubled = mpicode.run(tables)
    assert len(copies) > 90
    assert doubled.parameters.tobytes() == alone.parameters.tobytes()
    np.testing.assert_array_equal(doubled.history["loss"], alone.history["loss"])
    np.testing.assert_array_equal(doubled.history["n_arrived"], alone.history["n_arrived"])


def test_what_two_computed_in_a_round_counts_once(config, tmp_path):
    """Nobody is waited for: what the last are busy with others are asked for, too."""
    path = tmp_path / "run.h5"
    code = {"name": "lwpd", "n_segments": 13, "variant": "identity"}  # all are needed
    tables = config("round", code=code, output={"path": str(path)}, run={"iterations": 10})
    result = mpicode.run(tables)
    outcomes = read_run(path).messages["outcome"]
    assert (outcomes == 3).any()
    exact = mpicode.run({**tables, "code": {"name": "uncoded"}, "asynchronous": {}, "output": {}})
    np.testing.assert_allclose(result.parameters, exact.parameters, rtol=0, atol=1e-10)


@pytest.fixture
def sweeps(monkeypatch):
    """Answers land in sweeps of several, in any order; a list of how many each had."""
    wait, sizes = VirtualMaster.wait, []
    rng = np.random.default_rng(0)

    def together(master, deadline=None):
        arrived = wait(master, deadline)
        end = master.now() + 1e-3
        while more := wait(master, end):
            arrived += more
        sizes.append(len(arrived))
        return [arrived[place] for place in rng.permutation(len(arrived))]

    monkeypatch.setattr(VirtualMaster, "wait", together)
    return sizes


def test_any_order_within_a_sweep(config, used, sweeps):
    """They are used as they are handed over, and grow older by each other."""
    tables = config("memory", optimizer={"step_size": 0.05})
    tables["asynchronous"]["max_staleness"] = 9
    result = mpicode.run(tables)
    assert max(sweeps) > 2
    assert max(age for _, _, age in used) == 9
    assert result.parameters.tobytes() == filtered(tables, list(used)).tobytes()


@pytest.mark.parametrize("kind", ["none", "killed"])
@pytest.mark.parametrize("several", [False, True])
def test_the_file_alone_gives_the_parameters_whoever_was_killed(
    config, digits, tmp_path, kind, several, request
):
    """Message and age of what was used, and the gradient by hand: nothing else had a part in it."""
    if several:
        request.getfixturevalue("sweeps")
    path = tmp_path / "run.h5"
    tables = config(
        "direct",
        faults={"inject": FAULTS[kind]},
        output={"path": str(path)},
        run={"iterations": 25},
        problem={"l2": 0.0},
    )
    result = mpicode.run(tables)
    assert result.complete
    made = read_run(path)
    assert sum(event["kind"] == "lost" for event in made.events) == len(FAULTS[kind])
    encoding = made.codes[0]["encoding"].toarray()
    with open_dataset(digits) as data:
        rows = Rows(*data.read(0, data.n_samples, np.dtype(float)))
    problem = problems.make("softmax", {}, n_features=64, n_classes=10, task="multiclass")
    order, x, versions = problem.slices(13), np.zeros(650), []
    for entry in made.messages[made.messages["outcome"] < 2]:
        versions.append(x.copy())
        gradient = np.zeros(650)
        at = versions[len(versions) - 1 - entry["round"]]
        problem.gradient(at, rows, np.full(len(rows.y), 1 / len(rows.y)), gradient)
        a = encoding[entry["message"]]
        x[order] -= 0.5 * np.outer(a, a @ gradient[order].reshape(13, 50)).ravel()
    np.testing.assert_allclose(result.parameters, x, rtol=0, atol=1e-12)
