"""Polynomials over the field: exact against Python's integers, bounded, and nothing else at all."""

from fractions import Fraction

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from mpicode.codes.data import field
from mpicode.codes.data.field import LARGEST
from mpicode.codes.data.field_bounds import Bounds
from mpicode.codes.data.field_numbers import FieldNumbers, Form
from mpicode.errors import ConfigError

PRIMES = [11, 65537, 2**31 - 1, LARGEST]
FORM = Form(LARGEST, 5, 7)
W = np.array([[0.3, -1.0], [2.0, 0.7], [-0.5, 1.25]])

FUNCTIONS = {
    "linear": lambda X: X @ W,
    "affine": lambda X: X @ W + np.array([0.1, -2.0]),
    "products of columns": lambda X: np.stack([X[:, 0] * X[:, 1], X.sum(axis=1)], axis=1),
    "square": lambda X: (X @ W - 0.5) ** 2,
    "mixed degrees": lambda X: 3 * X[:, 0] ** 3 - X[:, 1] / 4 + 1,
    "gram": lambda X: X.T @ X,
    "negative": lambda X: 2.5 - X * X,
    "left": lambda X: np.ones(4) @ X,
    "joined": lambda X: np.concatenate([X, X[:, :1] * X], axis=1),
    "all of it": lambda X: np.sum(X) * X[0, 0],
    "reshaped": lambda X: X.reshape(2, 6)[1:] - 0.3,
}


def rows(seed=0):
    return np.random.default_rng(seed).uniform(-3, 3, (4, 3))


def fractions(values, bits):
    """The same numbers, rounded, in exact arithmetic."""
    whole = np.rint(np.ldexp(values, bits)).astype(int)
    exact = np.empty(values.shape, dtype=object)
    exact.flat = [Fraction(int(number), 2**bits) for number in whole.flat]
    return exact


@pytest.mark.parametrize("prime", PRIMES)
def test_products_and_sums_are_right_up_to_the_boundary(prime):
    rng = np.random.default_rng(1)
    edge = np.array([0, 1, prime // 2, prime // 2 + 1, prime - 2, prime - 1])
    a = np.concatenate([np.repeat(edge, 6), rng.integers(0, prime, 500)])
    b = np.concatenate([np.tile(edge, 6), rng.integers(0, prime, 500)])
    wide = a.astype(object), b.astype(object)
    assert_array_equal(field.product(a, b, prime), wide[0] * wide[1] % prime)
    assert_array_equal(field.add(a, b, prime), (wide[0] + wide[1]) % prime)
    table = np.full((3, 1000), prime - 1)
    assert_array_equal(field.total(table, 1, prime), np.full(3, 1000 * (prime - 1) % prime))
    assert_array_equal(field.total(table, 0, prime), np.full(1000, 3 * (prime - 1) % prime))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_polynomial_is_that_of_the_rounded_numbers_exactly(name):
    X = rows()
    found = FUNCTIONS[name](FieldNumbers(FORM, field.quantise(X, 5, LARGEST), 5))
    # constants are rounded likewise, to 7 bits
    exact = {"W": fractions(W, 7)}
    wanted = evaluated(name, fractions(X, 5), exact["W"])
    value = field.signed(found.residues, LARGEST)
    assert found.shape == np.shape(wanted) == np.shape(FUNCTIONS[name](X))
    scaled = [Fraction(int(number), 2**found.bits) for number in value.flat]
    assert scaled == list(np.asarray(wanted, dtype=object).flat)


def evaluated(name, X, w):
    def exact(value):
        return fractions(np.asarray(value), 7)

    return {
        "linear": lambda: X @ w,
        "affine": lambda: X @ w + exact([0.1, -2.0]),
        "products of columns": lambda: np.stack([X[:, 0] * X[:, 1], X.sum(axis=1)], axis=1),
        "square": lambda: (X @ w - exact(0.5)) ** 2,
        "mixed degrees": lambda: 3 * X[:, 0] ** 3 - X[:, 1] * exact(0.25) + 1,
        "gram": lambda: X.T @ X,
        "negative": lambda: exact(2.5) - X * X,
        "left": lambda: X.sum(axis=0),
        "joined": lambda: np.concatenate([X, X[:, :1] * X], axis=1),
        "all of it": lambda: X.sum() * X[0, 0],
        "reshaped": lambda: X.reshape(2, 6)[1:] - exact(0.3),
    }[name]()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_bounds_hold_and_say_the_scale_beforehand(name):
    function = FUNCTIONS[name]
    size = np.full((4, 3), 3.0)
    bound = function(Bounds.of_rows(FORM, size))
    tight = 0.0
    for seed in range(30):
        X = rows(seed)
        found = function(FieldNumbers(FORM, field.quantise(X, 5, LARGEST), 5))
        assert (found.bits, found.shape) == (bound.bits, bound.shape)
        values = field.lift(found.residues, found.bits, LARGEST)
        assert (np.abs(values) <= bound.size).all()
        off = np.abs(values - function(X))
        assert (off <= bound.error + 1e-12).all()
        tight = max(tight, float((off / bound.error).max()))
    assert tight > 0.02


def test_a_field_too_small_is_refused_with_the_bits_it_needs():
    size = np.full((1, 3), 3.0)

    def check(prime, bits):
        (Bounds.of_rows(Form(prime, bits, 7), size) @ np.full(3, 8.0)).check()

    # 72 with so many bits of fraction, and a sign
    check(65537, 8)
    text = (
        r"^code\.prime: a field of 17 bits is too small, the function needs 18 with data_bits = 9 "
        r"and parameter_bits = 7; wants a larger prime$"
    )
    with pytest.raises(ConfigError, match=text):
        check(65537, 9)
    with pytest.raises(ConfigError, match="wants fewer bits, at most 61 can be had"):
        check(LARGEST, 58)
    with pytest.raises(ConfigError, match="too large for any number"):
        (Bounds.of_rows(FORM, np.full(2, 1e200)) ** 2).check()


@pytest.mark.parametrize(
    "function",
    [
        np.abs,
        np.exp,
        lambda X: 1 / X,
        lambda X: X / X,
        lambda X: X**0.5,
        lambda X: X**-1,
        lambda X: X**0,
        lambda X: np.maximum(X, 0),
        lambda X: X * 1j,
        lambda X: X > 0,
        lambda X: np.sort(X),
        lambda X: X @ W[:2],
        lambda X: X[:, 7],
    ],
)
@pytest.mark.parametrize("kind", ["field", "bounds"])
def test_what_is_no_polynomial_fails(function, kind):
    if kind == "field":
        X = FieldNumbers(FORM, field.quantise(rows(), 5, LARGEST), 5)
    else:
        X = Bounds.of_rows(FORM, np.ones((4, 3)))
    with pytest.raises((TypeError, ValueError, IndexError)):
        function(X)
