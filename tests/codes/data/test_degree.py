"""Functions of a higher degree than declared are found out."""

import numpy as np
import pytest

from mpicode.codes.data.degree import probe_degree
from mpicode.errors import ConfigError

A = np.random.default_rng(9).standard_normal((6, 6))


def gradient(X, y):
    return X.T @ (X @ A[0, : X.shape[1]] - y)


POLYNOMIALS = [
    (lambda X: A @ X, [(6, 3)], 1),
    (lambda X: A @ X + 7.0, [(6,)], 1),
    (lambda X: 3.0, [(2,)], 1),
    (lambda X: 0 * X, [(2,)], 1),
    (lambda X: X.T @ X, [(5, 4)], 2),
    (gradient, [(9, 4), (9,)], 2),
    (lambda X: X @ X @ X, [(4, 4)], 3),
    (lambda X: 1e8 * X**5, [(40,)], 5),
    (lambda X: 1e-12 * X**2, [(40,)], 2),
    (lambda X: (1 + 2j) * X**2, [(5,)], 2),
]
OTHERS = [np.tanh, np.exp, np.abs, np.sin, lambda X: 1 / (2 + X**2), lambda X: np.maximum(X, 0)]


@pytest.mark.parametrize(("f", "shapes", "degree"), POLYNOMIALS)
def test_polynomials_pass_at_their_degree_and_above(f, shapes, degree):
    for allowed in (degree, degree + 1, degree + 3):
        for seed in range(20):
            probe_degree(f, shapes, allowed, np.random.default_rng(seed))


@pytest.mark.parametrize(("f", "shapes", "degree"), [p for p in POLYNOMIALS if p[2] > 1])
def test_they_do_not_pass_below(f, shapes, degree):
    said = rf"^code\.degree: the function is no polynomial of degree {degree - 1}: .* wants 0$"
    for seed in range(20):
        with pytest.raises(ConfigError, match=said):
            probe_degree(f, shapes, degree - 1, np.random.default_rng(seed))


@pytest.mark.parametrize("f", OTHERS)
@pytest.mark.parametrize("degree", [1, 2, 3, 5])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_other_functions_are_found_out(f, degree, dtype):
    for seed in range(5):
        with pytest.raises(ConfigError, match=f"no polynomial of degree {degree}"):
            probe_degree(f, [(30,)], degree, np.random.default_rng(seed), dtype=dtype)


def test_single_precision_polynomials_pass():
    def f(X):
        assert X.dtype == np.float32
        return X.T @ X

    for seed in range(20):
        probe_degree(f, [(50, 8)], 2, np.random.default_rng(seed), dtype=np.float32)


def test_a_function_that_is_not_finite():
    with pytest.raises(ConfigError, match="not finite everywhere"), np.errstate(all="ignore"):
        probe_degree(np.log, [(9,)], 2, np.random.default_rng(0))
