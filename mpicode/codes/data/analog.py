"""Interpolation over the reals and complex numbers, and which values of a polynomial are wrong.

The same as over a field, except that everything is true up to rounding, which grows with what the
points leave to be extrapolated.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

# Two answers agree if they differ by less than this, relative to the answer in the middle.
AGREEMENT = {np.dtype(np.float32): 1e-3}
AGREEMENT_DOUBLE = 1e-9

# Random sums of each answer that are looked at instead of the answer.
PROJECTIONS = 4


class Found(NamedTuple):
    """Which answers are wrong, and how far the others are from agreeing."""

    wrong: npt.NDArray[np.bool_]
    residual: float


def interpolation(targets: Array, points: Array) -> Array:
    """Return the matrix that takes a polynomial's values at ``points`` to those at ``targets``.

    targets : (m,)      points : (n,), distinct      returns (m, n), by Lagrange's formula
    """
    matrix = np.empty((targets.size, points.size), dtype=np.result_type(targets, points))
    for i, point in enumerate(points):
        others = np.delete(points, i)
        matrix[:, i] = np.prod((targets[:, None] - others) / (point - others), axis=1)
    return matrix


def powers(at: Array, degree: int, scale: Array) -> Array:
    """Return a basis of the polynomials of ``degree`` at the points ``at``, (n, degree + 1).

    On the circle powers of z; on a line Chebyshev polynomials, between the ends of ``scale``.
    """
    if at.dtype.kind == "c":
        return np.vander(at, degree + 1, increasing=True)
    low, high = scale.min(), scale.max()
    middle, half = (low + high) / 2, (high - low) / 2 or 1.0
    return np.polynomial.chebyshev.chebvander((at - middle) / half, degree)


def coefficients(targets: Array, points: Array, degree: int, scale: Array) -> Array:
    """Return the smallest matrix that takes values at ``points`` to those at ``targets``.

    It is exact for polynomials of ``degree``, below the number of points, and smallest in the sum
    of squares, so that it amplifies rounding least.
    """
    if points.size == degree + 1:
        return interpolation(targets, points)
    at_points, at_targets = powers(points, degree, scale), powers(targets, degree, scale)
    matrix: Array = np.linalg.lstsq(at_points.T, at_targets.T, rcond=None)[0].T
    return matrix


def wrong_answers(
    points: Array, answers: Sequence[Array], degree: int, most: int, scale: Array
) -> Found | None:
    """Return which answers are not values of the polynomial that the others lie on.

    points  : (n,)      answers : n vectors      degree : of the polynomial
    most    : wrong answers looked for at most, degree + 1 + 2 most <= n

    None where no ``n - most`` of them agree. Answers that are not finite are wrong.
    """
    n = points.size
    agreement = AGREEMENT.get(answers[0].dtype, AGREEMENT_DOUBLE)
    sums = _projected(answers)
    excluded = np.array([not np.isfinite(row).all() for row in sums])
    while excluded.sum() <= most:
        inside = np.flatnonzero(~excluded)
        left = most - (n - inside.size)
        suspects = _suspects(points[inside], sums[inside], degree, left)
        trusted = np.delete(inside, suspects)
        fitted = coefficients(points, points[trusted], degree, scale) @ sums[trusted]
        with np.errstate(invalid="ignore", over="ignore"):
            errors = np.abs(fitted - sums).max(axis=1)
        size = float(np.median(np.abs(sums[inside]).max(axis=1)))
        bound = agreement * size
        inconsistent = float(errors[trusted].max())
        if inconsistent <= bound:
            wrong = ~(errors <= bound)
            if wrong.sum() > most:
                return None
            right = errors[~wrong]
            return Found(wrong, float(right.max()) / size if size else 0.0)
        # An error that dwarfs the others hides them: it is taken out, and they are looked for anew.
        dominant = suspects[errors[inside][suspects] > 1e3 * inconsistent]
        if not dominant.size:
            largest = errors[inside][suspects].max(initial=0.0)
            dominant = suspects[errors[inside][suspects] == largest]
        if not dominant.size:
            return None
        excluded[inside[dominant]] = True
    return None


def _projected(answers: Sequence[Array]) -> Array:
    """Return random sums of each answer, (n, PROJECTIONS); nobody knows the weights beforehand."""
    rng = np.random.default_rng(secrets.randbits(256))
    # uniform numbers are drawn faster than normal ones, and hide an error as seldom: never
    weights = rng.random((answers[0].size, PROJECTIONS)) - 0.5
    with np.errstate(invalid="ignore", over="ignore"):
        return np.array([answer @ weights for answer in answers])


def _suspects(points: Array, sums: Array, degree: int, count: int) -> npt.NDArray[np.intp]:
    """Return ``count`` places, among them the wrong ones if there are no more (Prony's method).

    With v_i = 1 / prod_j (x_i - x_j), the sums over i of v_i x_i^r y_i vanish for r up to
    n - degree - 2 where y are values of the polynomial. What errors leave of them is a sum of
    geometric series, one per error, whose ratios x_i are the zeros of a polynomial: the null vector
    of the Hankel matrix made of them.
    """
    if count == 0:
        return np.empty(0, dtype=np.intp)
    n = points.size
    gaps = points[:, None] - points
    np.fill_diagonal(gaps, 1.0)
    # by logarithms, since the products may leave the range of numbers
    size = np.log(np.abs(gaps)).sum(axis=1)
    v = np.exp(size.mean() - size) / np.prod(gaps / np.abs(gaps), axis=1)
    n_sums = n - degree - 1
    at = powers_of(points, n_sums)
    series = (at * v[:, None]).T @ sums  # (n_sums, PROJECTIONS)
    windows = np.lib.stride_tricks.sliding_window_view(series, count + 1, axis=0)
    hankel = windows.reshape(-1, count + 1)
    null = np.linalg.svd(hankel)[2][-1].conj()
    located = np.abs(at[:, : count + 1] @ null)
    return np.argsort(located, kind="stable")[:count]


def powers_of(points: Array, count: int) -> Array:
    """Return the powers of the points, scaled into the unit circle, (n, count)."""
    return np.vander(points / np.abs(points).max(), count, increasing=True)
