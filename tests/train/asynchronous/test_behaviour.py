"""What asynchronous runs do about age, loss, damage and stopped workers."""

import numpy as np
import pytest

from mpicode import problems
from mpicode.datasets import open_dataset
from mpicode.errors import ConfigError
from mpicode.pool import Stream
from mpicode.pool.snapshots import Snapshots
from mpicode.pool.virtual import VirtualMaster
from mpicode.problems import Rows
from mpicode.results import read_run
from mpicode.train.works import Works

MODES = ("direct", "memory", "sega", "round")


@pytest.mark.parametrize("mode", MODES)
def test_the_loss_falls_and_the_file_tells_every_message(run, mode, tmp_path):
    # one step of a round is as much as 13 of the others
    step = {"direct": 0.5, "memory": 0.1, "sega": 0.02, "round": 0.5}[mode]
    result = run(
        mode,
        optimizer={"step_size": step},
        output={"path": str(tmp_path / "run.h5")},
        run={"iterations": 60},
    )
    assert result.complete
    losses = result.history["loss"]
    assert losses[-5:].mean() < 0.75 * losses[0]
    made = read_run(tmp_path / "run.h5")
    messages = made.messages
    used = np.isin(messages["outcome"], (0, 1))
    assert used.sum() == made.iterations["n_arrived"].sum()
    if mode == "round":
        assert (messages["round"][used] == 0).all()
        return
    assert ((messages["outcome"] == 1) == (messages["round"] > 0))[used].all()
    # the version is the count of used messages, the age tells which one a message was computed at
    version = np.arange(used.sum()) - messages["round"][used]
    assert (version >= 0).all()
    starts = np.cumsum(made.iterations["n_arrived"]) - made.iterations["n_arrived"]
    row = np.searchsorted(starts, version, side="right") - 1
    np.testing.assert_array_equal(row, messages["parameters_iteration"][used])


def test_a_used_message_can_be_replayed_from_the_file_alone(run, tmp_path, digits):
    """Order, message and age give the same parameters again."""
    path = tmp_path / "run.h5"
    result = run(output={"path": str(path)}, run={"iterations": 8})
    made = read_run(path)
    encoding = made.codes[0]["encoding"].toarray()
    with open_dataset(digits) as data:
        rows = Rows(*data.read(0, data.n_samples, np.dtype(float)))
    problem = problems.make("softmax", {}, n_features=64, n_classes=10, task="multiclass")

    order = problem.slices(13)

    def gradient(x, rows):
        out, weights = np.zeros(650), np.full(len(rows.y), 1 / len(rows.y))
        problem.gradient(x, rows, weights, out)
        return out

    x, versions = np.zeros(650), []
    for entry in made.messages:
        versions.append(x.copy())
        at = versions[len(versions) - 1 - entry["round"]]
        a = encoding[entry["message"]]
        codeword = a @ gradient(at, rows)[order].reshape(13, 50)
        l2 = np.zeros(650)
        l2[:640] = 1e-3 * x[:640]
        codeword += a @ l2[order].reshape(13, 50)
        x[order] -= 0.5 * np.outer(a, codeword).ravel()
    np.testing.assert_allclose(result.parameters, x, rtol=0, atol=1e-12)


def test_what_lands_in_one_sweep_shares_one_snapshot(run, monkeypatch):
    sweeps, taken = [], []
    arrivals, take, wait = Stream.arrivals, Snapshots.take, VirtualMaster.wait

    def all_of_now(master, deadline=None):
        arrived = wait(master, deadline)
        while more := wait(master, master.now()):
            arrived += more
        return arrived

    def landing(pool, deadline=None):
        answers = arrivals(pool, deadline)
        sweeps.append(len(answers))
        return answers

    monkeypatch.setattr(VirtualMaster, "wait", all_of_now)
    monkeypatch.setattr(Stream, "arrivals", landing)
    monkeypatch.setattr(Snapshots, "take", lambda *a: taken.append(1) or take(*a))
    # all take equally long, but for one that is late now and then
    delays = {"name": "bernoulli", "probability": 0.1, "seconds": 0.0015}
    result = run("direct", run={"n_workers": 5, "iterations": 40}, delays=delays)
    assert result.history["n_arrived"].sum() == sum(sweeps)
    assert {1, 2, 3} <= set(sweeps)
    # one for the first requests of all, and none after the last sweep
    assert len(taken) == len(sweeps)


def test_messages_too_old_are_dropped_and_counted(run, tmp_path):
    path = tmp_path / "run.h5"
    slow = [{"kind": "slow", "worker": 0, "rate": 1.0, "seconds": 0.05}]
    result = run(
        asynchronous={"max_staleness": 8},
        output={"path": str(path)},
        faults={"inject": slow},
        run={"iterations": 40},
    )
    messages = read_run(path).messages
    dropped = messages[messages["outcome"] == 2]
    assert dropped.size > 0
    assert 0 in dropped["worker"]
    assert (dropped["round"] > 8).all()
    assert (messages["round"][messages["outcome"] < 2] <= 8).all()
    assert result.complete


def test_nobody_waits_for_those_who_are_stopped(run):
    """3 of 6 stop for good after about 5 iterations: the others go on at once."""
    stop = [{"kind": "stop", "worker": w, "iteration": 30, "seconds": 1e6} for w in (0, 2, 4)]
    code = {"name": "lwpd", "n_segments": 13}
    result = run(faults={"inject": stop}, run={"iterations": 60}, code=code)
    assert result.complete
    assert result.history["seconds"].sum() < 2.0
    assert result.history["loss"][-1] < 0.6 * result.history["loss"][0]


def test_the_dead_are_done_without_until_nobody_is_left(run):
    kill = [{"kind": "kill", "worker": w, "iteration": 20 + w} for w in range(6)]
    result = run(faults={"inject": kill}, run={"iterations": 200})
    assert "nobody is left who could answer (workers lost: [0, 1, 2, 3, 4, 5])" in str(result.error)
    assert np.isfinite(result.parameters).all()


@pytest.mark.parametrize("mode", MODES)
def test_damaged_and_empty_messages_are_dropped_and_named(run, mode, tmp_path):
    path = tmp_path / "run.h5"
    faults = [
        {"kind": "corrupt", "rate": 0.1, "damage": damage}
        for damage in ("nan", "payload", "header")
    ]
    faults.append({"kind": "drop", "rate": 0.1})
    result = run(
        mode,
        optimizer={"step_size": 0.01},
        faults={"inject": faults},
        output={"path": str(path)},
        run={"iterations": 30},
    )
    assert result.complete
    made = read_run(path)
    assert np.isfinite(result.parameters).all()
    assert (made.messages["outcome"] == 5).sum() > 3
    assert (made.messages["outcome"] == 4).sum() > 3
    assert sum(event["kind"] == "corrupt" for event in made.events) > 3
    assert made.workers["corrupt"].any()


def test_a_step_too_large_ends_with_the_last_good_parameters(run):
    result = run("memory", optimizer={"step_size": 1e60}, run={"iterations": 300})
    assert "diverged" in str(result.error)
    assert "optimizer.step_size" in str(result.error)
    assert result.error.exit_code == 4
    assert np.isfinite(result.parameters).all()


@pytest.mark.parametrize("mode", MODES)
def test_the_same_seed_gives_the_same_bits(run, mode):
    changes = {"run": {"batch_size": 200, "iterations": 10}, "optimizer": {"step_size": 0.05}}
    one, two = run(mode, **changes), run(mode, **changes)
    assert one.parameters.tobytes() == two.parameters.tobytes()
    for name, column in one.history.items():
        np.testing.assert_array_equal(column, two.history[name])


@pytest.mark.parametrize("rows", ["queue", "fixed"])
def test_several_codewords_of_a_request_come_one_by_one(run, rows, tmp_path):
    path = tmp_path / "run.h5"
    result = run(asynchronous={"n_codewords": 3, "rows": rows}, output={"path": str(path)})
    assert result.complete
    messages = read_run(path).messages
    own = messages[messages["worker"] == 1]
    # 3 messages at one computation's parameters, each landing at a time of its own
    assert len(np.unique(own["seconds"][:3])) == 3
    first = np.flatnonzero(messages["worker"] == 1)[:3]
    assert np.unique(first - messages["round"][first]).size == 1


@pytest.mark.parametrize("n_codewords", [1, 3])
def test_a_message_takes_the_time_of_what_it_needs(run, n_codewords, tmp_path):
    """Forward half the time of a gradient; of summing up, the other half, 160 products of 640.

    A segment is 4 rows of 10 weights; the 12 rows left over are computed one by one.
    """
    path = tmp_path / "run.h5"
    run(
        asynchronous={"n_codewords": n_codewords},
        delays={"name": "none"},
        run={"n_workers": 1, "iterations": 12, "record_every": 1},
        virtual={"seconds_per_row": 1e-3, "latency_seconds": 1e-6},
        output={"path": str(path)},
    )
    landed = np.diff(read_run(path).messages["seconds"], prepend=0.0)
    problem = problems.make("softmax", {}, n_features=64, n_classes=10, task="multiclass")
    way, mix = problem.coded_costs(13)
    assert (way, mix) == (0.5, (4 * 10 + 12 * 10) / 1280)
    seconds = 1797e-3 * np.where(np.arange(12) % n_codewords == 0, way + mix, mix)
    np.testing.assert_allclose(landed, seconds, rtol=0, atol=1e-5)


def test_the_way_forward_is_gone_once_for_the_messages_of_a_request(run, monkeypatch):
    passed = []
    whole = problems.LinearModel._predict

    def predict(self, x, rows):
        passed.append(len(rows.y))
        return whole(self, x, rows)

    monkeypatch.setattr(problems.LinearModel, "_predict", predict)
    changes = {"run": {"n_workers": 1, "iterations": 6, "record_every": 3, "batch_size": 100}}
    for n_codewords, ways in ((1, 18), (3, 6)):
        passed.clear()
        run(asynchronous={"n_codewords": n_codewords}, delays={"name": "none"}, **changes)
        # and one more that was under way in the end
        assert ways <= len(passed) <= ways + 1
        assert set(passed) == {100}


def test_stop_rules_hold(run):
    assert run(run={"iterations": 500, "target_loss": 2.0}).outcome == "target loss 2 reached"
    late = run(run={"iterations": 500, "max_seconds": 0.05})
    assert late.outcome == "max_seconds 0.05 used up"
    assert late.complete
    one = run(run={"iterations": 500, "target_gradient_norm": 0.5})
    assert one.outcome.startswith("target gradient norm")


@pytest.mark.parametrize("ask", ["at-once", "after-step"])
def test_k_async_and_k_batch_async(run, ask):
    """With `after-step` each worker has one message in a step."""
    result = run(
        code={"name": "uncoded"},
        asynchronous={"messages_per_step": 3, "ask": ask},
        run={"iterations": 40, "record_every": 3, "batch_size": 600},
    )
    assert result.complete
    assert result.history["loss"][-1] < 0.5 * result.history["loss"][0]


def test_a_round_finds_the_damaged_message(run, tmp_path, monkeypatch):
    honest, told = Works.first, []

    def first(works, worker):
        work = honest(works, worker)
        if worker != 2:
            return work
        compute = work.compute

        def lie(request, message, out):
            yield from compute(request, message, out)
            if request.iteration == 4 and not told:
                told.append(message)
                out[:5] += 0.1

        work.compute = lie
        return work

    monkeypatch.setattr(Works, "first", first)
    path = tmp_path / "run.h5"
    table = {"decoder": "ortho", "n_checks": 26}
    result = run("round", asynchronous=table, output={"path": str(path)})
    made = read_run(path)
    named = [event for event in made.events if event["kind"] == "corrupt"]
    assert [(int(event["worker"]), int(event["iteration"])) for event in named] == [(2, 4)]
    assert "does not fit the others" in named[0]["detail"]
    assert np.flatnonzero(made.workers["corrupt"].any(axis=0)).tolist() == [2]
    monkeypatch.undo()
    assert run("round").parameters == pytest.approx(result.parameters, abs=1e-9)


REFUSED = {
    "code.n_segments: 700": {"code": {"name": "lwpd", "n_segments": 700, "weight": 4}},
    "code.weight": {"code": {"name": "lwpd", "n_segments": 4, "weight": 5}},
    "code.n_messages": {"code": {"name": "lwpd", "n_segments": 13, "n_messages": 7}},
    "asynchronous.mode: the messages of code 'reed-solomon' are complex": {
        "code": {"name": "reed-solomon"}
    },
    "asynchronous.mode: the messages of code 'munim-diagonal' change": {
        "code": {"name": "munim-diagonal"}
    },
    "asynchronous.mode: message 0 of code 'ye-abbe' has": {
        "code": {"name": "ye-abbe", "n_stragglers": 1, "n_segments": 2}
    },
    "asynchronous.decoder: 'ortho'": {"asynchronous": {"mode": "memory", "decoder": "ortho"}},
    "decoder.name: unknown decoder 'kacmarz'": {
        "asynchronous": {"mode": "memory", "decoder": "kacmarz"}
    },
    "asynchronous.decoder: belongs to mode": {"asynchronous": {"decoder": "kaczmarz"}},
    "asynchronous.n_codewords: 99": {"asynchronous": {"n_codewords": 99}},
    "asynchronous.downlink: 'updates'": {
        "asynchronous": {"downlink": "updates"},
        "optimizer": {"name": "adam", "step_size": 0.1},
    },
    "asynchronous.even: belongs to mode direct": {"asynchronous": {"mode": "memory", "even": True}},
    "asynchronous.downlink: 'updates' cannot be replayed with asynchronous.even": {
        "asynchronous": {"downlink": "updates", "even": True}
    },
    "decoding.n_answers": {"decoding": {"n_answers": 3}},
    "asynchronous.messages_per_step: 9": {
        "asynchronous": {"messages_per_step": 9, "ask": "after-step"}
    },
}


@pytest.mark.parametrize("said", REFUSED)
def test_what_cannot_be_is_refused_in_one_line(run, said):
    with pytest.raises(ConfigError) as caught:
        run(**REFUSED[said])
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)
