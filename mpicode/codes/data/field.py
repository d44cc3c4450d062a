"""Arithmetic modulo a prime: numbers written as residues, masks, and interpolation.

Residues are int64 in [0, prime). Large arrays go through `mpicode.kernels`; the few numbers of an
interpolation are Python integers, which no prime is too large for.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ...errors import ConfigError, DataError
from ...kernels import MERSENNE_61

Residues = npt.NDArray[np.int64]

# Room for 60 bits and a sign, and the kernels are as fast as memory with it: the usual choice.
LARGEST = MERSENNE_61

# Bases with which the test of Miller and Rabin is right for every number below 2 ** 64.
_WITNESSES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37)


def is_prime(number: int) -> bool:
    """Return whether a number below 2 ** 64 is prime (Miller & Rabin)."""
    if number < 2 or any(number % small == 0 for small in _WITNESSES):
        return number in _WITNESSES
    odd, twos = number - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for base in _WITNESSES:
        power = pow(base, odd, number)
        if power in (1, number - 1):
            continue
        for _ in range(twos - 1):
            power = power * power % number
            if power == number - 1:
                break
        else:
            return False
    return True


def check_prime(prime: int) -> None:
    """Raise `ConfigError` unless the kernels can calculate modulo ``prime``."""
    if not (is_prime(prime) and (prime < 2**31 or prime == LARGEST)):
        raise ConfigError(
            f"code.prime: wants a prime below 2**31, or 2**61 - 1 = {LARGEST}, got {prime}"
        )


def quantise(values: npt.ArrayLike, bits: int, prime: int) -> Residues:
    """Return ``round(2 ** bits * values)`` modulo ``prime``; ties go to the even number.

    Raises `DataError` where a number is not finite, or has no residue of its own: its magnitude
    must be below prime / 2.
    """
    with np.errstate(over="ignore"):
        scaled = np.rint(np.ldexp(np.asarray(values, dtype=np.float64), bits))
    if not np.isfinite(scaled).all():
        raise DataError(f"field: a number is not finite, or too large for {bits} bits of fraction")
    largest = float(np.abs(scaled).max(initial=0.0))
    if largest >= prime / 2:
        raise DataError(
            f"field: the largest number, {math.ldexp(largest, -bits):.6g}, with {bits} bits of "
            f"fraction needs a field of {bits_for(int(largest))} bits, code.prime {prime} has "
            f"{prime.bit_length()}"
        )
    whole = scaled.astype(np.int64)
    return np.where(whole < 0, whole + prime, whole)


def signed(residues: Residues, prime: int) -> Residues:
    """Return the number nearest to 0 of each residue, in (-prime / 2, prime / 2)."""
    return np.where(residues > prime // 2, residues - prime, residues)


def lift(residues: Residues, bits: int, prime: int) -> npt.NDArray[np.float64]:
    """Return the numbers that `quantise` wrote, their fraction having ``bits`` bits."""
    return np.ldexp(signed(residues, prime).astype(np.float64), -bits)


def bits_for(largest: int) -> int:
    """Return how many bits a prime must have for numbers of magnitude up to ``largest``.

    Every prime of so many bits is above ``2 * largest``.
    """
    return (2 * abs(largest)).bit_length() + 1


def check_room(prime: int, largest: float, what: str, data_bits: int, parameter_bits: int) -> None:
    """Raise `ConfigError` where the field is too small for numbers of magnitude ``largest``.

    what : which these numbers are of
    """
    if 2 * largest < prime:
        return
    if not math.isfinite(largest):
        raise ConfigError(f"code.prime: the {what} of these rows may be too large for any number")
    needed, most = bits_for(math.ceil(largest)), LARGEST.bit_length()
    remedy = "a larger prime" if needed <= most else f"fewer bits, at most {most} can be had"
    raise ConfigError(
        f"code.prime: a field of {prime.bit_length()} bits is too small, the {what} needs "
        f"{needed} with data_bits = {data_bits} and parameter_bits = {parameter_bits}; "
        f"wants {remedy}"
    )


def add(a: Residues, b: Residues, prime: int) -> Residues:
    """Return the sums, element by element."""
    found = np.asarray(a + b)  # of two residues: below 2 ** 62
    found[found >= prime] -= prime
    return found


def product(a: Residues, b: Residues | np.int64, prime: int) -> Residues:
    """Return the products, element by element, exactly."""
    if prime < 2**31:
        return np.asarray(a * b % prime)
    # 2**61 = 1 modulo the prime: of halves of 31 bits, no sum reaches 2**64
    low = np.uint64(2**31 - 1)
    a, b = np.asarray(a).astype(np.uint64), np.asarray(b).astype(np.uint64)
    a_high, a_low, b_high, b_low = a >> 31, a & low, b >> 31, b & low
    middle = a_high * b_low + a_low * b_high
    found = 2 * (a_high * b_high) + (middle >> 30) + ((middle & (low >> 1)) << 31)
    found = _folded(_folded(found) + a_low * b_low)
    return np.where(found == prime, 0, found).astype(np.int64)


def _folded(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Return what is the same modulo 2**61 - 1, not above that."""
    once = (values & np.uint64(LARGEST)) + (values >> 61)
    found: npt.NDArray[np.uint64] = once - np.uint64(LARGEST) * (once > LARGEST)
    return found


def total(values: Residues, axis: int, prime: int) -> Residues:
    """Return the sums along an axis of up to 2 ** 31 residues."""
    high, low = values >> 31, values & (2**31 - 1)
    above = product(high.sum(axis=axis) % prime, np.int64(2**31 % prime), prime)
    return add(above, low.sum(axis=axis) % prime, prime)


def masks(shape: tuple[int, ...], prime: int, rng: np.random.Generator | None = None) -> Residues:
    """Return uniform residues, (shape).

    They come from the operating system's entropy, by rejection, so that nobody can guess them; from
    ``rng``, for tests alone, where one is given.
    """
    if rng is not None:
        return rng.integers(0, prime, shape, dtype=np.int64)
    wanted = math.prod(shape)
    out = np.empty(wanted, dtype=np.int64)
    filled, below = 0, np.uint64(2 ** (prime - 1).bit_length() - 1)
    while filled < wanted:
        # a little more than is missing, since up to half of it is rejected
        drawn = np.frombuffer(secrets.token_bytes(8 * (wanted - filled + 16)), dtype=np.uint64)
        kept = drawn & below
        kept = kept[kept < prime][: wanted - filled]
        out[filled : filled + kept.size] = kept
        filled += kept.size
    return out.reshape(shape)


def interpolation(targets: Sequence[int], points: Sequence[int], prime: int) -> Residues:
    """Return the matrix that takes a polynomial's values at ``points`` to those at ``targets``.

    targets : (m,)      points : (n,), distinct modulo the prime      returns (m, n)

    Lagrange's formula: it is exact for polynomials of degree below n.
    """
    scales = [
        pow(math.prod(p - q for j, q in enumerate(points) if j != i), -1, prime)
        for i, p in enumerate(points)
    ]
    rows = np.empty((len(targets), len(points)), dtype=np.int64)
    for row, target in zip(rows, targets, strict=True):
        row[:] = [
            number * scale % prime
            for number, scale in zip(_without_each(target, points, prime), scales, strict=True)
        ]
    return rows


def _without_each(target: int, points: Sequence[int], prime: int) -> list[int]:
    """Return, for each i, the product of ``target - points[j]`` over all other j."""
    gaps = [target - point for point in points]
    before = [1]
    for gap in gaps[:-1]:
        before.append(before[-1] * gap % prime)
    after = 1
    for i in reversed(range(len(gaps))):
        before[i] = before[i] * after % prime
        after = after * gaps[i] % prime
    return before


def multiply(a: Residues, b: Residues, prime: int) -> Residues:
    """Return the matrix product ``a @ b`` of two small matrices, exactly."""
    return np.array(a.astype(object) @ b.astype(object) % prime, dtype=np.int64)
