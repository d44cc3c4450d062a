"""Arithmetic modulo a prime: against Python's integers, at the edge of every accumulator."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

LARGEST = 2**61 - 1
PRIMES = [2, 3, 65537, 15485863, 2**24 - 3, 2**26 - 5, 2**31 - 1, LARGEST]


def chunk(prime):
    """How many products of the largest residues an accumulator holds, beside one residue."""
    room = 2**128 if prime == LARGEST else 2**64
    return (room - 1 - (prime - 1)) // (prime - 1) ** 2


def drawn(shape, prime, seed=0):
    return np.random.default_rng(seed).integers(0, prime, shape)


def exact(a, b, prime):
    return (a.astype(object) @ b.astype(object) % prime).astype(np.int64)


def new(*shape):
    return np.full(shape, -1, dtype=np.int64)


@pytest.mark.parametrize("prime", PRIMES)
@pytest.mark.parametrize(
    ("count", "size"), [(0, 5), (1, 1), (3, 0), (9, 1023), (5, 1024), (4, 2500)]
)
def test_combine(kernels, prime, count, size):
    vectors = drawn((count, size), prime)
    for n_rows in (None, 1, 3):
        shape = (count,) if n_rows is None else (n_rows, count)
        factors = drawn(shape, prime, 1)
        out = new(*shape[:-1], size)
        assert kernels.modular_combine(factors, list(vectors), prime, out) is out
        assert_array_equal(out, exact(factors, vectors, prime))
        again = new(*out.shape)
        assert_array_equal(kernels.modular_combine(factors, vectors, prime, again), out)


@pytest.mark.parametrize("prime", PRIMES)
@pytest.mark.parametrize("columns", [None, 1, 2, 7, 1030])
@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (1, 1), (7, 20), (20, 7), (2, 2100)])
def test_products(kernels, prime, columns, shape):
    if columns == 1030 and 2100 in shape:
        pytest.skip("both are long")
    X = drawn(shape, prime)
    more = () if columns is None else (columns,)
    x, residual = drawn((shape[1], *more), prime, 1), drawn((shape[0], *more), prime, 2)
    out = new(shape[0], *more)
    assert kernels.modular_dot(X, x, prime, out) is out
    assert_array_equal(out, exact(X, x, prime))
    out = new(shape[1], *more)
    assert kernels.modular_transpose_dot(X, residual, prime, out) is out
    assert_array_equal(out, exact(X.T, residual, prime))


@pytest.mark.parametrize("prime", [p for p in PRIMES if chunk(p) < 100_000])
@pytest.mark.parametrize("beyond", [-1, 0, 1])
def test_the_largest_numbers_just_before_and_after_an_accumulator_is_full(compiled, prime, beyond):
    kernels = compiled
    count = chunk(prime) + beyond
    for times in (1, 2):
        n = times * count
        full = np.full(n, prime - 1, dtype=np.int64)
        wanted = n % prime  # (-1) * (-1), n times
        assert kernels.modular_dot(full[None], full, prime, new(1)) == wanted
        both = kernels.modular_dot(full[None], np.stack([full, full], 1), prime, new(1, 2))
        assert_array_equal(both, [[wanted, wanted]])
        assert kernels.modular_transpose_dot(full[:, None], full, prime, new(1)) == wanted
        assert kernels.modular_combine(full, full[:, None], prime, new(1)) == wanted


def test_the_chunks_are_those_of_the_table():
    # a signed accumulator without the residue holds half of these
    assert [chunk(p) for p in (65537, 15485863, 2**24 - 3, 2**26 - 5, 2**31 - 1, LARGEST)] == [
        4294967295,
        76921,
        65536,
        4096,
        4,
        64,
    ]


@pytest.mark.parametrize("prime", [65537, LARGEST])
def test_long_sums_of_large_numbers(kernels, prime):
    n = 50_000
    full = np.full(n, prime - 1, dtype=np.int64)
    assert kernels.modular_dot(full[None], full, prime, new(1)) == n % prime


@pytest.mark.parametrize("prime", [65537, LARGEST])
def test_what_has_coefficient_0_is_not_looked_at(kernels, prime):
    vectors = [drawn(4, prime), None, np.full(4, -9), drawn(4, prime, 1)]
    factors = np.array([[2, 0, 0, 0], [1, 0, 0, 5]])
    out = kernels.modular_combine(factors, vectors, prime, new(2, 4))
    used = np.stack([vectors[0], vectors[3]])
    assert_array_equal(out, exact(factors[:, [0, 3]], used, prime))
    out = kernels.modular_combine(np.zeros(2, dtype=np.int64), [None, None], prime, new(3))
    assert_array_equal(out, [0, 0, 0])


ONE = np.ones(3, dtype=np.int64)
SQUARE = np.ones((3, 3), dtype=np.int64)


@pytest.mark.parametrize("prime", [65537, 2**31 - 1, LARGEST])
@pytest.mark.parametrize("wrong", [-1, -(2**63), "prime", 2**63 - 1])
def test_numbers_out_of_range_are_named(kernels, prime, wrong):
    wrong = prime if wrong == "prime" else wrong
    said = rf"holds {wrong}, wants 0 to {prime - 1}"
    bad = ONE.copy()
    bad[1] = wrong
    matrix = np.stack([ONE, bad, ONE])
    combine, dot, transpose = (
        kernels.modular_combine,
        kernels.modular_dot,
        kernels.modular_transpose_dot,
    )
    for name, call in (
        (r"vectors\[2\]", lambda: combine(ONE, [ONE, ONE, bad], prime, new(3))),
        (r"vectors\[0\]", lambda: combine(SQUARE, [bad, ONE, ONE], prime, new(3, 3))),
        ("coefficients", lambda: combine(bad, [ONE, ONE, ONE], prime, new(3))),
        ("X", lambda: dot(matrix, ONE, prime, new(3))),
        ("X", lambda: dot(matrix, SQUARE, prime, new(3, 3))),
        ("x", lambda: dot(SQUARE, bad, prime, new(3))),
        ("X", lambda: transpose(matrix, ONE, prime, new(3))),
        ("X", lambda: transpose(matrix, SQUARE, prime, new(3, 3))),
        ("residual", lambda: transpose(SQUARE, bad, prime, new(3))),
    ):
        with pytest.raises(ValueError, match=f"^{name}: {said}$"):
            call()


@pytest.mark.parametrize("prime", [0, 1, -5, 2**31, 2**61, 2**64 + 65537, 7.0, "7", None])
def test_primes_that_would_overflow_are_refused(kernels, prime):
    for call in (
        lambda: kernels.modular_combine(ONE, [ONE] * 3, prime, new(3)),
        lambda: kernels.modular_dot(SQUARE, ONE, prime, new(3)),
        lambda: kernels.modular_transpose_dot(SQUARE, ONE, prime, new(3)),
    ):
        with pytest.raises(ValueError, match=r"prime: wants one below 2\*\*31, or .*, got"):
            call()


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ((ONE.astype(float), [ONE] * 3, new(3)), TypeError, "coefficients: wants int64"),
        ((ONE, [ONE] * 2, new(3)), ValueError, "coefficients: 3 of them for 2 vectors"),
        ((ONE, [ONE, ONE, ONE[:2]], new(3)), ValueError, r"vectors\[2\]: has shape \(2,\)"),
        ((ONE, [ONE, ONE, [1, 1, 1]], new(3)), TypeError, r"vectors\[2\]: wants a numpy array"),
        ((ONE, [ONE, ONE, ONE.astype("i4")], new(3)), TypeError, r"vectors\[2\]: wants int64"),
        ((ONE, 5, new(3)), TypeError, "vectors: wants a sequence, got int"),
        ((ONE, [ONE] * 3, new(3).astype("u8")), TypeError, "out: wants int64, got <u8"),
        ((ONE, [ONE] * 3, new(3, 3)), ValueError, r"out: wants 1 dimension\(s\), got shape"),
        ((SQUARE, [ONE] * 3, new(2, 3)), ValueError, "out: has 2 rows, but coefficients has 3"),
        ((ONE, [ONE] * 3, new(6)[::2]), ValueError, "out: must be C-contiguous"),
    ],
)
def test_arguments_of_combine_that_do_not_fit(kernels, arguments, error, text):
    factors, vectors, out = arguments
    with pytest.raises(error, match=text):
        kernels.modular_combine(factors, vectors, 65537, out)


@pytest.mark.parametrize("name", ["modular_dot", "modular_transpose_dot"])
@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ((ONE, ONE, new(3)), ValueError, r"X: wants 2 dimension\(s\)"),
        ((SQUARE.astype(float), ONE, new(3)), TypeError, "X: wants int64"),
        ((SQUARE.T[:, :2], ONE, new(3)), ValueError, "X: must be C-contiguous"),
        ((SQUARE, ONE[:2], new(3)), ValueError, r": has shape \(2,\), but X wants \(3,\)"),
        ((SQUARE, ONE, new(2)), ValueError, r"out: has shape \(2,\)"),
        ((SQUARE, SQUARE, new(3)), ValueError, r"out: wants 2 dimension\(s\)"),
        ((SQUARE, SQUARE, new(3, 2)), ValueError, r"out: has shape \(3, 2\)"),
        ((SQUARE, None, new(3)), TypeError, ": wants a numpy array, got NoneType"),
    ],
)
def test_arguments_of_products_that_do_not_fit(kernels, name, arguments, error, text):
    X, x, out = arguments
    with pytest.raises(error, match=text):
        getattr(kernels, name)(X, x, 65537, out)


def test_results_must_lie_apart_from_what_they_are_made_of(kernels):
    room = np.ones((4, 3), dtype=np.int64)
    with pytest.raises(ValueError, match=r"vectors\[1\]: overlaps out"):
        kernels.modular_combine(ONE[:2], [ONE, room[0]], 65537, room[0])
    with pytest.raises(ValueError, match="coefficients: overlaps out"):
        kernels.modular_combine(room[0], [ONE] * 3, 65537, room[0])
    with pytest.raises(ValueError, match="x: overlaps out"):
        kernels.modular_dot(SQUARE, room[0], 65537, room[0])
    with pytest.raises(ValueError, match="X: overlaps out"):
        kernels.modular_transpose_dot(room[:3], ONE, 65537, room[0])


@pytest.mark.parametrize("n", [2**20 - 1, 2**20, 2**20 + 1, 2**21 + 5])
def test_sums_that_are_kept_in_halves(compiled, n):
    prime = 2**31 - 1
    full = np.full(n, prime - 1, dtype=np.int64)
    assert compiled.modular_dot(full[None], full, prime, new(1)) == n % prime
