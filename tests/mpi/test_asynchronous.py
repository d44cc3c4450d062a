"""Asynchronous descent on 9 ranks: half of the workers are stopped, and nobody waits for them."""

import numpy as np
import pytest
from scipy.optimize import minimize

from mpicode import problems
from mpicode.datasets import open_dataset
from mpicode.problems import Rows
from mpicode.results import read_run

from .digits import DIGITS

L2 = 1e-2
N_PARAMETERS = 650
LWPD = {"name": "lwpd", "n_segments": 8, "n_messages": 16}
# 8 messages make an iteration: from iteration 50 on, for good
STOPPED = [{"kind": "stop", "worker": w, "iteration": 400, "seconds": 1e5} for w in range(4)]


@pytest.fixture(scope="module")
def objective():
    with open_dataset(DIGITS) as data:
        X, y = data.read(0, data.n_samples, np.dtype(float))
    made = problems.make("softmax", {"l2": L2}, n_features=64, n_classes=10, task="multiclass")
    weights = np.full(len(y), 1 / len(y))

    def value(x):
        gradient = np.zeros(N_PARAMETERS)
        loss = made.gradient(x, Rows(X, y), weights, gradient)
        return loss + made.regularise(x, gradient), gradient

    return value


@pytest.fixture(scope="module")
def optimum(objective):
    options = {"maxiter": 5000, "ftol": 1e-14, "gtol": 1e-9}
    x = np.zeros(N_PARAMETERS)
    return minimize(objective, x, jac=True, method="L-BFGS-B", options=options).fun


def descend(start, config, path, **changes):
    tables = {
        "problem": {"l2": L2},
        "optimizer": {"name": "gradient-descent", "step_size": 0.05},
        "code": LWPD,
        "run": {"n_workers": 8, "iterations": 600, "seed": 0},
        "asynchronous": {"mode": "memory", "rows": "fixed"},
    }
    # at the end the master gives stopped workers some seconds; a busy machine is slow besides
    ended = start(config(**{**tables, **changes}), seconds=180).wait()
    assert ended.code == 0, ended.err
    return read_run(path)


@pytest.mark.parametrize("variant", ["packed", "replicated"])
def test_the_code_reaches_the_optimum_without_half_of_the_workers(
    run, config, tmp_path, objective, optimum, variant
):
    """With both copies of some segments stopped replication does not: they never move again."""
    code = {**LWPD, "variant": variant}
    made = descend(run, config, tmp_path / "run.h5", code=code, faults={"inject": STOPPED})
    assert made.complete
    messages = made.messages[np.isin(made.messages["worker"], range(4))]
    assert set(messages["worker"].tolist()) == {0, 1, 2, 3}
    assert messages["parameters_iteration"].max() <= 50
    gap = objective(made.parameters)[0] / optimum - 1.0
    assert (gap < 0.02) == (variant == "packed"), gap


@pytest.mark.parametrize("mode", ["direct", "sega", "round"])
def test_every_mode_runs_under_mpi(run, config, tmp_path, mode):
    step = {"direct": 0.5, "sega": 0.02, "round": 0.5}[mode]
    made = descend(
        run,
        config,
        tmp_path / "run.h5",
        run={"n_workers": 8, "iterations": 60},
        optimizer={"step_size": step},
        asynchronous={"mode": mode},
    )
    assert made.complete
    losses = made.iterations["loss"]
    assert losses[-1] < 0.75 * losses[0]
    if mode != "round":
        assert made.iterations["n_stale"].sum() > 0


def test_relayed_updates_are_fewer_bytes_and_the_same_descent(run, config, tmp_path):
    """One worker: nothing depends on who is faster, so both downlinks give the same bits."""
    changes = {
        "run": {"n_workers": 1, "iterations": 40, "dtype": "float32"},
        "optimizer": {"step_size": 0.5},
        "code": {"name": "lwpd", "n_segments": 13},
    }
    relayed = descend(
        run,
        config,
        tmp_path / "run.h5",
        **changes,
        asynchronous={"mode": "direct", "downlink": "updates"},
    )
    whole = descend(run, config, tmp_path / "run.h5", **changes, asynchronous={"mode": "direct"})
    assert relayed.parameters.tobytes() == whole.parameters.tobytes()
    assert relayed.iterations["bytes_sent"].sum() < 0.5 * whole.iterations["bytes_sent"].sum()
    # header and trailer, 50 of 650 parameters, the loss
    assert (relayed.iterations["bytes_received"] == 64 + 8 + 4 * (50 + 1)).all()


def test_a_run_under_mpi_goes_on_from_its_checkpoint(run, config, tmp_path):
    changes = {"asynchronous": {"mode": "memory"}, "run": {"n_workers": 8, "iterations": 30}}
    first = descend(run, config, tmp_path / "run.h5", **changes)
    changes["run"]["iterations"] = 60
    path = config(problem={"l2": L2}, optimizer={"step_size": 0.05}, code=LWPD, **changes)
    ended = run(path, "--resume").wait()
    assert ended.code == 0, ended.err
    assert "goes on with iteration 30" in ended.err
    made = read_run(tmp_path / "run.h5")
    assert made.n_iterations == 60
    np.testing.assert_array_equal(made.iterations["loss"][:30], first.iterations["loss"])
    # the memory went along: no step back to an empty estimate
    assert made.iterations["loss"][30:33].max() < 1.2 * made.iterations["loss"][27:30].max()


def test_rows_are_made_anew_under_mpi_and_kept_by_checkpoints(run, config, tmp_path):
    changes = {
        "asynchronous": {"mode": "memory", "repack_every": 24},
        "run": {"n_workers": 8, "iterations": 40},
    }
    first = descend(run, config, tmp_path / "run.h5", **changes)
    changes["run"]["iterations"] = 80
    path = config(problem={"l2": L2}, optimizer={"step_size": 0.05}, code=LWPD, **changes)
    ended = run(path, "--resume").wait()
    assert ended.code == 0, ended.err
    made = read_run(tmp_path / "run.h5")
    assert made.n_iterations == 80
    assert made.iterations["loss"][-1] < 0.5 * made.iterations["loss"][0]
    assert len(made.codes) >= len(first.codes) >= 2
    for ours, theirs in zip(made.codes, first.codes, strict=False):
        assert (ours["encoding"] != theirs["encoding"]).nnz == 0
