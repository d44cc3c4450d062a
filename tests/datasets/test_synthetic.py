from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from mpicode.datasets import open_dataset, synthetic
from mpicode.datasets.synthetic import make_dataset
from mpicode.errors import ConfigError


def make(path, kind, n=4000, d=30, **how):
    make_dataset(kind, path, n_samples=n, n_features=d, force=True, **how)
    with open_dataset(path) as data:
        X, y = data.read(0, n, "float64")
        return X, y, data.answer, data.fingerprint


def test_least_squares_without_noise_is_solved_by_the_answer(tmp_path):
    X, y, w, _ = make(tmp_path / "a.h5", "least-squares")
    assert_allclose(np.linalg.lstsq(X, y)[0], w, rtol=1e-10)
    assert abs(X.std() - 1) < 0.01
    X, y, w, _ = make(tmp_path / "a.h5", "least-squares", dtype="float32")
    assert_allclose(np.linalg.lstsq(X, y)[0], w, rtol=1e-10)


def test_sparse_least_squares_is_the_model_of_the_paper(tmp_path):
    X, y, w, _ = make(tmp_path / "a.h5", "sparse-least-squares", d=300)
    assert np.count_nonzero(w) == 100
    assert 1.5 < w[w != 0].std() < 2.5  # N(0, 4)
    assert 0.95 < (y - X @ w).std() < 1.05  # N(0, 1)


def test_logistic_labels_follow_the_answer(tmp_path):
    X, y, w, _ = make(tmp_path / "a.h5", "logistic", n=20_000)
    assert set(w) == {-1.0, 1.0}
    assert set(y) == {0, 1}
    z = X @ w
    for low, high in ((-6, -2), (-1, 1), (2, 6)):
        chosen = (z > low) & (z < high)
        expected = (1 / (1 + np.exp(-z[chosen]))).mean()
        assert abs(y[chosen].mean() - expected) < 0.03


@pytest.mark.parametrize("kind", synthetic.KINDS)
def test_the_rows_depend_on_the_seed_and_not_on_the_files(tmp_path, kind, monkeypatch):
    monkeypatch.setattr(synthetic, "BLOCK_VALUES", 6000)
    X, y, w, first = make(tmp_path / "a.h5", kind)
    B, b, v, again = make(tmp_path / "b.h5", kind, rows_per_shard=700)
    assert first == again
    for one, other in ((X, B), (y, b), (w, v)):
        assert_array_equal(one, other)
    assert make(tmp_path / "b.h5", kind, seed=1)[3] != first


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"n": 0}, "0 rows of 30 features"),
        ({"kind": "guess"}, "unknown kind 'guess'; one of: least-squares"),
        ({"noise": -1.0}, "--noise -1.0: a standard deviation is 0 or more"),
        ({"noise": float("nan")}, "--noise nan"),
        ({"kind": "logistic", "noise": 1.0}, "--noise goes with least squares"),
        ({"seed": -1}, "--seed -1"),
    ],
)
def test_impossible_problems(tmp_path, how, message):
    with pytest.raises(ConfigError, match=message):
        make(tmp_path / "a.h5", **({"kind": "least-squares"} | how))
    assert list(tmp_path.iterdir()) == []
