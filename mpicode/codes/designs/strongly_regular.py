"""Strongly regular graphs: workers and blocks are vertices, a worker holds its neighbours."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import combinations

import numpy as np
import numpy.typing as npt

from .field import field, prime_power
from .known import Assignment, Known, choose

Adjacency = npt.NDArray[np.bool_]


def strongly_regular(n_workers: int, load: int | None = None) -> Assignment:
    """Return the adjacency of a strongly regular graph, (n_workers, n_workers) of 0 and 1.

    Every vertex has ``load`` neighbours; two adjacent vertices have ``lambda`` neighbours in common
    and two others ``mu``, so that ``A.T @ A = load I + lambda A + mu (J - I - A)``. Each block is
    held by ``load`` workers. All graphs here are vertex-transitive. Without ``load`` the least one
    known for these workers is taken.

    Raises `ConfigError` naming the nearest valid numbers where none is known.
    """
    return choose("strongly regular graph", known_strongly_regular, n_workers, None, load)


def known_strongly_regular(n: int) -> list[Known]:
    """Return the graphs of ``n`` vertices by ascending load, one for each.

    Paley's; points on common lines of some directions of a plane (rook's graph with two); edges of
    a complete graph that meet (triangular), or do not (Kneser, with 5 vertices Petersen's);
    Clebsch's and Hoffman's and Singleton's.
    """
    first: dict[int, Known] = {}
    for load, build in _families(n):
        first.setdefault(load, Known(n, load, load, build))
    return sorted(first.values(), key=lambda d: d.load)


def _families(n: int) -> Iterator[tuple[int, partial[Adjacency]]]:
    side = round(n**0.5)
    if n == side * side and side > 2:
        yield 2 * (side - 1), partial(rook, side)
        if prime_power(side):
            for directions in range(3, side // 2 + 2):
                yield directions * (side - 1), partial(lines, side, directions)
    if n % 4 == 1 and prime_power(n):
        yield (n - 1) // 2, partial(paley, n)
    points = round((2 * n) ** 0.5 + 0.5)
    if points >= 5 and points * (points - 1) == 2 * n:
        yield 2 * (points - 2), partial(triangular, points)
        yield (points - 2) * (points - 3) // 2, partial(kneser, points)
    if n == 16:
        yield 5, partial(clebsch)
    if n == 50:
        yield 7, partial(hoffman_singleton)


def paley(q: int) -> Adjacency:
    """Return which elements of the field differ by a square, (q, q), q = 1 mod 4."""
    f = field(q)
    adjacency: Adjacency = np.isin(f.subtract, f.powers(2))
    return adjacency


def lines(q: int, directions: int) -> Adjacency:
    """Return which points of the plane over q elements are on a line of the first directions."""
    f = field(q)
    y, x = np.divmod(np.arange(q * q), q)
    together: Adjacency = x[:, None] == x
    for slope in range(directions - 1):
        height = f.subtract[y, f.multiply[slope, x]]
        together |= height[:, None] == height
    np.fill_diagonal(together, False)
    return together


def rook(side: int) -> Adjacency:
    """Return which cells of a square board share a row or a column."""
    row, column = np.divmod(np.arange(side * side), side)
    adjacency: Adjacency = (row[:, None] == row) ^ (column[:, None] == column)
    return adjacency


def triangular(points: int) -> Adjacency:
    """Return which pairs of ``points`` share one."""
    pairs = np.array(list(combinations(range(points), 2)))
    common = (pairs[:, None, :, None] == pairs[:, None, :]).sum(axis=(2, 3))
    return np.asarray(common == 1)


def kneser(points: int) -> Adjacency:
    """Return which pairs of ``points`` share none."""
    return ~triangular(points) & ~np.eye(points * (points - 1) // 2, dtype=bool)


def clebsch() -> Adjacency:
    """Return which words of 4 bits differ in one bit or in all."""
    differ = np.bitwise_xor.outer(np.arange(16), np.arange(16))
    return np.isin(differ, [1, 2, 4, 8, 15])


def hoffman_singleton() -> Adjacency:
    """Return the graph of 5 pentagons and 5 pentagrams, (50, 50), in Robertson's construction."""
    star, ring, place = np.arange(50) // 25, np.arange(50) // 5 % 5, np.arange(50) % 5
    step = (place[:, None] - place) % 5
    within: Adjacency = (star[:, None] == star) & (ring[:, None] == ring)
    within &= np.where(star == 0, (step == 1) | (step == 4), (step == 2) | (step == 3))
    # pentagon h, vertex j; pentagram i, vertex h i + j
    across = (star[:, None] == 0) & (star == 1)
    across &= (ring[:, None] * ring + place[:, None] - place) % 5 == 0
    adjacency: Adjacency = within | across | across.T
    return adjacency
