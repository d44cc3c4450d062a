"""Problems whose gradient is a polynomial in the rows: its degree, complex rows, the activation."""

import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_allclose

from mpicode import problems
from mpicode.errors import ConfigError, DataError
from mpicode.problems import Rows
from mpicode.problems.polynomial_logistic import fitted

CASES = [
    ("least-squares", {}, 2),
    ("least-squares", {"intercept": False}, 2),
    ("polynomial-logistic", {"activation_degree": 1}, 2),
    ("polynomial-logistic", {}, 4),
]
OTHERS = ["logistic", "softmax", "mlp"]


def make(name, parameters, dtype=np.float64):
    task, n_classes = ("regression", 0) if name == "least-squares" else ("binary", 2)
    return problems.make(
        name, parameters, n_features=4, n_classes=n_classes, task=task, dtype=dtype
    )


def along_a_line(problem, steps, dtype=np.float64):
    """The gradient at rows and labels on a line, one row per step."""
    rng = np.random.default_rng(1)
    X, y = rng.standard_normal((2, 9, 4)), rng.standard_normal((2, 9))
    x, weights = rng.standard_normal(problem.n_parameters).astype(dtype), rng.standard_normal(9)
    found = np.zeros((len(steps), problem.n_parameters), dtype)
    for step, out in zip(steps, found, strict=True):
        rows = Rows((X[0] + step * X[1]).astype(dtype), (y[0] + step * y[1]).astype(dtype))
        problem.gradient(x, rows, weights, out)
    return found


@pytest.mark.parametrize(("name", "parameters", "degree"), CASES)
def test_the_degree_is_that_of_the_gradient_in_rows_and_labels(name, parameters, degree):
    problem = make(name, parameters)
    assert problem.degree == degree
    steps = np.linspace(-1, 1, 12)
    values = along_a_line(problem, steps)
    fit = np.polynomial.Polynomial.fit
    for column in values.T:
        rest = column - fit(steps, column, degree)(steps)
        assert_allclose(rest, 0, atol=1e-11 * np.abs(values).max())
    lower = [np.abs(c - fit(steps, c, degree - 1)(steps)).max() for c in values.T]
    assert max(lower) > 1e-6 * np.abs(values).max()


@pytest.mark.parametrize(("name", "parameters", "degree"), CASES)
def test_at_complex_rows_it_is_the_same_polynomial(name, parameters, degree):
    real, whole = make(name, parameters), make(name, parameters, np.complex128)
    steps = np.linspace(-1, 1, degree + 1)
    at = np.exp(2j * np.pi * np.arange(5) / 5)
    through = np.array([[np.prod([(z - o) / (s - o) for o in steps if o != s]) for s in steps]
                        for z in at])  # fmt: skip
    expected = through @ along_a_line(real, steps)
    found = along_a_line(whole, at, np.complex128)
    assert np.abs(expected.imag).max() > 0.1
    assert_allclose(found, expected, rtol=1e-10, atol=1e-10 * np.abs(expected).max())


@pytest.mark.parametrize("name", OTHERS)
def test_others_are_no_polynomials_and_take_no_complex_rows(name):
    assert make(name, {}).degree is None
    with pytest.raises(ConfigError, match=r"run\.dtype: wants float32 or float64, got complex128"):
        make(name, {}, np.complex128)


def test_complex_rows_are_dense():
    problem = make("least-squares", {}, np.complex128)
    x = np.zeros(problem.n_parameters, complex)
    rows = Rows(scipy.sparse.csr_array(np.eye(4, dtype=complex)), np.zeros(4, complex))
    with pytest.raises(DataError, match="complex rows must be dense"):
        problem.gradient(x, rows, np.ones(4), x.copy())


@pytest.mark.parametrize("within", [0.5, 5.0, 10.0])
def test_the_activation_is_the_closest_of_its_degree(within):
    z = np.linspace(-within, within, 20001)
    sigmoid = 1 / (1 + np.exp(-z))

    def distance(a, b):
        return np.mean((0.5 + a * z + b * z**3 - sigmoid) ** 2)

    for degree in (1, 3):
        a, b = fitted(degree, within)
        assert (b == 0) == (degree == 1)
        best = distance(a, b)
        for da, db in [(1e-3, 0), (-1e-3, 0), (0, 1e-3), (0, -1e-3), (1e-3, -1e-3)]:
            if db == 0 or degree == 3:
                assert distance(a + da / within, b + db / within**3) > best
    assert distance(*fitted(3, within)) < distance(*fitted(1, within))


def test_near_zero_it_is_the_logistic_function():
    a, b = fitted(3, 0.5)
    assert a == pytest.approx(1 / 4, rel=1e-3)
    assert b == pytest.approx(-1 / 48, rel=0.1)


@pytest.mark.parametrize("within", [0.0, -1.0, np.inf, np.nan])
def test_impossible_ranges(within):
    with pytest.raises(ConfigError, match=r"problem\.within: must be positive, got"):
        make("polynomial-logistic", {"within": within})


def test_other_activation_degrees_are_refused():
    with pytest.raises(ConfigError, match=r"problem\.activation_degree: 2 is not one of 1, 3"):
        make("polynomial-logistic", {"activation_degree": 2})
