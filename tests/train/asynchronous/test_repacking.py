"""Rows that are made anew while a run goes on."""

import numpy as np
import pytest

import mpicode
from mpicode import codes, problems
from mpicode.codes import packing
from mpicode.datasets import open_dataset
from mpicode.errors import ConfigError
from mpicode.problems import Rows
from mpicode.results import read_checkpoint, read_run
from mpicode.train.asynchronous.light import generation_of
from mpicode.train.asynchronous.repacking import repacked
from mpicode.train.works import Works

MODES = {"direct": 0.5, "memory": 0.1, "sega": 0.02}
EVERY = 20
# its packing is shipped
CODE = {"name": "lwpd", "n_segments": 16, "n_messages": 32}


@pytest.fixture
def repack(config, tmp_path):
    """Tables of a run whose rows are made anew, with a run file of this name."""

    def repack(mode="direct", name="run", **changes):
        changes["asynchronous"] = {
            "mode": mode,
            "repack_every": EVERY,
            "repack_noise": 4.0,
            **changes.get("asynchronous", {}),
        }
        changes.setdefault("code", CODE)
        return config(
            mode,
            optimizer={"step_size": MODES[mode], **changes.pop("optimizer", {})},
            output={"path": str(tmp_path / f"{name}.h5")},
            **changes,
        )

    return repack


def replayed(made, digits, step_size):
    """Return the parameters that messages and codes of a run file of mode `direct` lead to."""
    with open_dataset(digits) as data:
        rows = Rows(*data.read(0, data.n_samples, np.dtype(float)))
    problem = problems.make("softmax", {}, n_features=64, n_classes=10, task="multiclass")
    order, weights = problem.slices(16), np.full(len(rows.y), 1 / len(rows.y))
    begins = [int(code.get("from_message", [0])[0]) for code in made.codes]
    x, versions, generations = np.zeros(650), [], set()
    for entry in made.messages[np.isin(made.messages["outcome"], (0, 1))]:
        versions.append(x.copy())
        version = len(versions) - 1 - entry["round"]
        generation = np.searchsorted(begins, version, side="right") - 1
        generations.add((generation, np.searchsorted(begins, len(versions) - 1, side="right") - 1))
        a = made.codes[generation]["encoding"].toarray()[entry["message"]]
        gradient, l2 = np.zeros(650), np.zeros(650)
        problem.gradient(versions[version], rows, weights, gradient)
        l2[:640] = 1e-3 * x[:640]
        codeword = a @ np.pad((gradient + l2)[order], (0, 6)).reshape(16, 41)
        x[order] -= step_size * np.outer(a, codeword).ravel()[:650]
    return x, generations


def test_messages_and_codes_of_the_file_alone_give_the_parameters(repack, digits, tmp_path):
    """Each message counts by the rows it was asked for, however late it comes."""
    result = mpicode.run(repack(run={"iterations": 30}))
    made = read_run(tmp_path / "run.h5")
    assert len(made.codes) > 2
    x, generations = replayed(made, digits, 0.5)
    assert any(ours < theirs for ours, theirs in generations)  # of rows before, come late
    np.testing.assert_allclose(result.parameters, x, rtol=0, atol=1e-12)


def test_the_file_tells_when_rows_are_made_and_what_they_tell(repack, tmp_path):
    mpicode.run(repack("memory", run={"iterations": 40}))
    made = read_run(tmp_path / "run.h5")
    told = [event for event in made.events if event["kind"] == "code"]
    assert len(told) == len(made.codes) - 1 >= 3
    for event, code in zip(told, made.codes[1:], strict=True):
        assert event["iteration"] == code["iteration"]
        assert f"from message {code['from_message'][0]} on, rows" in event["detail"]
        rows = code["encoding"].toarray()
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1.0, rtol=1e-12)
        assert np.count_nonzero(rows, axis=1).max() <= 4
        assert np.linalg.svd(rows)[1][-1] > 0.3
        assert np.linalg.eigvalsh(code["covariance"]).min() > -1e-12


BLOCKS = {"name": "lwpd", "n_segments": 5, "n_blocks": 2, "load": 2}


@pytest.mark.parametrize(
    ("mode", "changes"),
    [
        ("direct", {"asynchronous": {"rows": "fixed", "n_codewords": 2}}),
        ("direct", {"asynchronous": {"messages_per_step": 3, "ask": "after-step"}}),
        ("direct", {"run": {"n_workers": 1, "iterations": 200}}),
        ("memory", {"code": BLOCKS}),
        ("memory", {"code": {**BLOCKS, "grid": "joint"}}),
        ("sega", {}),
    ],
)
def test_the_loss_falls(repack, mode, changes, tmp_path):
    result = mpicode.run(repack(mode, **{"run": {"iterations": 60}, **changes}))
    assert result.complete
    losses = result.history["loss"]
    assert losses[-5:].mean() < 0.75 * losses[0]
    made = read_run(tmp_path / "run.h5")
    assert (made.messages["outcome"] < 2).all()
    assert len(made.codes) > 1


@pytest.mark.parametrize(
    ("mode", "changes"),
    [
        ("direct", {}),
        ("direct", {"rows": "fixed"}),
        ("direct", {"repack_every": 70}),  # for the first time after the checkpoint
        ("memory", {"decoder": "kalman"}),
        ("sega", {}),
    ],
)
def test_a_run_that_was_ended_goes_on_bit_by_bit(repack, mode, changes, tmp_path):
    more = {
        "problem": {"name": "mlp", "hidden": [16]},
        "asynchronous": changes,
        "checkpoint": {"every": 3, "keep": 9},
        "run": {"iterations": 14, "batch_size": 600, "record_every": 7},
    }
    whole = mpicode.run(repack(mode, "whole", **more))
    seen = []

    class Stop:
        def iteration(self, columns, workers):
            seen.append(columns["iteration"])

    with pytest.raises(ZeroDivisionError):
        mpicode.run(
            repack(mode, "broken", **more),
            recorders=[Stop()],
            interrupted=lambda: bool(seen and seen[-1] >= 10 and 1 / 0),
        )
    for file in (tmp_path / "broken.checkpoints").glob("*.h5"):
        if read_checkpoint(file).iteration > 9:
            file.unlink()
    again = mpicode.run(repack(mode, "broken", **more), resume=True)
    assert again.parameters.tobytes() == whole.parameters.tobytes()
    ours, theirs = (read_run(tmp_path / f"{name}.h5") for name in ("broken", "whole"))
    np.testing.assert_array_equal(ours.messages, theirs.messages)
    assert len(ours.codes) == len(theirs.codes)
    begins = [code["iteration"] for code in theirs.codes]
    assert max(begins) >= 9
    assert (min(begins[1:]) < 9) == ("repack_every" not in changes)
    for one, two in zip(ours.codes, theirs.codes, strict=True):
        assert one["iteration"] == two["iteration"]
        assert (one["encoding"] != two["encoding"]).nnz == 0
    for column in ("loss", "started", "bytes_sent", "bytes_received"):
        np.testing.assert_array_equal(again.history[column], whole.history[column])
    told = [[(e["iteration"], e["detail"]) for e in run.events if e["kind"] == "code"]
            for run in (ours, theirs)]  # fmt: skip
    assert told[0] == told[1]


def test_rows_stay_where_no_others_tell_more():
    """As many segments as equal, unrelated components: the packing is as good as any."""
    made = codes.make("lwpd", n_workers=4, n_segments=16)
    at_work = generation_of(made)
    same, told = repacked(at_work, made, 0.3 * np.eye(16), 1.0)
    assert same is at_work
    assert told > 0.98
    for nothing in (np.zeros((16, 16)), np.full((16, 16), np.nan)):
        assert repacked(at_work, made, nothing, 1.0)[0] is at_work


def test_rows_follow_what_is_strong_and_lose_nothing_from_sight():
    made = codes.make("lwpd", n_workers=4, n_segments=16)
    mixed = np.random.default_rng(3).standard_normal((16, 3))
    S = mixed @ mixed.T
    anew, told = repacked(generation_of(made), made, S, 1.0)
    rows = anew.code.packed
    S /= np.trace(S) / 16
    assert told == pytest.approx(
        packing.information(rows, S, 1.0) / packing.most_information(32, S, 1.0), rel=1e-12
    )
    assert packing.information(rows, S, 1.0) > 1.2 * packing.information(made.packed, S, 1.0)
    assert {row.tobytes() for row in made.packed[:16]} <= {row.tobytes() for row in rows}
    energy = np.einsum("ij,jk,ik->i", rows[:4], S, rows[:4])
    assert energy.min() > np.einsum("ij,jk,ik->i", made.packed, S, made.packed).mean()


@pytest.mark.parametrize("mode", MODES)
def test_the_covariance_is_near_the_true_one(repack, mode, tmp_path, digits):
    """Of the gradient at the end, which moves little with such steps."""
    step = {"optimizer": {"step_size": 0.1 * MODES[mode]}}
    result = mpicode.run(repack(mode, **step, run={"iterations": 41}))
    with open_dataset(digits) as data:
        rows = Rows(*data.read(0, data.n_samples, np.dtype(float)))
    problem = problems.make("softmax", {}, n_features=64, n_classes=10, task="multiclass")
    gradient = np.zeros(650)
    problem.gradient(result.parameters, rows, np.full(len(rows.y), 1 / len(rows.y)), gradient)
    G = np.pad(gradient[problem.slices(16)], (0, 6)).reshape(16, 41)
    true = G @ G.T / 41
    found = read_checkpoint(result.checkpoint).optimizer["asynchronous.covariance_of_segments"]
    assert np.linalg.norm(found - true) < 0.25 * np.linalg.norm(true)


def test_workers_come_and_go(repack, tmp_path):
    faults = [
        {"kind": "kill", "worker": 0, "iteration": 30},
        {"kind": "stop", "worker": 1, "iteration": 60, "seconds": 0.1},
        {"kind": "corrupt", "rate": 0.1, "damage": "header"},
        {"kind": "drop", "rate": 0.1},
    ]
    result = mpicode.run(repack(run={"iterations": 80}, faults={"inject": faults}))
    assert result.complete
    made = read_run(tmp_path / "run.h5")
    assert len(made.codes) > 3
    # one who slept over several generations is asked by the newest
    late = made.messages[made.messages["worker"] == 1]
    assert (late["outcome"] == 2).any() or (late["round"] > EVERY).any()
    assert late["outcome"][-1] in (0, 1, 4, 5)


def test_one_that_cannot_get_ready_is_lost(repack, monkeypatch, tmp_path):
    honest = Works.repacked

    def repacked(works, worker, numbers, cancelled):
        if worker == 2:
            raise MemoryError("no room")
        return honest(works, worker, numbers, cancelled)

    monkeypatch.setattr(Works, "repacked", repacked)
    result = mpicode.run(repack(run={"iterations": 40}))
    assert result.complete
    lost = [e for e in read_run(tmp_path / "run.h5").events if e["kind"] == "lost"]
    assert [int(event["worker"]) for event in lost] == [2]
    assert "no room" in lost[0]["detail"]


REFUSED = {
    "asynchronous.repack_every: 'uncoded' has no rows": {"code": {"name": "uncoded"}},
    "asynchronous.repack_every: 16 of the 16 rows stay": {
        "code": {"name": "lwpd", "n_segments": 16, "variant": "identity"}
    },
    "asynchronous.repack_every: rows made anew cannot be replayed": {
        "asynchronous": {"downlink": "updates"}
    },
    "asynchronous.repack_every: must be at least 0": {"asynchronous": {"repack_every": -1}},
    "asynchronous.repack_noise: must be above 0": {"asynchronous": {"repack_noise": 0.0}},
    "asynchronous.repack_every: belongs to mode": {"asynchronous": {"mode": "round"}},
}


@pytest.mark.parametrize("said", REFUSED)
def test_what_cannot_be_is_refused_in_one_line(repack, said):
    with pytest.raises(ConfigError) as caught:
        mpicode.run(repack(**REFUSED[said]))
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)
