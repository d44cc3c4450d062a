"""Soft labels, which combinations of rows have: one-hot ones say what hard ones say."""

import importlib.util

import numpy as np
import pytest
from numpy.testing import assert_allclose

from mpicode import problems
from mpicode.errors import ConfigError, DataError
from mpicode.problems import Problem, Rows

CASES = [
    ("softmax", "multiclass", {}),
    ("softmax", "binary", {}),
    ("logistic", "binary", {}),
    ("mlp", "multiclass", {"hidden": (5,)}),
    ("mlp", "binary", {"hidden": (5,)}),
    *(
        ("torch", task, {"module": f"{__name__}:network"})
        for task in ("multiclass", "binary")
        if importlib.util.find_spec("torch")
    ),
]
N_FEATURES = 6


def network(n_features, n_outputs):
    from torch import nn

    return nn.Sequential(nn.Linear(n_features, 5), nn.Tanh(), nn.Linear(5, n_outputs))


def made(name, task, parameters):
    n_classes = {"multiclass": 4, "binary": 2}[task]
    return problems.make(name, parameters, n_features=N_FEATURES, n_classes=n_classes, task=task)


def drawn(problem, n_rows=30):
    rng = np.random.default_rng(0)
    hard = Rows(
        rng.standard_normal((n_rows, N_FEATURES)), rng.integers(0, problem.n_classes, n_rows)
    )
    one_hot = np.eye(problem.n_classes)[hard.y]
    soft = one_hot[:, 1].copy() if problem.n_outputs == 1 else one_hot
    x = 0.5 * rng.standard_normal(problem.n_parameters)
    return x, hard, soft, rng.standard_normal(n_rows)


def gradient(problem, x, rows, weights):
    out = np.zeros(problem.n_parameters)
    return problem.gradient(x, rows, weights, out), out


@pytest.mark.parametrize(("name", "task", "parameters"), CASES)
def test_one_hot_labels_give_what_hard_ones_give(name, task, parameters):
    problem = made(name, task, parameters)
    x, hard, soft, weights = drawn(problem)
    loss, wanted = gradient(problem, x, hard, weights)
    found_loss, found = gradient(problem, x, Rows(hard.X, soft), weights)
    assert_allclose(found_loss, loss, rtol=1e-12)
    assert_allclose(found, wanted, rtol=1e-12, atol=1e-13)
    assert problem.loss(x, Rows(hard.X, soft), weights) == found_loss


@pytest.mark.parametrize(("name", "task", "parameters"), CASES)
def test_losses_are_linear_in_the_labels_and_gradients_are_their_slopes(name, task, parameters):
    problem = made(name, task, parameters)
    x, hard, soft, weights = drawn(problem)
    other = np.random.default_rng(1).standard_normal(soft.shape)
    mixed = Rows(hard.X, 1.5 * soft - 0.5 * other)
    loss, slope = gradient(problem, x, mixed, weights)
    parts = [problem.loss(x, Rows(hard.X, y), weights) for y in (soft, other)]
    assert_allclose(loss, 1.5 * parts[0] - 0.5 * parts[1], rtol=1e-10)
    direction = np.random.default_rng(2).standard_normal(x.size)
    h = 1e-6
    there, back = (problem.loss(x + s * h * direction, mixed, weights) for s in (1, -1))
    assert_allclose(slope @ direction, (there - back) / (2 * h), rtol=1e-6)


def test_a_row_of_zeros_counts_nothing():
    problem = made("softmax", "multiclass", {})
    x, hard, soft, weights = drawn(problem)
    _, wanted = gradient(problem, x, Rows(hard.X[1:], soft[1:]), weights[1:])
    soft[0] = 0.0
    _, found = gradient(problem, x, Rows(hard.X, soft), weights)
    assert_allclose(found, wanted, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("wrong", [(30, 3), (30,), (29, 4)])
def test_soft_labels_of_another_shape_are_refused(wrong):
    problem = made("softmax", "multiclass", {})
    x, hard, _, weights = drawn(problem)
    with pytest.raises(DataError, match=r"^y: 30 rows want soft labels \(30, 4\) of float64"):
        gradient(problem, x, Rows(hard.X, np.zeros(wrong)), weights)


def test_only_hard_labels_are_counted_right_or_wrong():
    problem = made("softmax", "multiclass", {})
    x, hard, soft, _ = drawn(problem)
    with pytest.raises(DataError, match=r"^y: 30 rows, but y has shape"):
        problem.evaluate(x, Rows(hard.X, soft))


@pytest.mark.parametrize(("name", "task", "parameters"), CASES)
def test_outputs_are_what_is_evaluated(name, task, parameters):
    problem = made(name, task, parameters)
    x, hard, _, _ = drawn(problem)
    outputs = problem.outputs(x, hard.X)
    assert outputs.shape == (30, problem.n_outputs)
    predicted = outputs.argmax(axis=1) if problem.n_outputs > 1 else outputs[:, 0] > 0
    assert np.count_nonzero(predicted == hard.y) == problem.evaluate(x, hard)[1]


def test_a_problem_need_not_say_its_outputs():
    class Silent(Problem):
        name, tasks = "silent", ("regression",)
        gradient = loss = evaluate = None

    problem = Silent(n_features=1, task="regression")
    with pytest.raises(ConfigError, match=r"^problem.name: 'silent' does not say"):
        problem.outputs(np.zeros(1), np.zeros((1, 1)))
