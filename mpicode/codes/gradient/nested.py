"""Encodings of Ye and Abbe's kind, from two nested spaces of real vectors."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]


def from_functionals(outside: Matrix, readout: Matrix) -> Matrix:
    """Return the encoding whose vectors `outside` annihilates and `readout` reads as segments.

    outside : (s, n), any s columns independent      readout : (m, n)

    Block j is held by the d = s + m workers j, j - 1, ..., j - d + 1 (mod n). Its columns, one per
    segment, are the vectors on them that are orthogonal to `outside` and give a unit vector under
    `readout`: one system of d x d per block. Returns (n, m * n).
    """
    s, n = outside.shape
    m = len(readout)
    held = (np.arange(n)[:, None] - np.arange(s + m)) % n
    systems = np.concatenate([outside, readout])[:, held].transpose(1, 0, 2)
    columns = np.linalg.solve(systems, np.eye(s + m)[:, s:])
    encoding = np.zeros((n, m, n))
    for block in range(n):
        encoding[held[block], :, block] = columns[block]
    return encoding.reshape(n, m * n)


def from_matrix(matrix: Matrix, n_segments: int) -> Matrix:
    """Return the encoding for V (n - s, n), of which any n - s columns are independent.

    So must be any n - s - m columns of its first n - s - m rows. Messages are combinations of the
    rows of V, and the segments are the coefficients of the last m: block j has the coefficients
    ``[R_j | I]``, R_j such that they cancel at the workers without it. Coefficients are read by the
    rows of V's pseudo-inverse.
    """
    outside = np.linalg.qr(matrix.T, mode="complete")[0][:, len(matrix) :].T
    inverse = np.linalg.pinv(matrix).astype(float)
    return from_functionals(outside, inverse.T[len(matrix) - n_segments :])


def from_waves(n: int, s: int, m: int, stride: int, gap: int = 0) -> Matrix:
    """Return the encoding for sines and cosines at n of n + gap equidistant points of a circle.

    Worker i is at point ``stride * i`` modulo n. The vectors orthogonal to the messages are the s
    slowest waves (of frequencies symmetric about 0, so halves of odd numbers if s is even), those
    orthogonal to a block's workers are combined from s + m. Any t columns of t such waves are
    independent (Vandermonde). The first are to lie among the second; for odd m they do once they
    are multiplied by an odd wave of degree m / 2, here the beginning of a square wave's series.
    Such a wave has a zero, where the gap keeps the points away from it: a quarter of the circle
    lowers the amplification a hundredfold at 30 workers (measured).
    """
    steps = (stride * np.arange(n) % n).astype(float) + (1 + gap) / 2
    turns = 2 * np.pi / (n + gap) * steps
    factor = np.ones(n)
    if m % 2:
        orders = np.arange(1, m + 1, 2)[:, None]
        factor = (np.sin(orders / 2 * turns) / orders).sum(axis=0)
    slow, fast = _waves(turns, s), _waves(turns, s + m)
    half = m // 2
    basis = np.concatenate([factor * slow, fast[:half], fast[s + half :]])
    outside, readout = np.split(_orthonormal(basis), [s])
    # Once more for messages scaled to the same norm, else the weakest would have fewer digits: the
    # same encoding but for the scale.
    norms = np.linalg.norm(from_functionals(outside, readout), axis=1)
    outside, readout = _orthonormal(outside * norms), readout * norms
    return from_functionals(outside, readout - readout @ outside.T @ outside)


def from_draw(n: int, s: int, m: int, rng: np.random.Generator, *, orthonormal: bool) -> Matrix:
    """Return the encoding for a matrix V of normal numbers, its rows made orthonormal or not."""
    matrix = rng.standard_normal((n - s, n))
    return from_matrix(_orthonormal(matrix) if orthonormal else matrix, m)


def from_points(points: Matrix, s: int, m: int) -> Matrix:
    """Return the encoding by polynomials at ``points``, (n,), as in section IV of the paper.

    The first segment of block j is ``p(x)``, monic, with zeros at the points of the n - d workers
    without the block; segment u + 1 is ``x`` times segment u plus ``h_u p(x)``, which cancels the
    coefficient at degree n - d (h_u: the complete homogeneous symmetric polynomial of the zeros).
    So the coefficients at degrees n - d to n - s - 1 are unit vectors.
    """
    n, d = len(points), s + m
    encoding = np.zeros((n, m, n))
    for block in range(n):
        held = (block - np.arange(d)) % n
        zeros = points[(block + 1 + np.arange(n - d)) % n]
        symmetric = np.zeros(m)
        symmetric[0] = 1.0
        for zero in zeros:
            for u in range(1, m):
                symmetric[u] += zero * symmetric[u - 1]
        x = points[held]
        first, factor = np.prod(x[:, None] - zeros, axis=1), np.zeros(d)
        for u in range(m):
            factor = x * factor + symmetric[u]
            encoding[held, u, block] = first * factor
    return encoding.reshape(n, m * n)


def _waves(turns: Matrix, count: int) -> Matrix:
    """Return the ``count`` slowest real waves at angles ``turns``, (count, n)."""
    frequency = (np.arange(count) - (count - 1) / 2)[:, None]
    phase = frequency * turns
    return np.where(frequency >= 0, np.cos(phase), np.sin(phase))


def _orthonormal(rows: Matrix) -> Matrix:
    """Return what Gram and Schmidt make of the rows: the same on every host but for rounding."""
    columns, triangle = np.linalg.qr(rows.T)
    orthonormal: Matrix = (columns * np.sign(np.diag(triangle))).T
    return orthonormal
