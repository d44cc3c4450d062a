"""Least squares over a prime field: the integer reference, bit for bit, and the room it needs."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from mpicode import codes
from mpicode.codes.data import field
from mpicode.codes.data.field import LARGEST
from mpicode.codes.data.field_gradient import FieldGradient, squared
from mpicode.errors import ConfigError, DataError

K, ROWS, FEATURES = 2, 12, 5


def made(prime=LARGEST, data_bits=8, parameter_bits=12, largest_parameter=4.0):
    return FieldGradient(
        squared,
        prime,
        data_bits=data_bits,
        parameter_bits=parameter_bits,
        largest_parameter=largest_parameter,
    )


def data(seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((K, ROWS, FEATURES)), rng.standard_normal((K, ROWS))


def reference(of, X, y, w):
    """The gradient in Python's integers, which are as long as they must be."""
    X = np.rint(X.reshape(-1, FEATURES) * 2**of.data_bits).astype(int).astype(object)
    y = np.rint(y.ravel() * 2 ** (of.data_bits + of.form.parameter_bits)).astype(int).astype(object)
    w = np.rint(w * 2**of.form.parameter_bits).astype(int).astype(object)
    return (X.T @ (X @ w - y)).astype(float) / 2.0 ** (2 * of.data_bits + of.form.parameter_bits)


def coded(code, blocks):
    flat = blocks.reshape(len(blocks), -1).astype(object)
    total = (code.storage.astype(object) @ flat % code.prime).astype(np.int64)
    return total.reshape(code.n_workers, *blocks.shape[1:])


@pytest.mark.parametrize("prime", [2**31 - 1, LARGEST])
def test_descent_over_coded_blocks_equals_the_integer_reference(prime):
    """(S, A, T) = (2, 1, 1) at once, K = 2, degree 2: nine workers."""
    code = codes.make(
        "lagrange", n_workers=9, n_blocks=K, n_stragglers=2, n_corrupt=1, n_colluding=1, prime=prime
    )
    of = made(prime, 5, 6) if prime < LARGEST else made(prime)
    X, y = data()
    room = of.room(FEATURES)
    for block, labels in zip(X, y, strict=True):
        room.add(block, labels)
    room.check()
    rng = np.random.default_rng(1)
    shares = coded(code, np.concatenate([of.rows(X), field.masks((1, ROWS, FEATURES), prime)]))
    labels = coded(code, np.concatenate([of.labels(y), field.masks((1, ROWS), prime)]))
    w = np.zeros(FEATURES)
    for _ in range(25):
        sent = of.parameters(w)
        answers = [of.gradient(a, b, sent) for a, b in zip(shares, labels, strict=True)]
        liar, *late = rng.permutation(9)[:3]
        answers[liar] = rng.integers(0, prime, FEATURES)
        decoded = code.decode(answers, ~np.isin(np.arange(9), late))
        assert_array_equal(np.flatnonzero(decoded.corrupt), [liar])
        gradient = of.total(decoded.values)
        assert_array_equal(gradient, reference(of, X, y, w))
        w -= 0.03 * gradient
    rounded = np.linalg.lstsq(X.reshape(-1, FEATURES), y.ravel(), rcond=None)[0]
    assert_allclose(w, rounded, atol=0.1)


def test_what_is_added_already_is_the_same():
    of = made()
    values = np.random.default_rng(2).integers(0, LARGEST, (4, 7))
    total = values.astype(object).sum(axis=0) % LARGEST
    assert_array_equal(of.total(values), of.total(total.astype(np.int64)))


def test_the_room_that_is_counted_is_the_room_that_is_needed():
    # all numbers of one sign and the parameters as large as they may be: nothing cancels
    X, y = np.full((3, FEATURES), 0.5), np.full(3, -2.0)
    w = np.full(FEATURES, 4.0)
    of = made(data_bits=2, parameter_bits=3)
    room = of.room(FEATURES)
    room.add(X[:2], y[:2])
    room.add(X[2:], y[2:])
    largest = np.abs(reference(of, X, y, w)).max() * 2**7
    assert largest <= room.largest <= largest * (1 + 1e-6) + 1


def test_one_bit_more_is_one_too_many():
    X, y = data(3)
    prime = 2**31 - 1

    def fits(bits):
        of = made(prime, bits, bits)
        room = of.room(FEATURES)
        room.add(X.reshape(-1, FEATURES), y.ravel())
        room.check()
        return of

    bits = max(b for b in range(12) if not refused(lambda b=b: fits(b)))
    of = fits(bits)
    rng = np.random.default_rng(4)
    for _ in range(50):
        w = rng.choice([-4.0, 4.0], FEATURES)
        sent = of.parameters(w)
        values = [of.gradient(of.rows(a), of.labels(b), sent) for a, b in zip(X, y, strict=True)]
        found = of.total(np.array(values))
        assert_array_equal(found, reference(of, X, y, w))
    text = (
        rf"^code\.prime: a field of 31 bits is too small, the gradient needs (\d+) with "
        rf"data_bits = {bits + 1} and parameter_bits = {bits + 1}; wants a larger prime$"
    )
    with pytest.raises(ConfigError, match=text) as caught:
        fits(bits + 1)
    needed = int(str(caught.value).split("needs ")[1].split()[0])
    assert 31 < needed <= 31 + 4


def refused(call):
    try:
        call()
    except ConfigError:
        return True
    return False


def test_where_no_field_is_large_enough_that_is_said():
    of = made(data_bits=28, parameter_bits=28)
    room = of.room(2)
    room.add([[100.0, 1.0]], [1.0])
    with pytest.raises(ConfigError, match="wants fewer bits, at most 61 can be had"):
        room.check()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_none_are_refused(value):
    room = made().room(2)
    room.add([[value, 1.0]], [0.0])
    with pytest.raises(DataError, match="not finite"):
        room.check()
    with pytest.raises(DataError, match=r"parameter of magnitude (nan|inf) exceeds"):
        made().parameters(np.array([0.0, value]))


def test_parameters_larger_than_was_said_are_refused():
    with pytest.raises(DataError, match=r"magnitude 4\.5 exceeds field\.largest_parameter = 4$"):
        made().parameters(np.array([4.0, -4.5]))
    assert_array_equal(made().parameters(np.array([-4.0])), [LARGEST - 2**14])


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"prime": 100}, r"code\.prime: wants a prime"),
        ({"data_bits": -1}, r"field\.data_bits: wants 0 to 60 in a field of 61 bits, got -1"),
        ({"parameter_bits": 61}, r"field\.parameter_bits: wants 0 to 60 .*, got 61"),
        ({"largest_parameter": 0.0}, r"field\.largest_parameter: must be positive, got 0\.0"),
        ({"largest_parameter": np.nan}, r"field\.largest_parameter: must be positive, got nan"),
    ],
)
def test_impossible_numbers_are_named(change, text):
    with pytest.raises(ConfigError, match=text):
        made(**change)
