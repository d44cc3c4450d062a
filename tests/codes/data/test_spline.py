"""The spline operator against its definition, other libraries and 60 digits."""

import numpy as np
import pytest
from mpmath import mp, mpf
from numpy.testing import assert_allclose, assert_array_equal
from scipy.interpolate import CubicSpline, make_smoothing_spline

from mpicode.codes.data.points import chebyshev
from mpicode.codes.data.spline import roughness, smoothing_spline
from mpicode.errors import ConfigError

SIZES = (2, 3, 4, 5, 8, 20, 60)
PENALTIES = (0.0, 1e-8, 1e-4, 1e-2, 1.0)
AT = np.linspace(-1.4, 1.4, 57)


def knots_of(kind, n):
    rng = np.random.default_rng([n, 5])
    if kind == "chebyshev":
        return chebyshev(n, "second")
    if kind == "uniform":
        return np.linspace(-1, 1, n)
    if kind == "random":
        return np.sort(rng.uniform(-1, 1, n))
    return np.sort(rng.choice(chebyshev(2 * n, "first"), n, replace=False))


KINDS = ("chebyshev", "uniform", "random", "subset")
every_case = pytest.mark.parametrize(
    ("kind", "n", "penalty"), [(k, n, p) for k in KINDS for n in SIZES for p in PENALTIES]
)
every_set = pytest.mark.parametrize(("kind", "n"), [(k, n) for k in KINDS for n in SIZES])


@every_case
def test_straight_lines_are_reproduced_and_continued(kind, n, penalty):
    knots = knots_of(kind, n)
    weights = smoothing_spline(knots, AT, penalty)
    assert weights.shape == (AT.size, n)
    # weights of what lies far beyond random knots are large, and round accordingly
    scale = np.abs(weights).sum(axis=1)
    assert np.all(np.abs(weights.sum(axis=1) - 1) <= 1e-12 * scale)
    assert np.all(np.abs(weights @ knots - AT) <= 1e-12 * scale)


@every_set
def test_without_a_penalty_it_interpolates_as_the_natural_spline(kind, n):
    knots = knots_of(kind, n)
    assert_array_equal(smoothing_spline(knots, knots, 0.0), np.eye(n))
    if n < 3:
        return
    other = CubicSpline(knots, np.eye(n), bc_type="natural")
    inside = AT[(knots[0] <= AT) & (knots[-1] >= AT)]
    assert_allclose(smoothing_spline(knots, inside, 0.0), other(inside), atol=1e-12)
    for end, beyond in ((knots[0], -1.7), (knots[-1], 1.9)):
        line = other(end) + other(end, 1) * (beyond - end)
        scale = 1 + np.abs(line).max()
        found = smoothing_spline(knots, np.array([beyond]), 0.0)[0]
        assert_allclose(found, line, atol=1e-11 * scale)


@every_set
def test_a_large_penalty_gives_the_least_squares_line(kind, n):
    knots = knots_of(kind, n)
    line = np.vander(AT, 2) @ np.linalg.pinv(np.vander(knots, 2))
    # knots drawn at random come as near as 1e-4, which costs digits
    tolerance = 1e-8 if kind == "random" else 5e-9
    for penalty in (1e9, 1e15, 1e300):
        assert_allclose(smoothing_spline(knots, AT, penalty), line, atol=tolerance)


@every_set
def test_the_smoother_is_symmetric_with_eigenvalues_up_to_one_two_of_which_are_one(kind, n):
    knots = knots_of(kind, n)
    trace, rounding = np.inf, 2e-8 if kind == "random" else 1e-9
    for penalty in (1e-6, 1e-3, 1.0, 1e3, 1e9):
        smoother = smoothing_spline(knots, knots, penalty)
        assert_allclose(smoother, smoother.T, atol=rounding)
        values = np.linalg.eigvalsh((smoother + smoother.T) / 2)
        assert values[0] > -rounding
        assert values[-1] < 1 + rounding
        assert_allclose(values[-2:], 1, atol=rounding)
        # the others are below 1 by as much as the roughest of so few knots is punished
        assert n == 2 or values[-3] < 1
        assert np.trace(smoother) <= trace + rounding
        trace = np.trace(smoother)
    assert trace == pytest.approx(2, abs=1e-3)
    assert np.trace(smoothing_spline(knots, knots, 0.0)) == n


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [n for n in SIZES if n >= 5])
def test_it_agrees_with_scipy(kind, n):
    knots = knots_of(kind, n)
    inside = np.linspace(knots[0], knots[-1], 50)
    for penalty in (1e-8, 1e-4, 1e-2):
        other = make_smoothing_spline(knots, np.eye(n), lam=penalty)(inside)
        tight = n <= 20 and penalty <= 1e-4 and kind != "random"
        found = smoothing_spline(knots, inside, penalty)
        assert_allclose(found, other, atol=1e-12 if tight else 1e-9)


def reference(knots, at, penalty):
    """The weights of one value inside, by a banded LDL' in 60 digits."""
    mp.dps = 60
    t, x, mu = [mpf(float(v)) for v in knots], mpf(float(at)), mpf(penalty)
    n, m = len(t), len(t) - 2
    h = [t[i + 1] - t[i] for i in range(n - 1)]
    a, c = [1 / h[j] for j in range(m)], [1 / h[j + 1] for j in range(m)]
    b = [-a[j] - c[j] for j in range(m)]
    d, low, lower = [], [], []
    for j in range(m):
        pivot = (h[j] + h[j + 1]) / 3 + mu * (a[j] ** 2 + b[j] ** 2 + c[j] ** 2)
        pivot -= d[j - 1] * low[j - 1] ** 2 if j else 0
        pivot -= d[j - 2] * lower[j - 2] ** 2 if j > 1 else 0
        d.append(pivot)
        if j + 1 < m:
            beside = h[j + 1] / 6 + mu * (b[j] * a[j + 1] + c[j] * b[j + 1])
            low.append((beside - (d[j - 1] * low[j - 1] * lower[j - 1] if j else 0)) / pivot)
        if j + 2 < m:
            lower.append(mu * c[j] * a[j + 2] / pivot)
    i = max(k for k in range(n - 1) if t[k] <= x)
    left, right = (t[i + 1] - x) / h[i], (x - t[i]) / h[i]
    value, bend = [mpf(0)] * n, [mpf(0)] * n
    value[i], value[i + 1] = left, right
    bend[i], bend[i + 1] = (left**3 - left) * h[i] ** 2 / 6, (right**3 - right) * h[i] ** 2 / 6
    solved = [
        bend[j + 1] - mu * (value[j] * a[j] + value[j + 1] * b[j] + value[j + 2] * c[j])
        for j in range(m)
    ]
    for j in range(m):
        solved[j] -= low[j - 1] * solved[j - 1] if j else 0
        solved[j] -= lower[j - 2] * solved[j - 2] if j > 1 else 0
    solved = [solved[j] / d[j] for j in range(m)]
    for j in reversed(range(m)):
        solved[j] -= low[j] * solved[j + 1] if j + 1 < m else 0
        solved[j] -= lower[j] * solved[j + 2] if j + 2 < m else 0
    for j in range(m):
        value[j] += solved[j] * a[j]
        value[j + 1] += solved[j] * b[j]
        value[j + 2] += solved[j] * c[j]
    return np.array([float(v) for v in value])


@pytest.mark.parametrize(
    ("n", "penalty", "tolerance"),
    [(60, 1e-2, 1e-12), (60, 1e3, 1e-10), (300, 1e-2, 1e-11), (1000, 1e-4, 1e-11), (1000, 1, 1e-8)],
)
def test_it_agrees_with_sixty_digits(n, penalty, tolerance):
    knots, at = chebyshev(n, "second"), np.array([-0.98, 0.11])
    found = smoothing_spline(knots, at, penalty)
    for row, x in zip(found, at, strict=True):
        assert_allclose(row, reference(knots, x, penalty), atol=tolerance)


@pytest.mark.parametrize("n", [5, 20])
@pytest.mark.parametrize("penalty", [1e-6, 1e-2, 1.0])
def test_no_other_function_has_a_smaller_objective(n, penalty):
    """1,000 perturbations by other splines, sines and polynomials, of every size."""
    rng = np.random.default_rng(n)
    knots = np.sort(rng.uniform(-1, 1, n))
    values = rng.standard_normal(n)
    fitted = smoothing_spline(knots, knots, penalty) @ values

    fine = np.linspace(-1.2, 1.2, 4001)
    centre = (fine[1:] + fine[:-1]) / 2
    width = fine[1] - fine[0]
    step = 1e-4
    # the second derivative of the fit is piecewise linear: differences of it are exact inside
    around = [smoothing_spline(knots, centre + s, penalty) @ values for s in (-step, 0, step)]
    bend = (around[0] - 2 * around[1] + around[2]) / step**2
    own = np.sum((values - fitted) ** 2) + penalty * roughness(knots, fitted[:, None])[0]
    by_sum = np.sum((values - fitted) ** 2) + penalty * np.sum(bend**2) * width
    assert by_sum == pytest.approx(own, rel=2e-2)
    for _ in range(1000):
        kind, size = rng.integers(3), 10.0 ** rng.uniform(-4, 1)
        if kind == 0:
            other = size * rng.standard_normal(n)
            cost = roughness(knots, (fitted + other)[:, None])[0]
        else:
            frequency, phase = rng.uniform(0.1, 20), rng.uniform(0, 7)
            if kind == 1:
                other = size * np.sin(frequency * knots + phase)
                bent = -size * frequency**2 * np.sin(frequency * centre + phase)
            else:
                other, bent = size * (knots - phase) ** 3, 6 * size * (centre - phase)
            # (u + v)''^2 = u''^2 + 2 u'' v'' + v''^2, the first part as it is known exactly
            cost = roughness(knots, fitted[:, None])[0]
            cost += np.sum(2 * bend * bent + bent**2) * width
        objective = np.sum((values - fitted - other) ** 2) + penalty * cost
        assert objective >= own - 1e-6 * abs(objective - own) - 1e-9 * own


def test_it_is_stationary():
    """y - g = penalty * Q gamma, where Q' g = R gamma: Green and Silverman, theorem 2.1."""
    rng = np.random.default_rng(4)
    knots, values = np.sort(rng.uniform(-1, 1, 12)), rng.standard_normal(12)
    fitted = smoothing_spline(knots, knots, 0.01) @ values
    gaps = np.diff(knots)
    differences = np.diff(np.diff(np.eye(12), axis=0) / gaps[:, None], axis=0)
    gram = np.diag((gaps[:-1] + gaps[1:]) / 3)
    gram += np.diag(gaps[1:-1] / 6, 1) + np.diag(gaps[1:-1] / 6, -1)
    bends = np.linalg.solve(gram, differences @ fitted)
    assert_allclose(values - fitted, 0.01 * differences.T @ bends, atol=1e-12)
    energy = bends @ gram @ bends
    assert roughness(knots, fitted[:, None])[0] == pytest.approx(energy)


def test_an_affine_map_of_the_line_changes_nothing():
    knots = knots_of("subset", 20)
    for scale, shift in ((2.0, 1.0), (0.25, -3.0), (8.0, 0.5)):
        found = smoothing_spline(scale * knots + shift, scale * AT + shift, scale**3 * 1e-3)
        assert_allclose(found, smoothing_spline(knots, AT, 1e-3), atol=1e-12)


def test_two_knots_give_the_line_and_one_the_constant():
    weights = smoothing_spline(np.array([-0.5, 0.5]), np.array([0.0, 1.5]), 3.0)
    assert_allclose(weights, [[0.5, 0.5], [-1, 2]])
    assert_array_equal(smoothing_spline(np.array([0.3]), AT, 1.0), np.ones((AT.size, 1)))


@pytest.mark.parametrize(
    ("knots", "penalty", "said"),
    [
        ([0.0, 1.0, 1.0], 0.0, r"knots: 1\.0 follows 1\.0; wants them ascending"),
        ([0.0, 2.0, 1.0], 0.0, r"knots: 1\.0 follows 2\.0"),
        ([], 0.0, "knots: wants finite numbers, at least one"),
        ([0.0, np.nan], 0.0, "knots: wants finite numbers"),
        ([[0.0, 1.0]], 0.0, "knots: wants finite numbers"),
        ([0.0, 1.0], -1.0, r"penalty: must be finite and not negative, got -1\.0"),
        ([0.0, 1.0], np.inf, "penalty: .* got inf"),
        ([0.0, 1.0], np.nan, "penalty: .* got nan"),
    ],
)
def test_impossible_knots_and_penalties_are_named(knots, penalty, said):
    with pytest.raises(ConfigError, match=said):
        smoothing_spline(np.array(knots), AT, penalty)
