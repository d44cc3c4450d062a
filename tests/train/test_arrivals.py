"""Arrivals alone take exactly the times of the run they leave the mathematics out of."""

from pathlib import Path

import numpy as np
import pytest

import mpicode
from mpicode.config import Config
from mpicode.train.arrivals import simulate

DIGITS = str(Path(__file__).parents[2] / "data" / "digits.h5")


@pytest.mark.parametrize("batch_size", [None, 80])
@pytest.mark.parametrize(
    "code", ["uncoded", "ignore-stragglers", "fractional-repetition", "cyclic"]
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
    arrivals = simulate(Config.from_dict(tables))
    run = mpicode.run(tables)
    np.testing.assert_allclose(arrivals.seconds, run.history["seconds"], rtol=1e-9)
    np.testing.assert_array_equal(arrivals.n_arrived, run.history["n_arrived"])
    assert arrivals.load == (0.125 if code in ("uncoded", "ignore-stragglers") else 0.25)
