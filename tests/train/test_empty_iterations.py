"""Iterations by whose deadline nothing arrived: no step, no loss, and the run goes on."""

import itertools

import numpy as np
import pytest

import mpicode
from mpicode.cli.summary import summary
from mpicode.config import Config
from mpicode.errors import GaveUp
from mpicode.results import read_run
from mpicode.train import loop
from mpicode.train.arrivals import simulate
from mpicode.train.loop import MOST_EMPTY

ALL = list(range(5))
# The one node all of them live on is slow now and then: too slow for the deadline.
PAUSES = {
    "name": "node",
    "workers_per_node": 5,
    "good_seconds": 1.0,
    "bad_seconds": 0.5,
    "seconds": 0.5,
}


@pytest.fixture
def job(write_data, tables, tmp_path):
    """Least squares on 5 workers, which take 0.08 s, or 0.5 s more, where 0.2 s are waited."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((50, 3))
    path = write_data(X, X @ [1.0, 2.0, 3.0])

    def make(**changes):
        made = tables(
            data={"path": path, "test_fraction": 0.2},
            problem={"name": "least-squares", "l2": 0.1},
            optimizer={"name": "heavy-ball", "step_size": 0.1},
            code={"name": "uncoded"},
            decoding={"deadline": 0.2},
            delays=PAUSES,
            run={"n_workers": 5, "iterations": 40, "seed": 0, "evaluate_every": 1},
            virtual={"seconds_per_row": 0.01},
            output={"path": str(tmp_path / "run.h5")},
        )
        for name, table in changes.items():
            made[name] = table if name == "delays" else {**made.get(name, {}), **table}
        return made

    return make


def test_no_step_is_taken_and_the_run_goes_on(job):
    result = mpicode.run(job())
    assert (result.complete, result.error) == (True, None)
    history = result.history
    empty = history["n_arrived"] == 0
    assert 5 < empty.sum() < 35
    np.testing.assert_array_equal(history["stepped"], ~empty)
    np.testing.assert_array_equal(np.isnan(history["loss"]), empty)
    np.testing.assert_array_equal(history["residual"][empty], 5)
    assert not history["amplification"][empty].any()
    assert (history["shrinkage"][empty] == 1).all()
    np.testing.assert_allclose(history["seconds"][empty], 0.2, rtol=1e-9)
    assert np.isfinite(history["test_loss"]).all()
    # the parameters moved only where there was a step
    moved = np.diff(history["test_loss"]) != 0
    np.testing.assert_array_equal(moved, ~empty[:-1])
    assert result.loss == history["loss"][~empty][-1]


def test_the_run_file_and_the_summary_tell(job):
    result = mpicode.run(job())
    saved = read_run(result.path)
    np.testing.assert_array_equal(saved.iterations["stepped"], result.history["stepped"])
    np.testing.assert_array_equal(saved.iterations["loss"], result.history["loss"])
    n_empty = int((result.history["n_arrived"] == 0).sum())
    lines = "\n".join(summary(result))
    assert f"no step: nothing arrived by the deadline of {n_empty} iterations" in lines
    assert "nan" not in lines


def test_arrivals_alone_go_on_as_well(job):
    tables = job()
    run, arrivals = mpicode.run(tables), simulate(Config.from_dict(tables))
    np.testing.assert_array_equal(arrivals.n_arrived, run.history["n_arrived"])
    np.testing.assert_array_equal(arrivals.residual, run.history["residual"])


def forever(job, **changes):
    asleep = {"name": "fixed", "slow_workers": ALL, "seconds": 1e6}
    return mpicode.run(job(delays=asleep, **changes))


def test_a_run_that_never_gets_anything_ends_by_its_own_rules(job):
    result = forever(job)
    assert result.outcome == "40 iterations done"
    assert result.complete
    assert np.isnan(result.loss)
    np.testing.assert_array_equal(result.parameters, np.zeros(4))
    assert "no loss known" in "\n".join(summary(result))
    result = forever(job, run={"iterations": 1000, "max_seconds": 1.1})
    assert (result.outcome, result.n_iterations) == ("max_seconds 1.1 used up", 5)


def test_a_run_that_never_gets_anything_gives_up(job):
    result = forever(job, run={"iterations": 1000})
    assert isinstance(result.error, GaveUp)
    assert result.error.exit_code == 4
    assert not result.complete
    assert result.n_iterations == MOST_EMPTY
    text = f"nothing arrived by the deadline of {MOST_EMPTY} iterations in a row, the last of them"
    assert result.outcome.startswith(f"{text} iteration {MOST_EMPTY - 1}")
    assert read_run(result.path).n_iterations == MOST_EMPTY


def test_one_answer_begins_the_count_anew(job, monkeypatch):
    empty = mpicode.run(job()).history["n_arrived"] == 0
    pauses = [len(list(some)) for is_empty, some in itertools.groupby(empty) if is_empty]
    assert len(pauses) > 1
    assert sum(pauses) > max(pauses) + 1
    monkeypatch.setattr(loop, "MOST_EMPTY", max(pauses) + 1)
    assert mpicode.run(job()).complete
    monkeypatch.setattr(loop, "MOST_EMPTY", max(pauses))
    result = mpicode.run(job())
    assert not result.complete
    # what was learned before the pause is kept
    assert result.n_iterations > max(pauses)
    shorter = mpicode.run(job(run={"iterations": result.n_iterations}))
    np.testing.assert_array_equal(result.parameters, shorter.parameters)
