"""How much a decoding spline is smoothed: no more than its stability, or the noise, asks for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .spline import Matrix, Vector, smoothing_spline

# Penalties tried, of the mean of squares: half a decade apart, on a line from -1 to 1.
GRID = 10.0 ** (np.arange(-24, 5) / 2)
NOISY_GRID = GRID[(GRID > 0.9e-9) & (GRID < 11)]

# The largest sum of absolute weights of a value: what errors of the answers can grow by.
CAP = 4.0

# Cross-validation says nothing about a spline that follows every answer but for less than this.
FREE = 0.5

# Coordinates of the answers taken at once.
CHUNK = 1 << 16

# Factor of the penalty against corrupt answers.
CORRUPT = 0.02


def capped(knots: Vector, at: Vector, least: float = 0.0) -> Matrix:
    """Return the weights of the least smoothed splines that amplify no error more than `CAP` times.

    knots : (n,), ascending      at : (q,)
    least : of the penalty of the mean of squares

    Each value is smoothed for itself, just so much that its absolute weights sum to the cap: where
    answers are near it keeps to them, and only across a gap, where the interpolating spline would
    swing, it does not. Where so little is known that even the straight line through all answers
    amplifies more, as far away from a few neighbours, its slope is reduced: towards their mean.
    """
    weights = smoothing_spline(knots, at, knots.size * least)
    too_large = _above_cap(weights, np.arange(at.size))
    for penalty in GRID[least < GRID]:
        if not too_large.size:
            return weights
        weights[too_large] = smoothing_spline(knots, at[too_large], knots.size * penalty)
        too_large = _above_cap(weights, too_large)
    # The sum of absolute weights is convex in the weights, and that of the mean's is 1.
    sums = np.abs(weights[too_large]).sum(axis=1, keepdims=True)
    share = (CAP - 1) / (sums - 1)
    weights[too_large] = share * weights[too_large] + (1 - share) / knots.size
    return weights


def _above_cap(weights: Matrix, rows: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """Return those of the rows that amplify too much, by more than rounding."""
    above: npt.NDArray[np.bool_] = np.abs(weights[rows]).sum(axis=1) > CAP * (1 + 1e-9)
    return rows[above]


def cross_validated(knots: Vector, gram: Matrix) -> float:
    """Return the penalty of the mean of squares with the least generalized cross-validation score.

    knots : (n,), ascending      gram : (n, n), the inner products of the answers at the knots

    One penalty for all coordinates: n |(I - A) Y|^2 / (n - tr A)^2 is minimised, A being the matrix
    from answers to the smoothed answers (Craven and Wahba, Numerische Mathematik 31, 1979).
    """
    best, least = NOISY_GRID[-1], np.inf
    for penalty in NOISY_GRID:
        missed = np.eye(knots.size) - smoothing_spline(knots, knots, knots.size * penalty)
        free = np.trace(missed)
        if free < FREE:
            continue
        score = np.einsum("ij,jk,ik->", missed, gram, missed, optimize=True) / free**2
        if score < least:
            best, least = penalty, score
    return float(best)


def inner_products(vectors: Sequence[npt.NDArray[Any]]) -> Matrix:
    """Return the inner products of the vectors less their mean, (n, n), in double precision.

    A spline passes a common part through, so that no score depends on it; but rounding would.
    """
    n = len(vectors)
    gram = np.zeros((n, n))
    for start in range(0, vectors[0].size, CHUNK):
        part = np.array([v[start : start + CHUNK] for v in vectors], dtype=float)
        with np.errstate(invalid="ignore", over="ignore"):
            part -= part.mean(axis=0)
            gram += part @ part.T
    return gram


def against_corrupt(n_corrupt: int, n_workers: int) -> float:
    """Return the penalty of the mean of squares for so many corrupt answers among all.

    It grows as N^(8/5 (a - 1)) for N^a corrupt ones, at which what they can shift and what is
    smoothed away fall alike, as N^(6/5 (a - 1)) (arXiv:2502.08058, whose rate this is).
    """
    return float(CORRUPT * (n_corrupt / n_workers) ** 1.6)
