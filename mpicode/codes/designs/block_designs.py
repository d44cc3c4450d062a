"""Balanced incomplete block designs: any two workers share the same number of blocks."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import combinations

import numpy as np
import numpy.typing as npt

from .field import field, prime_power
from .known import Assignment, Known, choose

Incidence = npt.NDArray[np.bool_]

# With more blocks for each worker than this the blocks of any data would be tiny.
BLOCKS = 20


def bibd(n_workers: int, replication: int | None = None, load: int | None = None) -> Assignment:
    """Return a balanced incomplete block design, (n_blocks, n_workers) of 0 and 1.

    Each block is held by ``replication`` workers, each worker holds ``load`` blocks, and any two
    workers share ``overlap = load (replication - 1) / (n_workers - 1)`` blocks, so that
    ``A.T @ A = (load - overlap) I + overlap J``. Of the designs known for these numbers the one of
    least overlap is taken, and of these the one of fewest blocks: projective planes first.

    Raises `ConfigError` naming the nearest valid numbers where none is known.
    """
    return choose("block design", known_bibds, n_workers, replication, load)


def known_bibds(n: int) -> list[Known]:
    """Return the designs of ``n`` points, least overlap first, then fewest blocks.

    Hyperplanes of projective and affine spaces over finite fields, Steiner triple systems (Bose;
    Skolem), quadratic residues (Paley) and quartic residues (Lehmer), and the biplane of order 4.
    """
    found = [design for design in _families(n) if design.n_blocks <= BLOCKS * n]
    found.sort(key=lambda d: (_overlap(d, n), d.n_blocks))
    first: dict[int, Known] = {}
    for design in found:
        first.setdefault(design.replication, design)
    return list(first.values())


def _overlap(design: Known, n: int) -> int:
    return design.load * (design.replication - 1) // (n - 1)


def _families(n: int) -> Iterator[Known]:
    for dimension, q in _sizes(n):
        points = [(q**d - 1) // (q - 1) for d in range(dimension + 2)]
        if points[-1] == n:
            yield Known(n, points[-2], points[-2], partial(projective, dimension, q))
        if q**dimension == n and n > 4:
            yield Known(points[-1] - 1, points[-2], n // q, partial(affine, dimension, q))
    if n >= 7 and n % 6 in (1, 3):
        yield Known(n * (n - 1) // 6, (n - 1) // 2, 3, partial(triples, n))
    if n >= 7 and n % 4 == 3 and prime_power(n):
        yield Known(n, n // 2, n // 2, partial(residues, n, 2, False))
    for zero, rest in ((False, n - 1), (True, n - 9)):
        half = round(max(rest, 0) ** 0.5 / 2)
        if half % 2 and 4 * half * half == rest and n > 5 and prime_power(n) == (n, 1):
            size = (n - 1) // 4 + zero
            yield Known(n, size, size, partial(residues, n, 4, zero))
    if n == 16:
        yield Known(16, 6, 6, biplane)


def _sizes(n: int) -> Iterator[tuple[int, int]]:
    """Yield dimension and order of all spaces, 2-dimensional or more, of at most ``n`` points."""
    for q in range(2, int(n**0.5) + 1):
        if prime_power(q):
            dimension = 2
            while q**dimension <= n:
                yield dimension, q
                dimension += 1


def projective(dimension: int, q: int) -> Incidence:
    """Return which points lie on which hyperplanes of PG(dimension, q), (hyperplanes, points)."""
    f = field(q)
    vectors = np.arange(q ** (dimension + 1))[:, None] // q ** np.arange(dimension, -1, -1) % q
    leading = np.take_along_axis(vectors, np.argmax(vectors > 0, axis=1)[:, None], axis=1)[:, 0]
    points = vectors[leading == 1]
    product = np.zeros((len(points), len(points)), dtype=np.intp)
    for coordinate in points.T:
        product = f.add[product, f.multiply[coordinate[:, None], coordinate]]
    incidence: Incidence = product == 0
    return incidence


def affine(dimension: int, q: int) -> Incidence:
    """Return which points lie on which hyperplanes of AG(dimension, q), (hyperplanes, points).

    The projective space without one hyperplane and its points.
    """
    incidence = projective(dimension, q)
    rest = incidence[:, ~incidence[0]]
    return rest[rest.any(axis=1)]


def triples(n: int) -> Incidence:
    """Return a Steiner triple system: each pair of ``n`` = 1 or 3 mod 6 points in one triple.

    Points are ``3 x + level``, x in a commutative quasigroup; for n = 1 mod 6 one more point.
    """
    order = n // 3
    x = np.arange(order)
    if n % 6 == 3:
        times = (x[:, None] + x) * (order // 2 + 1) % order
        found = [(3 * i, 3 * i + 1, 3 * i + 2) for i in range(order)]
    else:
        half = order // 2
        total = (x[:, None] + x) % order
        times = total // 2 + half * (total % 2)
        found = [(3 * i, 3 * i + 1, 3 * i + 2) for i in range(half)]
        found += [
            (n - 1, 3 * (half + i) + level, 3 * i + (level + 1) % 3)
            for i in range(half)
            for level in range(3)
        ]
    found += [
        (3 * i + level, 3 * j + level, 3 * int(times[i, j]) + (level + 1) % 3)
        for i, j in combinations(range(order), 2)
        for level in range(3)
    ]
    incidence = np.zeros((len(found), n), dtype=bool)
    np.put_along_axis(incidence, np.array(found), True, axis=1)
    return incidence


def residues(q: int, exponent: int, zero: bool) -> Incidence:
    """Return the translates of the powers in the field of ``q`` elements, (q, q).

    A difference set for exponent 2 if q = 3 mod 4; for exponent 4 and a prime q = 4 t^2 + 1, or
    with ``zero`` also an element q = 4 t^2 + 9, t odd (D. H. Lehmer, Canad. J. Math. 5, 1953).
    """
    f = field(q)
    chosen = np.zeros(q, dtype=bool)
    chosen[f.powers(exponent)] = True
    chosen[0] = zero
    return chosen[f.subtract].T


def biplane() -> Incidence:
    """Return the (16, 6, 2) design: on a 4 x 4 board, the others of each cell's row and column."""
    row, column = np.divmod(np.arange(16), 4)
    incidence: Incidence = (row[:, None] == row) != (column[:, None] == column)
    return incidence
