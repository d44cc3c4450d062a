"""Arrivals alone take exactly the times of the run they leave the mathematics out of."""

from pathlib import Path

import numpy as np
import pytest

import mpicode
from mpicode.config import Config
from mpicode.errors import NotDecodable
from mpicode.train.arrivals import simulate

DIGITS = str(Path(__file__).parents[2] / "data" / "digits.h5")


@pytest.mark.parametrize("batch_size", [None, 80])
@pytest.mark.parametrize(
    "code", ["uncoded", "ignore-stragglers", "fractional-repetition", "cyclic", "lwpd"]
)
def test_arrivals_take_the_times_of_the_run(code, batch_size):
    tables = {
        "data": {"path": DIGITS, "test_fraction": 0.1},
        "problem": {"name": "softmax"},
        "optimizer": {"name": "gradient-descent", "step_size": 0.1},
        "code": {"name": code},
        "delays": {"name": "pareto", "scale": 1e-3, "shape": 1.2},
        "run": {"iterations": 30, "n_workers": 8, "seed": 3},
        # a request takes ten times as long to send as to compute, so its bytes must be right too
        "virtual": {"bytes_per_second": 1e6, "workers_per_node": 4, "cores_per_node": 2},
    }
    if batch_size is not None:
        tables["run"]["batch_size"] = batch_size
    if code == "lwpd":  # 4 messages of 2 blocks on each worker
        tables["code"] |= {"n_segments": 4, "n_blocks": 4, "load": 2}
    arrivals = simulate(Config.from_dict(tables))
    run = mpicode.run(tables)
    np.testing.assert_allclose(arrivals.seconds, run.history["seconds"], rtol=1e-9)
    np.testing.assert_array_equal(arrivals.n_arrived, run.history["n_arrived"])
    assert (arrivals.residual == run.history["residual"]).all()
    load = {"uncoded": 0.125, "ignore-stragglers": 0.125, "lwpd": 0.5}.get(code, 0.25)
    assert arrivals.load == load


@pytest.fixture
def numbers(write_data):
    rng = np.random.default_rng(4)
    X = rng.standard_normal((501, 6))
    return write_data(X, X.sum(axis=1))


@pytest.mark.parametrize("batch_size", [None, 80])
@pytest.mark.parametrize(
    "code",
    [
        {"name": "letcc", "n_blocks": 4, "n_stragglers": 2},
        {"name": "berrut", "n_blocks": 3},
        {"name": "lagrange", "n_blocks": 3, "n_corrupt": 1},
        {"name": "lagrange", "n_blocks": 3, "points": "integers", "permute": False},
        {"name": "lagrange", "n_blocks": 2, "prime": 2**61 - 1, "n_corrupt": 2},
    ],
    ids=str,
)
def test_those_of_a_code_over_the_data_too(numbers, code, batch_size):
    tables = {
        "data": {"path": numbers},
        "problem": {"name": "least-squares", "intercept": False},
        "optimizer": {"name": "gradient-descent", "step_size": 0.01},
        "code": code,
        "delays": {"name": "pareto", "scale": 1e-3, "shape": 1.2},
        "run": {"iterations": 30, "n_workers": 9, "seed": 3},
        "virtual": {"bytes_per_second": 1e5, "workers_per_node": 3, "cores_per_node": 2},
    }
    if batch_size is not None:
        tables["run"]["batch_size"] = batch_size
    arrivals = simulate(Config.from_dict(tables))
    run = mpicode.run(tables)
    np.testing.assert_allclose(arrivals.seconds, run.history["seconds"], rtol=1e-9)
    np.testing.assert_array_equal(arrivals.n_arrived, run.history["n_arrived"])
    assert np.isnan(arrivals.residual).all()
    assert arrivals.load == 1 / code["n_blocks"]


def test_too_few_answers_for_the_threshold_are_told(numbers):
    tables = {
        "data": {"path": numbers},
        "problem": {"name": "least-squares"},
        "optimizer": {"name": "gradient-descent", "step_size": 0.01},
        "code": {"name": "lagrange", "n_blocks": 3},
        "delays": {"name": "fixed", "slow_workers": [0, 1, 2, 3], "seconds": 9.0},
        "decoding": {"deadline": 1.0},
        "run": {"iterations": 3, "n_workers": 8},
    }
    with pytest.raises(NotDecodable, match="4 of 8 answers arrived by the deadline of 1 s, 'lag"):
        simulate(Config.from_dict(tables))
