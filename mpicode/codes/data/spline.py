"""The natural cubic smoothing spline as a linear operator.

Green and Silverman, "Nonparametric Regression and Generalized Linear Models", 1994, section 2.3
(the algorithm of Reinsch, Numerische Mathematik 10, 1967).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.linalg import solveh_banded

from ...errors import ConfigError

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]


def smoothing_spline(knots: Vector, at: Vector, penalty: float) -> Matrix:
    """Return the weights of values at the knots in the spline's values, (at.size, knots.size).

    knots   : (n,), ascending, no two alike; of two the spline is the line through them, of one the
              constant
    at      : (q,), anywhere; beyond the knots the spline goes on as a straight line
    penalty : of ``sum_i (y_i - g(knots_i))**2 + penalty * integral of g''**2``, which the spline
              minimises over all g; 0 interpolates. Where the mean of the squares stands in place of
              the sum, this is n times the penalty

    In O(n q): one banded system. It is scaled to a unit diagonal first, without which points that
    crowd as Chebyshev points do would cost most of its digits. Rows sum to 1 and straight lines are
    reproduced, whatever the penalty. Raises `ConfigError` for knots or a penalty that cannot be.
    """
    knots, at = np.asarray(knots, dtype=float), np.asarray(at, dtype=float)
    if not (np.isfinite(penalty) and penalty >= 0):
        raise ConfigError(f"penalty: must be finite and not negative, got {penalty}")
    if knots.ndim != 1 or not knots.size or not np.isfinite(knots).all():
        raise ConfigError(f"knots: wants finite numbers, at least one, got {knots}")
    gaps = np.diff(knots)
    if not (gaps > 0).all():
        i = int(np.argmin(gaps))
        raise ConfigError(f"knots: {knots[i + 1]} follows {knots[i]}; wants them ascending")
    if knots.size == 1:
        return np.ones((at.size, 1))
    values, bends = _pieces(knots, gaps, at)
    if knots.size == 2:
        return values
    second = _second_differences(gaps)
    # The system is divided by a large penalty, so that none is too large.
    bent, rough = (1.0, penalty) if penalty <= 1 else (1 / penalty, 1.0)
    right = bent * bends[:, 1:-1] - rough * _times(values, second)
    solved = _solve(gaps, second, bent, rough, right.T).T
    values[:, :-2] += solved * second[0]
    values[:, 1:-1] += solved * second[1]
    values[:, 2:] += solved * second[2]
    return values


def roughness(knots: Vector, values: Matrix) -> Vector:
    """Return the integral of g''**2 of the natural cubic splines through ``values``, (m,).

    knots : (n,), ascending      values : (n, m), a column for each spline
    """
    if knots.size < 3:
        return np.zeros(values.shape[1])
    gaps = np.diff(knots)
    second = _second_differences(gaps)
    bent = np.diff(np.diff(values, axis=0) / gaps[:, None], axis=0)
    integrals: Vector = np.sum(bent * _solve(gaps, second, 1.0, 0.0, bent), axis=0)
    return integrals


def _pieces(knots: Vector, gaps: Vector, at: Vector) -> tuple[Matrix, Matrix]:
    """Return the weights of the values and of the second derivatives at the knots, (q, n) each."""
    left = np.clip(np.searchsorted(knots, at, side="right") - 1, 0, knots.size - 2)
    gap = gaps[left]
    rows = np.arange(at.size)
    after = (at - knots[left]) / gap
    before = (knots[left + 1] - at) / gap
    values = np.zeros((at.size, knots.size))
    values[rows, left] = before
    values[rows, left + 1] = after
    bends = np.zeros_like(values)
    bends[rows, left] = (before**3 - before) * gap**2 / 6
    bends[rows, left + 1] = (after**3 - after) * gap**2 / 6
    # Beyond the ends the slope is that at the end, to which the bend of the next knot adds.
    outside = at < knots[0]
    bends[outside] = 0.0
    bends[outside, 1] = (knots[0] - at[outside]) * gaps[0] / 6
    outside = at > knots[-1]
    bends[outside] = 0.0
    bends[outside, -2] = (at[outside] - knots[-1]) * gaps[-1] / 6
    return values, bends


def _second_differences(gaps: Vector) -> tuple[Vector, Vector, Vector]:
    """Return the three diagonals of Q, which takes values to the changes of slope at the knots."""
    slopes = 1.0 / gaps
    return slopes[:-1], -(slopes[:-1] + slopes[1:]), slopes[1:]


def _times(rows: Matrix, second: tuple[Vector, Vector, Vector]) -> Matrix:
    """Return ``rows @ Q``, (q, n - 2)."""
    product: Matrix = rows[:, :-2] * second[0] + rows[:, 1:-1] * second[1] + rows[:, 2:] * second[2]
    return product


def _solve(
    gaps: Vector, second: tuple[Vector, Vector, Vector], bent: float, rough: float, right: Matrix
) -> Matrix:
    """Solve ``(bent * R + rough * Q'Q) x = right``, R the Gram matrix of the hats; (n - 2, q)."""
    a, b, c = second
    n = b.size
    bands = np.zeros((3, n))  # the diagonal last, as the solver wants it
    bands[2] = bent * (gaps[:-1] + gaps[1:]) / 3 + rough * (a * a + b * b + c * c)
    bands[1, 1:] = bent * gaps[1:-1] / 6 + rough * (b[:-1] * a[1:] + c[:-1] * b[1:])
    bands[0, 2:] = rough * c[:-2] * a[2:]
    scale = 1.0 / np.sqrt(bands[2])
    bands[2] = 1.0
    bands[1, 1:] *= scale[:-1] * scale[1:]
    bands[0, 2:] *= scale[:-2] * scale[2:]
    bands = bands[max(0, 3 - n) :]
    solved: Matrix = scale[:, None] * solveh_banded(
        bands, scale[:, None] * right, check_finite=False
    )
    return solved
