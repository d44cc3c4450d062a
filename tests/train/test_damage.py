"""Messages that are damaged, empty or not finite never reach the parameters, and are told."""

import resource

import numpy as np
import pytest

import mpicode
from mpicode.errors import ConfigError, DataError
from mpicode.outcomes import Outcome
from mpicode.results import read_run
from mpicode.train.setup import Setup

N, ITERATIONS = 6, 20


@pytest.fixture
def run(write_data, tables, tmp_path):
    """Run least squares on 6 workers with faults; return the result and its run file."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 3))
    path = write_data(X, X @ [1.0, 2.0, 3.0] + 0.1 * rng.standard_normal(60))

    def go(*inject, code=None, delays=None, wire=None, iterations=ITERATIONS, **faults):
        made = tables(
            data={"path": path},
            problem={"name": "least-squares"},
            optimizer={"step_size": 0.2},
            run={"n_workers": N, "iterations": iterations},
            output={"path": str(tmp_path / "run.h5")},
        )
        made["code"] = code or {"name": "cyclic", "n_stragglers": 2}
        made["delays"] = delays or {"name": "none"}
        made["faults"] = {"inject": list(inject), **faults}
        made["wire"] = wire or {}
        return mpicode.run(made)

    return go


@pytest.fixture
def clean(run):
    return run().parameters


def told(result):
    events = read_run(result.path).events
    return [
        (int(e["iteration"]), int(e["worker"]), e["kind"], e["detail"])
        for e in events
        if e["kind"] != "checkpoint"
    ]


def outcomes(result, outcome):
    rows = read_run(result.path).messages
    return [(int(m["iteration"]), int(m["worker"])) for m in rows if m["outcome"] == outcome]


@pytest.mark.parametrize("damage", ["payload", "nan", "header"])
def test_a_damaged_message_is_dropped_and_its_worker_named(run, clean, damage):
    entry = {"kind": "corrupt", "worker": 3, "iteration": 5, "iterations": 2, "damage": damage}
    result = run(entry)
    assert result.complete
    np.testing.assert_allclose(result.parameters, clean, rtol=1e-12)
    assert [event[:3] for event in told(result)] == [(5, 3, "corrupt"), (6, 3, "corrupt")]
    assert outcomes(result, Outcome.CORRUPT) == [(5, 3), (6, 3)]
    corrupt = read_run(result.path).workers["corrupt"]
    assert sorted(map(tuple, np.argwhere(corrupt))) == [(5, 3), (6, 3)]


def test_many_damaged_messages_cost_nothing_but_redundancy(run, clean):
    result = run({"kind": "corrupt", "rate": 0.5, "most": 2, "bits": 3})
    assert result.complete
    np.testing.assert_allclose(result.parameters, clean, rtol=1e-12)
    assert (result.history["residual"] < 1e-20).all()
    assert len(outcomes(result, Outcome.CORRUPT)) > 10


UNCODED = {"name": "uncoded"}
ONCE = {"worker": 3, "iteration": 5}


@pytest.mark.parametrize("entry", [{"kind": "corrupt", **ONCE}, {"kind": "drop", **ONCE}])
def test_without_redundancy_it_goes_on_with_what_is_left_or_stops(run, entry):
    result = run(entry, code=UNCODED)
    assert result.complete
    assert np.flatnonzero(result.history["residual"] > 1e-20).tolist() == [5]
    result = run(entry, code=UNCODED, when_lost="stop")
    assert result.error is not None
    what = "damaged" if entry["kind"] == "corrupt" else "empty"
    assert str(result.error) == (
        "iteration 5: 5 of 6 messages arrived, which 'uncoded' cannot decode "
        f"({what} messages: of workers [3])"
    )


def test_a_dropped_message_is_done_without(run, clean):
    result = run({"kind": "drop", "worker": 3, "iteration": 5, "iterations": 4})
    np.testing.assert_allclose(result.parameters, clean, rtol=1e-12)
    assert outcomes(result, Outcome.DROPPED)[:1] == [(5, 3)]
    assert told(result) == []


@pytest.fixture
def no_checksum(monkeypatch):
    monkeypatch.setattr(Setup, "checksum", False)


LATE = {"name": "fixed", "slow_workers": [0, 1], "seconds": 0.5}
BAD = {"kind": "corrupt", "worker": 3, "iteration": 5, "damage": "nan"}


@pytest.mark.parametrize("delays", [None, LATE], ids=["others there", "others late"])
def test_numbers_that_are_not_finite_are_found_in_the_sum(run, clean, no_checksum, delays):
    result = run(BAD, delays=delays)
    assert result.complete
    np.testing.assert_allclose(result.parameters, clean, rtol=1e-12)
    [(iteration, worker, kind, detail)] = told(result)
    assert (iteration, worker, kind) == (5, 3, "corrupt")
    assert detail == "message 3 holds numbers that are not finite"
    corrupt = read_run(result.path).workers["corrupt"]
    assert list(map(tuple, np.argwhere(corrupt))) == [(5, 3)]
    assert not read_run(result.path).workers["arrived"][5, 3]
    # where the others had not come yet they are waited for
    waited = result.history["wait"]
    assert (waited[5] > 0.4) == (delays is not None)
    assert max(waited[:5]) < 0.4


def test_what_nobody_else_has_cannot_be_told_from_divergence(run, no_checksum):
    result = run(BAD, code=UNCODED)
    assert result.error is not None
    assert str(result.error).startswith("diverged: iteration 5 has loss nan")
    assert np.isfinite(result.parameters).all()
    assert told(result) == []


def test_a_flipped_bit_needs_a_checksum(run, clean, no_checksum):
    """What the option is for: the sum stays finite and is wrong."""
    result = run({"kind": "corrupt", "rate": 1.0, "bits": 16})
    assert told(result) == [] or result.error is not None
    off = np.abs(result.parameters - clean).max()
    assert not off < 1e-6


def test_checksums_change_nothing_else(run, clean):
    np.testing.assert_array_equal(run(wire={"checksum": True}).parameters, clean)


def test_a_full_disk_ends_the_run_and_is_gone_afterwards(run, tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with pytest.raises(DataError, match=r"run.h5.part: cannot be written: file too large"):
        run({"kind": "full-disk", "iteration": 5}, iterations=5000)
    assert resource.getrlimit(resource.RLIMIT_FSIZE) == before
    assert not read_run(tmp_path / "run.h5.part").complete


def test_a_full_disk_needs_a_file(tables, write_data):
    made = tables(data={"path": write_data(np.eye(8), np.ones(8))})
    made["problem"] = {"name": "least-squares"}
    made["faults"] = {"inject": [{"kind": "full-disk", "iteration": 1}]}
    made.pop("output", None)
    with pytest.raises(ConfigError, match=r"'full-disk' needs a run file"):
        mpicode.run(made)


@pytest.mark.parametrize("seed", [0, 1])
def test_the_same_seed_meets_the_same_faults(run, seed):
    entries = [
        {"kind": "stop", "rate": 0.05, "seconds": 0.2},
        {"kind": "kill", "rate": 0.05, "most": 1},
        {"kind": "corrupt", "rate": 0.05},
    ]
    first, second = run(*entries), run(*entries)
    np.testing.assert_array_equal(first.parameters, second.parameters)
    for name in first.history:
        np.testing.assert_array_equal(first.history[name], second.history[name])
