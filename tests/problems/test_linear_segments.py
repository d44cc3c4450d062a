"""Segments of linear models: each from the columns of X it belongs to, under weights of its own."""

import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_allclose, assert_array_equal

from mpicode import problems
from mpicode.errors import ConfigError, DataError
from mpicode.problems import Rows, linear
from mpicode.problems.base import segment_length

N_FEATURES, N_ROWS = 6, 40
MODELS = {
    "least-squares": ("regression", 0),
    "logistic": ("binary", 2),
    "softmax": ("multiclass", 4),
}


@pytest.fixture(params=[(name, intercept) for name in MODELS for intercept in (True, False)])
def model(request):
    name, intercept = request.param
    return make(name, intercept)


@pytest.fixture(params=["dense", "csr"])
def kind(request):
    return request.param


def make(name, intercept=True, dtype=np.float64):
    task, n_classes = MODELS[name]
    return problems.make(
        name,
        {"intercept": intercept},
        n_features=N_FEATURES,
        n_classes=n_classes,
        task=task,
        dtype=dtype,
    )


def data(model, kind, n_rows=N_ROWS):
    rng = np.random.default_rng(8)
    X = rng.normal(size=(n_rows, N_FEATURES)) * (rng.random((n_rows, N_FEATURES)) < 0.6)
    X = X.astype(model.dtype)
    if model.task == "regression":
        y = rng.normal(size=n_rows).astype(model.dtype)
    else:
        y = rng.integers(0, model.n_classes, n_rows)
    return Rows(scipy.sparse.csr_array(X) if kind == "csr" else X, y)


def point(model):
    return np.random.default_rng(2).normal(size=model.n_parameters).astype(model.dtype)


def weights_of(model, n_segments, n_rows=N_ROWS):
    rng = np.random.default_rng([3, n_segments])
    return rng.normal(size=(n_segments, n_rows)).astype(model.dtype)


def gradient(model, x, rows, weights):
    length = segment_length(model.n_parameters, len(weights))
    out = np.zeros(len(weights) * length, model.dtype)
    return model.gradient(x, rows, weights, out), out


@pytest.mark.parametrize("n_segments", [1, 2, 3, 4, 5, 7, 12, "all", "more"])
def test_a_segment_is_that_of_its_own_weighted_loss(model, kind, n_segments):
    """Borders fall between rows of W, inside them, on the intercepts and beyond the last."""
    n = model.n_parameters
    m = {"all": n, "more": n + 3}.get(n_segments, n_segments)
    rows, weights, x = data(model, kind), weights_of(model, m), point(model)
    loss, out = gradient(model, x, rows, weights)
    assert loss == model.loss(x, rows, weights[0])
    expected = np.zeros_like(out).reshape(m, -1)
    for segment, own in enumerate(weights):
        whole = np.zeros_like(out)
        model.gradient(x, rows, own, whole[:n])
        expected[segment] = whole.reshape(m, -1)[segment]
    assert_allclose(out, expected.ravel(), rtol=1e-11, atol=1e-12)
    assert not out[n:].any()


@pytest.mark.parametrize("n_segments", [2, 5])
def test_a_segment_is_the_slope_of_its_own_loss(model, kind, n_segments):
    rows, weights, x = data(model, kind), weights_of(model, n_segments), point(model)
    _, out = gradient(model, x, rows, weights)
    length = segment_length(model.n_parameters, n_segments)
    h = 1e-5
    slope = [
        (model.loss(x + step, rows, weights[i // length])
         - model.loss(x - step, rows, weights[i // length])) / (2 * h)
        for i, step in enumerate(h * np.eye(x.size))
    ]  # fmt: skip
    assert_allclose(out[: x.size], slope, rtol=1e-6, atol=1e-6 * np.abs(out).max())


def test_zero_weights_give_zero_and_do_not_hide_the_others(model, kind):
    rows, weights, x = data(model, kind), weights_of(model, 3), point(model)
    weights[0] = 0
    loss, out = gradient(model, x, rows, weights)
    length = len(out) // 3
    assert loss == 0
    assert not out[:length].any()
    assert out[length:].any()


def test_adds_to_out(model, kind):
    rows, weights, x = data(model, kind), weights_of(model, 3), point(model)
    _, fresh = gradient(model, x, rows, weights)
    out = np.full_like(fresh, 5.0)
    model.gradient(x, rows, weights, out)
    assert_allclose(out, 5.0 + fresh, rtol=1e-13, atol=1e-13)


def test_chunks_do_not_show(model, kind, monkeypatch):
    rows, weights, x = data(model, kind), weights_of(model, 3), point(model)
    whole = gradient(model, x, rows, weights)
    monkeypatch.setattr(linear, "CHUNK_BYTES", 1)
    monkeypatch.setattr(linear, "FEWEST_ROWS", 7)
    monkeypatch.setattr(linear, "LARGE_CHUNK", 7)
    cut = gradient(make(model.name, model.intercept), x, rows, weights)
    assert_allclose(cut[0], whole[0], rtol=1e-12)
    assert_allclose(cut[1], whole[1], rtol=1e-11, atol=1e-13)


def test_single_precision(kind):
    for name in MODELS:
        single, double = make(name, dtype=np.float32), make(name)
        rows, weights, x = data(single, kind), weights_of(single, 3), point(single)
        loss, out = gradient(single, x, rows, weights)
        wide = Rows(
            rows.X.astype(float), rows.y.astype(float) if rows.y.dtype.kind == "f" else rows.y
        )
        expected = gradient(double, x.astype(float), wide, weights.astype(float))
        assert out.dtype == np.float32
        assert_allclose(loss, expected[0], rtol=1e-5, atol=1e-5)
        assert_allclose(out, expected[1], rtol=1e-4, atol=1e-5 * np.abs(expected[1]).max())


def test_no_rows(model, kind):
    loss, out = gradient(model, point(model), data(model, kind, 0), np.ones((2, 0)))
    assert loss == 0
    assert not out.any()


def test_the_same_bits_again(model, kind):
    rows, weights, x = data(model, kind), weights_of(model, 3), point(model)
    first, second = (gradient(make(model.name), point(make(model.name)), rows, weights)
                     for _ in range(2))  # fmt: skip
    assert first[0] == second[0]
    assert_array_equal(first[1], second[1])
    assert x.any()


def test_shapes_that_disagree(model, kind):
    rows, x, n = data(model, kind), point(model), model.n_parameters
    length = segment_length(n, 3)
    for weights, size, error, text in (
        (np.ones((3, N_ROWS - 1)), 3 * length, DataError, r"weights: 40 rows, .*\(3, 39\)"),
        (np.ones((2, 3, N_ROWS)), 3 * length, DataError, "weights: 40 rows"),
        (np.ones((3, N_ROWS)), 3 * length + 1, ConfigError, "out: 3 segments of"),
    ):
        with pytest.raises(error, match=text):
            model.gradient(x, rows, weights, np.zeros(size))
