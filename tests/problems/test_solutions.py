"""The minimisers are those of scikit-learn, on real data.

Ours is (1/n) sum of losses + l2/2 |W|^2, with free intercepts: scikit-learn's with C = 1/(n l2), or
alpha = n l2.
"""

import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_allclose
from scipy.optimize import minimize

from mpicode import optimizers, problems
from mpicode.problems import Rows

datasets = pytest.importorskip("sklearn.datasets")
linear_model = pytest.importorskip("sklearn.linear_model")


def objective(problem, rows):
    """Value and gradient of what a master minimises."""
    weights = np.full(len(rows.y), 1.0 / len(rows.y))

    def of(x):
        gradient = np.zeros_like(x)
        value = problem.gradient(x, rows, weights, gradient)
        return value + problem.regularise(x, gradient), gradient

    return of


def minimum(problem, rows):
    options = {"maxiter": 20_000, "maxfun": 20_000, "ftol": 1e-15, "gtol": 1e-9}
    start = problem.initial(0)
    found = minimize(objective(problem, rows), start, jac=True, method="L-BFGS-B", options=options)
    return found.x


def scaled(loader):
    X, y = loader(return_X_y=True)
    return (X - X.mean(axis=0)) / np.maximum(X.std(axis=0), 1e-12), y


@pytest.mark.parametrize("kind", ["dense", "csr"])
def test_ridge_on_diabetes(kind):
    X, y = scaled(datasets.load_diabetes)
    problem = problems.make("least-squares", {"l2": 0.05}, n_features=10, task="regression")
    rows = Rows(scipy.sparse.csr_array(X) if kind == "csr" else X, y)
    weights, intercepts = problem.unpack(minimum(problem, rows))
    reference = linear_model.Ridge(alpha=0.05 * len(y)).fit(X, y)
    assert_allclose(weights, reference.coef_, rtol=1e-5, atol=1e-4)
    assert_allclose(intercepts, reference.intercept_, rtol=1e-6)


def test_logistic_on_breast_cancer():
    X, y = scaled(datasets.load_breast_cancer)
    l2 = 0.01
    problem = problems.make("logistic", {"l2": l2}, n_features=30, n_classes=2, task="binary")
    rows = Rows(X, y.astype(np.int64))
    weights, intercepts = problem.unpack(minimum(problem, rows))
    reference = linear_model.LogisticRegression(C=1 / (l2 * len(y)), tol=1e-10, max_iter=10_000)
    reference.fit(X, y)
    assert_allclose(weights, reference.coef_[0], rtol=1e-4, atol=1e-5)
    assert_allclose(intercepts, reference.intercept_, rtol=1e-4)


@pytest.mark.parametrize("intercept", [True, False])
def test_softmax_on_digits(intercept):
    X, y = datasets.load_digits(return_X_y=True)
    X, l2 = X / 16.0, 0.01
    problem = problems.make(
        "softmax",
        {"l2": l2, "intercept": intercept},
        n_features=64,
        n_classes=10,
        task="multiclass",
    )
    rows = Rows(X, y.astype(np.int64))
    x = minimum(problem, rows)
    weights, intercepts = problem.unpack(x)
    reference = linear_model.LogisticRegression(
        C=1 / (l2 * len(y)), tol=1e-10, max_iter=10_000, fit_intercept=intercept
    )
    reference.fit(X, y)
    assert_allclose(weights, reference.coef_.T, atol=1e-4)
    if intercept:  # one number added to all of them changes nothing
        centred = reference.intercept_ - reference.intercept_.mean()
        assert_allclose(intercepts - intercepts.mean(), centred, atol=1e-4)
    assert problem.evaluate(x, rows)[1] == np.sum(reference.predict(X) == y)


def test_descent_reaches_the_minimum():
    X, y = scaled(datasets.load_breast_cancer)
    problem = problems.make("logistic", {"l2": 0.1}, n_features=30, n_classes=2, task="binary")
    rows = Rows(X, y.astype(np.int64))
    of = objective(problem, rows)
    best, _ = of(minimum(problem, rows))
    # The curvature of the logistic loss is at most 1/4 of that of least squares.
    ones = np.column_stack([X, np.ones(len(y))])
    step = 1.0 / (0.25 * np.linalg.norm(ones, 2) ** 2 / len(y) + 0.1)
    optimizer = optimizers.make("nesterov", {"step_size": step}, n_parameters=31)
    x = problem.initial(0)
    for _ in range(600):
        optimizer.step(x, of(x)[1])
    assert_allclose(of(optimizer.answer(x))[0], best, rtol=1e-7)
