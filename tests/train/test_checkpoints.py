"""Going on from checkpoints under the virtual clock: as if there had been no break, bit for bit."""

import numpy as np
import pytest

import mpicode
from mpicode.results import read_run


@pytest.fixture
def job(write_data, tables, tmp_path):
    """Least squares of 60 rows on 6 workers with late ones, into a run file; and what differs."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 3))
    path = write_data(X, X @ [1.0, 2.0, 3.0] + 0.1 * rng.standard_normal(60))

    def make(**changes):
        made = tables(
            data={"path": path, "test_fraction": 0.25},
            problem={"name": "least-squares"},
            optimizer={"name": "heavy-ball", "step_size": 0.05},
            code={"name": "cyclic", "n_stragglers": 2},
            run={"n_workers": 6, "iterations": 40, "evaluate_every": 7, "batch_size": 30},
            delays={"name": "pareto", "scale": 1e-4, "shape": 1.1},
            output={"path": str(tmp_path / "run.h5")},
            checkpoint={"every": 9},
        )
        for name, table in changes.items():
            same = table.get("name") in (None, made.get(name, {}).get("name"))
            made[name] = {**(made.get(name, {}) if same else {}), **table}
        return made

    return make


class Killed(BaseException):
    """Ends a run at once, as a signal that nobody can catch would."""


class Kill:
    """A recorder that kills the run once it has done ``n`` iterations."""

    def __init__(self, n):
        self.n = n

    def iteration(self, columns, workers):
        if columns["iteration"] + 1 == self.n:
            raise Killed


def killed(config, n):
    with pytest.raises(Killed):
        mpicode.run(config, recorders=[Kill(n)])


def states(tmp_path, name="run"):
    return sorted((tmp_path / f"{name}.checkpoints").iterdir())


def same_run(one, other):
    """Whether two run files hold the same, but for what says that one was resumed."""
    np.testing.assert_array_equal(one.parameters, other.parameters)
    for name, column in one.iterations.items():
        if name not in ("test_loss", "test_accuracy"):
            np.testing.assert_array_equal(column, other.iterations[name], err_msg=name)
    for name, table in one.workers.items():
        np.testing.assert_array_equal(table, other.workers[name], err_msg=name)
    np.testing.assert_array_equal(one.messages, other.messages)
    assert len(one.codes) == len(other.codes) == 1


@pytest.mark.parametrize("n", [1, 8, 10, 19, 39])
def test_a_killed_run_goes_on_as_if_nothing_had_happened(job, tmp_path, n):
    whole = mpicode.run(job(output={"path": str(tmp_path / "whole.h5")}))
    killed(job(), n)
    said = []
    result = mpicode.run(job(), resume=True, say=said.append)
    assert len(said) == 1
    if n < 10:
        assert said == [f"no checkpoint in {tmp_path / 'run.checkpoints'}: begins with iteration 0"]
    else:
        assert said[0].startswith(f"goes on with iteration {(n - 1) // 9 * 9} from ")
    assert result.complete
    np.testing.assert_array_equal(result.parameters, whole.parameters)
    for name, column in whole.history.items():
        np.testing.assert_array_equal(result.history[name], column, err_msg=name)
        assert result.history[name].dtype == column.dtype
    assert result.uncoded_delay == whole.uncoded_delay
    same_run(read_run(whole.path), read_run(result.path))


@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": {"name": "nesterov", "step_size": 0.05}},
        {"optimizer": {"name": "adam", "step_size": 0.05, "amsgrad": True}},
        {"delays": {"name": "markov", "good_seconds": 1e-3, "bad_seconds": 1e-3, "seconds": 1e-3}},
        {"decoding": {"deadline": 2e-4}},
        {"code": {"name": "ignore-stragglers", "n_stragglers": 2}},
        {"run": {"dtype": "float32", "batch_size": 12}},
        {"data": {"memory_mb": 0.0}},
    ],
    ids=lambda changes: next(iter(next(iter(changes.values())).values())),
)
def test_so_does_any_other(job, tmp_path, changes):
    whole = mpicode.run(job(output={"path": str(tmp_path / "whole.h5")}, **changes))
    killed(job(**changes), 30)
    said = []
    result = mpicode.run(job(**changes), resume=True, say=said.append)
    assert len(said) == 1
    assert "iteration 27" in said[0]
    np.testing.assert_array_equal(result.parameters, whole.parameters)
    same_run(read_run(whole.path), read_run(result.path))
