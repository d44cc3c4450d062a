"""What networks of fully connected layers promise beyond the contract."""

import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from mpicode import problems
from mpicode.errors import ConfigError
from mpicode.problems import Rows, layers


def make(task="multiclass", n_classes=3, n_features=6, name="mlp", **parameters):
    return problems.make(name, parameters, n_features=n_features, n_classes=n_classes, task=task)


def data(task, n_classes=3, n_rows=40, n_features=6):
    rng = np.random.default_rng(2)
    y = rng.normal(size=n_rows) if task == "regression" else rng.integers(0, n_classes, n_rows)
    return Rows(rng.normal(size=(n_rows, n_features)), y), rng.normal(size=n_rows)


def gradient(problem, x, rows, weights):
    out = np.zeros_like(x)
    return problem.gradient(x, rows, weights, out), out


def test_in_numbers():
    problem = make("regression", 0, n_features=2, hidden=[2])
    # hidden units: relu(a + 2b + 1), relu(-a - 1); output: 3 h1 + 5 h2 + 0.5
    x = np.array([1.0, -1.0, 2.0, 0.0, 3.0, 5.0, 1.0, -1.0, 0.5])
    rows = Rows(np.array([[1.0, 1.0], [-3.0, 0.0]]), np.array([10.0, 0.5]))
    loss, out = gradient(problem, x, rows, np.array([1.0, 2.0]))
    # z = 12.5 from h = 4, 0 and 10.5 from h = 0, 2: residuals 2.5 and 10, weighted 2.5 and 20
    assert loss == 0.5 * 2.5**2 + 2.0 * 0.5 * 10.0**2
    first = [2.5 * 3.0, 20.0 * 5.0 * -3.0, 2.5 * 3.0, 0.0]
    assert_array_equal(out, [*first, 2.5 * 4, 20.0 * 2, 7.5, 100.0, 22.5])
    total, correct = problem.evaluate(x, rows)
    assert total == 0.5 * 2.5**2 + 0.5 * 10.0**2
    assert np.isnan(correct)


@pytest.mark.parametrize(
    ("linear", "task", "n_classes"),
    [
        ("softmax", "multiclass", 3),
        ("logistic", "binary", 2),
        ("least-squares", "regression", 0),
    ],
)
def test_without_hidden_units_it_is_linear(linear, task, n_classes):
    network, model = make(task, n_classes, hidden=[]), make(task, n_classes, name=linear)
    rows, weights = data(task, n_classes)
    x = np.random.default_rng(1).normal(size=model.n_parameters)
    ours, theirs = gradient(network, x, rows, weights), gradient(model, x, rows, weights)
    assert_allclose(ours[0], theirs[0], rtol=1e-13)
    assert_allclose(ours[1], theirs[1], rtol=1e-13)
    assert_allclose(network.evaluate(x, rows), model.evaluate(x, rows), rtol=1e-13)


def test_parameters_are_all_weights_then_all_biases():
    problem = make(hidden=[5, 4])
    assert problem.n_parameters == 6 * 5 + 5 * 4 + 4 * 3 + 5 + 4 + 3
    x = np.arange(float(problem.n_parameters))
    parts = [layer.unpack(x) for layer in problem.layers]
    assert [weights.shape for weights, _ in parts] == [(6, 5), (5, 4), (4, 3)]
    flat = [weights.ravel() for weights, _ in parts] + [biases for _, biases in parts]
    assert_array_equal(np.concatenate(flat), x)


def test_biases_are_not_penalised():
    problem = make(hidden=[5], l2=2.0)
    x, out = np.ones(problem.n_parameters), np.zeros(problem.n_parameters)
    assert problem.regularise(x, out) == 6 * 5 + 5 * 3  # l2/2 |W|^2
    for layer in problem.layers:
        weights, biases = layer.unpack(out)
        assert (weights == 2.0).all()
        assert not biases.any()


def test_the_start_keeps_the_size_of_the_signal():
    problem = make(n_features=400, hidden=[300, 200])
    x = problem.initial(3)
    for layer, n_in in zip(problem.layers, (400, 300, 200), strict=True):
        weights, biases = layer.unpack(x)
        deviation = np.sqrt(2.0 / n_in)
        # a deviation of n normal numbers is itself off by deviation / sqrt(2 n)
        assert abs(weights.std() - deviation) < 5 * deviation / np.sqrt(2 * weights.size)
        assert abs(weights.mean()) < 5 * deviation / np.sqrt(weights.size)
        assert not biases.any()
    assert (problem.initial(4) != x)[problem.penalised].all()


@pytest.mark.parametrize(("task", "n_classes"), [("multiclass", 3), ("binary", 2)])
def test_rows_predicted_right_are_counted(task, n_classes):
    problem = make(task, n_classes, hidden=[5])
    rows, _ = data(task, n_classes)
    x = problem.initial(4)
    (first, a), (last, b) = (layer.unpack(x) for layer in problem.layers)
    z = np.maximum(rows.X @ first + a, 0.0) @ last + b
    predicted = z.argmax(axis=1) if n_classes > 2 else z[:, 0] > 0
    assert problem.evaluate(x, rows)[1] == np.sum(predicted == rows.y)


@pytest.mark.parametrize("n_segments", [1, 2, 6])
def test_one_way_forward_for_all_segments(monkeypatch, n_segments):
    seen = []
    predict = layers.Layer.predict

    def counted(self, x, entering, n_rows):
        seen.append(n_rows)
        return predict(self, x, entering, n_rows)

    monkeypatch.setattr(layers.Layer, "predict", counted)
    problem = make(hidden=[5])
    rows, _ = data("multiclass")
    out = np.zeros(-(-problem.n_parameters // n_segments) * n_segments)
    problem.gradient(problem.initial(0), rows, np.ones((n_segments, 40)), out)
    assert seen == [40, 40]


@pytest.mark.parametrize("n_segments", [None, 4])
def test_nothing_of_the_size_of_the_rows_is_made(n_segments):
    problem = make(n_features=100, hidden=[30])
    rows, weights = data("multiclass", n_rows=60_000, n_features=100)
    size = problem.n_parameters
    if n_segments:
        size = -(-size // n_segments) * n_segments
        weights = np.ones((n_segments, 60_000))
    x, out = problem.initial(0), np.zeros(size)
    tracemalloc.start()
    problem.gradient(x, rows, weights, out)
    problem.evaluate(x, rows)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < rows.X.nbytes / 8


def test_it_learns():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 2))
    y = (X[:, 0] * X[:, 1] > 0).astype(np.int64)  # no line divides these
    problem = make("binary", 2, n_features=2, hidden=[16])
    x, weights = problem.initial(0), np.full(300, 1 / 300)
    for _ in range(400):
        x -= 0.5 * gradient(problem, x, Rows(X, y), weights)[1]
    assert problem.evaluate(x, Rows(X, y))[1] > 280


@pytest.mark.parametrize(
    ("hidden", "text"),
    [
        ([8, 0], r"problem.hidden\[1\]: must be at least 1, got 0"),
        ([-3], r"problem.hidden\[0\]: must be at least 1, got -3"),
        ([2.5], r"problem.hidden\[0\]: wants an integer, got 2.5"),
        (128, r"problem.hidden: wants a list, got 128"),
    ],
)
def test_impossible_layers(hidden, text):
    with pytest.raises(ConfigError, match=text):
        make(hidden=hidden)


def test_data_without_classes():
    with pytest.raises(ConfigError, match=r"problem.name: 'mlp' needs classes, the dataset has"):
        make(n_classes=0)
