"""What linear models promise beyond the contract."""

import tracemalloc

import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_allclose, assert_array_equal

from mpicode import problems
from mpicode.errors import ConfigError, DataError
from mpicode.problems import Rows, linear

MODELS = [("least-squares", "regression", 0), ("logistic", "binary", 2), ("softmax", "binary", 2)]


def make(name, task, n_classes, n_features=6, **parameters):
    return problems.make(name, parameters, n_features=n_features, n_classes=n_classes, task=task)


def data(task, n_rows=200, n_features=6):
    rng = np.random.default_rng(2)
    y = rng.normal(size=n_rows) if task == "regression" else rng.integers(0, 2, n_rows)
    return Rows(rng.normal(size=(n_rows, n_features)), y), rng.normal(size=n_rows)


@pytest.mark.parametrize("kind", ["dense", "csr"])
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model[0])
@pytest.mark.parametrize("chunk_bytes", [0, 48 * 30, 48 * 70])
def test_chunks_do_not_show(monkeypatch, model, kind, chunk_bytes):
    rows, weights = data(model[1])
    if kind == "csr":
        rows = Rows(scipy.sparse.csr_array(rows.X), rows.y)
    whole = make(*model)
    x = np.random.default_rng(3).normal(size=whole.n_parameters)
    expected, gradient = np.zeros_like(x), np.zeros_like(x)
    loss = whole.gradient(x, rows, weights, expected)
    monkeypatch.setattr(linear, "CHUNK_BYTES", chunk_bytes)
    monkeypatch.setattr(linear, "FEWEST_ROWS", 7)
    monkeypatch.setattr(linear, "LARGE_CHUNK", 33)
    cut = make(*model)
    assert_allclose(cut.gradient(x, rows, weights, gradient), loss, rtol=1e-12)
    assert_allclose(gradient, expected, rtol=1e-12, atol=1e-12)
    assert_allclose(cut.evaluate(x, rows), whole.evaluate(x, rows), rtol=1e-12)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model[0])
def test_parameters_are_weights_then_intercepts(model):
    problem = make(*model)
    x = np.arange(float(problem.n_parameters))
    weights, intercepts = problem.unpack(x)
    assert np.shares_memory(weights, x)
    assert np.shares_memory(intercepts, x)
    assert_array_equal(np.append(weights.ravel(), intercepts), x)
    assert weights.shape == ((6, 2) if model[0] == "softmax" else (6,))
    bare_weights, none = make(*model, intercept=False).unpack(x[: weights.size])
    assert bare_weights.shape == weights.shape
    assert none.size == 0


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model[0])
def test_the_intercept_is_not_penalised(model):
    problem = make(*model, l2=2.0)
    x = np.ones(problem.n_parameters)
    gradient = np.zeros_like(x)
    n_weights = problem.unpack(x)[0].size
    assert problem.regularise(x, gradient) == n_weights  # l2/2 |W|^2
    weights, intercepts = problem.unpack(gradient)
    assert (weights == 2.0).all()
    assert not intercepts.any()


def test_least_squares_in_numbers():
    problem = make("least-squares", "regression", 0, n_features=2)
    rows = Rows(np.array([[1.0, 2.0], [0.0, 1.0]]), np.array([1.0, 5.0]))
    x, out = np.array([1.0, 1.0, 0.0]), np.zeros(3)  # z = 3, 1 and z - y = 2, -4
    loss = problem.gradient(x, rows, np.array([1.0, 2.0]), out)
    assert loss == 0.5 * 4 + 0.5 * 2 * 16
    assert_array_equal(out, [2.0, 4.0 - 8.0, 2.0 - 8.0])
    sums, correct = problem.evaluate(x, rows)
    assert sums == 0.5 * 4 + 0.5 * 16
    assert np.isnan(correct)


@pytest.mark.parametrize("kind", ["dense", "csr"])
@pytest.mark.parametrize("model", MODELS[1:], ids=lambda model: model[0])
def test_rows_predicted_right_are_counted(model, kind):
    problem = make(*model)
    rows, _ = data(model[1])
    x = np.random.default_rng(4).normal(size=problem.n_parameters)
    weights, intercepts = problem.unpack(x)
    z = rows.X @ weights + intercepts
    predicted = z > 0 if z.ndim == 1 else z.argmax(axis=1)
    X = scipy.sparse.csr_array(rows.X) if kind == "csr" else rows.X
    _, correct = problem.evaluate(x, Rows(X, rows.y))
    assert correct == np.sum(predicted == rows.y)
    assert 0 < correct < 200


def test_softmax_of_two_is_logistic():
    rows, weights = data("binary")
    two, one = make("softmax", "binary", 2), make("logistic", "binary", 2)
    x = np.random.default_rng(5).normal(size=one.n_parameters)
    both = np.zeros((7, 2))
    both[:, 1] = x
    pair, single = np.zeros(14), np.zeros(7)
    loss = two.gradient(both.ravel(), rows, weights, pair)
    assert_allclose(loss, one.gradient(x, rows, weights, single), rtol=1e-12)
    assert_allclose(pair.reshape(7, 2), np.stack([-single, single], axis=1), atol=1e-12)


@pytest.mark.parametrize("n_features", [30, 3000])
def test_nothing_of_the_size_of_the_rows_is_made(n_features):
    problem = make("softmax", "binary", 2, n_features=n_features)
    rows, weights = data("binary", 6_000_000 // n_features, n_features)
    x, out = np.zeros(problem.n_parameters), np.zeros(problem.n_parameters)
    tracemalloc.start()
    problem.gradient(x, rows, weights, out)
    problem.evaluate(x, rows)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < rows.X.nbytes / 20


def test_a_matrix_that_is_not_csr_is_refused():
    problem = make("logistic", "binary", 2)
    rows, weights = data("binary")
    rows = Rows(scipy.sparse.csc_array(rows.X), rows.y)
    with pytest.raises(DataError, match="X: wants a dense array or CSR, got csc"):
        problem.loss(np.zeros(7), rows, weights)


def test_a_column_out_of_range_is_named():
    problem = make("logistic", "binary", 2)
    rows, weights = data("binary", 10)
    X = scipy.sparse.csr_array(rows.X)
    X.indices[6 * 4] = 77
    with pytest.raises(DataError, match=r"X: rows 0 to 10: .*row 4 .*column 77"):
        problem.gradient(np.zeros(7), Rows(X, rows.y), weights, np.zeros(7))


def test_wide_indices_and_integer_weights_serve():
    problem = make("logistic", "binary", 2)
    rows, _ = data("binary")
    X = scipy.sparse.csr_array(rows.X)
    X.indices, X.indptr = X.indices.astype(np.int64), X.indptr.astype(np.int64)
    x = np.ones(7)
    expected = problem.loss(x, rows, np.ones(200))
    assert_allclose(problem.loss(x, Rows(X, rows.y), np.ones(200, int)), expected, rtol=1e-12)


def test_softmax_needs_classes():
    with pytest.raises(ConfigError, match="'softmax' needs classes, the dataset has none"):
        make("softmax", "multiclass", 0)


def test_no_features():
    with pytest.raises(ConfigError, match="at least 1 feature, the dataset has 0"):
        make("logistic", "binary", 2, n_features=0)
