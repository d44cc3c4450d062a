"""Numbers as residues, masks, interpolation modulo a prime."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from mpicode.codes.data import field
from mpicode.codes.data.field import LARGEST
from mpicode.errors import ConfigError, DataError

PRIMES = [2, 3, 11, 65537, 15485863, 2**24 - 3, 2**26 - 5, 2**31 - 1, LARGEST]


def test_primes_are_told_from_other_numbers():
    sieve = np.ones(20000, dtype=bool)
    sieve[:2] = False
    for n in range(2, 142):
        sieve[n * n :: n] &= not sieve[n]
    assert_array_equal([field.is_prime(n) for n in range(sieve.size)], sieve)
    # strong pseudoprimes to the bases 2; 2, 3, 5 and 7; 2 to 17; and Carmichael numbers
    for composite in (2047, 3215031751, 341550071728321, 561, 1105, (2**31 - 1) ** 2):
        assert not field.is_prime(composite)
    assert all(field.is_prime(p) for p in PRIMES)


@pytest.mark.parametrize("number", [-7, 0, 1, 4, 65536, 2**31, 2**31 + 11, 2**61, 2**89 - 1])
def test_what_the_kernels_cannot_calculate_with_is_refused(number):
    with pytest.raises(
        ConfigError, match=rf"code\.prime: wants a prime below 2\*\*31.*got {number}"
    ):
        field.check_prime(number)


@pytest.mark.parametrize("prime", PRIMES)
def test_what_the_kernels_can_calculate_with_is_not(prime):
    field.check_prime(prime)


@pytest.mark.parametrize("prime", [65537, 2**26 - 5, 2**31 - 1, LARGEST])
@pytest.mark.parametrize("bits", [0, 3, 8])
def test_numbers_come_back_rounded(prime, bits):
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.uniform(-100, 100, 500), [0.0, -0.0, 0.5, -0.5, 1.5, 2.5]])
    residues = field.quantise(values, bits, prime)
    assert residues.dtype == np.int64
    assert ((residues >= 0) & (residues < prime)).all()
    wanted = np.round(values * 2**bits) / 2**bits
    assert_array_equal(field.lift(residues, bits, prime), wanted)


@pytest.mark.parametrize("prime", [11, 65537, 2**31 - 1, LARGEST])
def test_the_largest_number_and_one_more(prime):
    half = prime // 2
    if prime == LARGEST:
        half = 2**60 - 2**7  # the next smaller number that float64 has
    both = field.quantise([half, -half], 0, prime)
    assert_array_equal(field.signed(both, prime), [half, -half])
    needed = field.bits_for(prime // 2 + 1)
    text = f"needs a field of {needed} bits, code.prime {prime} has {prime.bit_length()}$"
    for sign in (1.0, -1.0):
        with pytest.raises(DataError, match=text):
            field.quantise([0.0, sign * float(prime // 2 + 1)], 0, prime)


@pytest.mark.parametrize("largest", [0, 1, 5, 1000, 2**29, 2**40 - 1])
def test_every_prime_of_so_many_bits_has_room(largest):
    bits = field.bits_for(largest)
    assert 2 ** (bits - 1) > 2 * largest
    assert 2 ** (bits - 2) <= 2 * max(largest, 1)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e308])
def test_numbers_that_are_none_are_refused(value):
    with pytest.raises(DataError, match="field: a number is not finite, or too large for 8 bits"):
        field.quantise([1.0, value], 8, 65537)


@pytest.mark.parametrize("prime", [2, 3, 11, 65537, LARGEST])
def test_masks_are_uniform_and_never_the_same(prime):
    drawn = field.masks((40, 500), prime)
    assert drawn.dtype == np.int64
    assert drawn.shape == (40, 500)
    assert drawn.min() >= 0
    assert drawn.max() < prime
    assert not np.array_equal(drawn, field.masks((40, 500), prime))
    # in ten classes of equal size, chi-square with 9 degrees of freedom: above 60 once in 1e9
    n_classes = min(prime, 10)
    counts = np.bincount((drawn.astype(object) * n_classes // prime).astype(int).ravel())
    edges = [-(-i * prime // n_classes) for i in range(n_classes + 1)]
    expected = np.diff(edges).astype(float) / prime * drawn.size
    assert ((counts - expected) ** 2 / expected).sum() < 60


def test_masks_of_a_seed_repeat():
    first, again = (field.masks((3, 4), 101, np.random.default_rng(5)) for _ in range(2))
    assert_array_equal(first, again)
    assert field.masks((0,), 101).shape == (0,)


@pytest.mark.parametrize("prime", [11, 65537, LARGEST])
def test_interpolation_takes_a_polynomial_to_its_other_values(prime):
    rng = np.random.default_rng(1)
    coefficients = [int(c) for c in rng.integers(0, prime, 5)]

    def polynomial(x):
        return sum(c * x**k for k, c in enumerate(coefficients)) % prime

    points, targets = [1, 4, 6, 7, 10], [0, 2, 4, 9]
    matrix = field.interpolation(targets, points, prime)
    values = np.array([polynomial(x) for x in points], dtype=object)
    assert_array_equal(matrix.astype(object) @ values % prime, [polynomial(x) for x in targets])
    # a target that is a point has its value
    assert_array_equal(matrix[2], [0, 1, 0, 0, 0])
    assert_array_equal(field.interpolation([3], [8], prime), [[1]])
    assert field.interpolation([], points, prime).shape == (0, 5)
