"""Which values of a polynomial over a prime field are wrong: Reed-Solomon decoding.

S. Gao, "A new algorithm for decoding Reed-Solomon codes", 2003: two polynomials of which one
vanishes at all points and the other goes through all values; half of Euclid's algorithm on them.
Polynomials are lists of Python integers, the constant first, without zeros at the end.
"""

from __future__ import annotations

from collections.abc import Sequence

Polynomial = list[int]


def wrong_values(
    points: Sequence[int], values: Sequence[int], degree: int, prime: int
) -> list[int] | None:
    """Return the places at which ``values`` are not those of a polynomial of ``degree`` at most.

    points : (n,), distinct modulo the prime      values : (n,) residues

    There is one such polynomial at most that leaves no more than (n - degree - 1) // 2 places
    wrong; None where there is none.
    """
    n = len(points)
    if n <= degree:
        return None
    vanishing: Polynomial = [1]
    for point in points:
        vanishing = _times(vanishing, [-point % prime, 1], prime)
    through = _through(points, values, prime)
    # r_k = u_k * vanishing + v_k * through, of which v_k is followed
    r, before = through, vanishing
    v: Polynomial = [1]
    v_before: Polynomial = []
    while 2 * len(r) > n + degree + 2:  # its degree is not below (n + degree + 1) / 2 yet
        quotient, rest = _divided(before, r, prime)
        before, r = r, rest
        v_before, v = v, _minus(v_before, _times(quotient, v, prime), prime)
    found, rest = _divided(r, v, prime)
    if rest or len(found) > degree + 1:
        return None
    wrong = [
        place
        for place, (point, value) in enumerate(zip(points, values, strict=True))
        if _at(found, point, prime) != value % prime
    ]
    return wrong if 2 * len(wrong) <= n - degree - 1 else None


def _at(polynomial: Polynomial, point: int, prime: int) -> int:
    value = 0
    for coefficient in reversed(polynomial):
        value = (value * point + coefficient) % prime
    return value


def _trimmed(polynomial: Polynomial) -> Polynomial:
    while polynomial and polynomial[-1] == 0:
        polynomial.pop()
    return polynomial


def _minus(a: Polynomial, b: Polynomial, prime: int) -> Polynomial:
    size = max(len(a), len(b))
    a, b = a + [0] * (size - len(a)), b + [0] * (size - len(b))
    return _trimmed([(x - y) % prime for x, y in zip(a, b, strict=True)])


def _times(a: Polynomial, b: Polynomial, prime: int) -> Polynomial:
    product = [0] * max(len(a) + len(b) - 1, 0)
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            product[i + j] = (product[i + j] + x * y) % prime
    return _trimmed(product)


def _divided(a: Polynomial, b: Polynomial, prime: int) -> tuple[Polynomial, Polynomial]:
    """Return quotient and rest of ``a / b``."""
    rest, quotient = list(a), [0] * max(len(a) - len(b) + 1, 0)
    inverse = pow(b[-1], -1, prime)
    for shift in reversed(range(len(quotient))):
        factor = quotient[shift] = rest[shift + len(b) - 1] * inverse % prime
        if factor:
            for i, x in enumerate(b):
                rest[shift + i] = (rest[shift + i] - factor * x) % prime
    return _trimmed(quotient), _trimmed(rest)


def _through(points: Sequence[int], values: Sequence[int], prime: int) -> Polynomial:
    """Return the polynomial through all values, by Newton's divided differences."""
    differences = [value % prime for value in values]
    for step in range(1, len(points)):
        for i in reversed(range(step, len(points))):
            rise = differences[i] - differences[i - 1]
            differences[i] = rise * pow(points[i] - points[i - step], -1, prime) % prime
    polynomial: Polynomial = []
    for point, difference in zip(reversed(points), reversed(differences), strict=True):
        shifted = _times(polynomial, [-point % prime, 1], prime)
        polynomial = _minus(shifted, [-difference % prime], prime)
    return polynomial
