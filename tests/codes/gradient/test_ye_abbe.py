import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from mpicode import codes
from mpicode.codes.base import GradientCode
from mpicode.codes.gradient import nested
from mpicode.codes.gradient.tight import scale_rows
from mpicode.codes.gradient.ye_abbe import YeAbbe
from mpicode.errors import ConfigError

from ..even import EvenSuite
from ..suite import CodeSuite

VARIANTS = ("orthonormal", "gaussian", "chebyshev", "vandermonde")


class TestYeAbbe(EvenSuite, CodeSuite):
    code = YeAbbe
    earliest = False  # it counts, and a few regular sets would do with fewer
    cases = (
        {"n_workers": 1, "n_stragglers": 0, "n_segments": 1},
        {"n_workers": 4, "n_stragglers": 0, "n_segments": 4},
        {"n_workers": 6, "n_stragglers": 2, "n_segments": 1, "n_blocks": 12},
        {"n_workers": 7, "n_stragglers": 5, "n_segments": 2},
        {"n_workers": 8, "n_stragglers": 2, "n_segments": 2, "variant": "gaussian", "seed": 5},
        {"n_workers": 9, "n_stragglers": 2, "n_segments": 3, "variant": "chebyshev"},
        {"n_workers": 8, "n_stragglers": 2, "n_segments": 3, "variant": "vandermonde"},
        {"n_workers": 30, "n_stragglers": 6, "n_segments": 4},
        {"n_workers": 29, "n_stragglers": 5, "n_segments": 3},
    )

    def is_even(self, made, case):
        return case.get("variant") != "vandermonde"  # small fractions meet the zeros


def vandermonde(points, degree):
    return points[None, :] ** np.arange(degree)[:, None]


def textbook(matrix, m):
    """The encoding by its definition: [R_j | I] V, R_j from a solve at the workers without j."""
    k, n = matrix.shape
    top, bottom = matrix[: k - m], matrix[k - m :]
    encoding = np.empty((n, m, n))
    for block in range(n):
        without = (block + 1 + np.arange(k - m)) % n
        rest = -bottom[:, without] @ np.linalg.inv(top[:, without])
        encoding[:, :, block] = (rest @ top + bottom).T
        assert np.abs(encoding[without, :, block]).max(initial=0) < 1e-10
        encoding[without, :, block] = 0
    return encoding.reshape(n, m * n)


@pytest.mark.parametrize(("n", "s", "m"), [(5, 1, 2), (8, 2, 3), (9, 3, 1), (6, 2, 4)])
def test_vectors_are_combinations_of_the_rows_with_the_segments_as_last_coefficients(n, s, m):
    matrix = np.random.default_rng(n).standard_normal((n - s, n))
    wanted = textbook(matrix, m)
    assert_allclose(nested.from_matrix(matrix, m), wanted, atol=1e-10 * np.abs(wanted).max())


@pytest.mark.parametrize(
    ("n", "s", "m"), [(3, 0, 2), (7, 1, 2), (8, 2, 3), (12, 3, 3), (12, 0, 12)]
)
def test_polynomials_vanish_outside_and_have_unit_vectors_on_top(n, s, m):
    points = np.cos(np.pi * (np.arange(n) + 0.5) / n)
    encoding = nested.from_points(points, s, m)
    wanted = textbook(vandermonde(points, n - s), m)
    assert_allclose(encoding, wanted, atol=1e-8 * np.abs(wanted).max())
    values = encoding.reshape(n, m, n)
    for block in range(n):
        without = (block + 1 + np.arange(n - s - m)) % n
        assert not values[without, :, block].any()
        coefficients = np.linalg.solve(vandermonde(points, n).T, values[:, :, block])
        assert_allclose(coefficients[n - s - m : n - s], np.eye(m), atol=1e-9)
        assert_allclose(coefficients[n - s :], 0, atol=1e-9)


def test_the_smallest_example_of_two_segments():
    """Three workers and blocks: segment 0 is p1 + p2, segment 1 is p2 + p3."""
    sums = np.array([[1.0, 1, 0], [0, 1, 1]])
    encoding = nested.from_functionals(np.empty((0, 3)), sums)
    code = GradientCode(encoding, np.arange(3), n_workers=3, n_blocks=3, n_segments=2)
    assert_allclose(code.decode(np.ones(3, dtype=bool)).coefficients, sums, atol=2e-15)


@pytest.mark.parametrize("variant", VARIANTS)
def test_each_block_is_on_s_plus_m_workers_with_all_its_segments(variant):
    n, s, m = 9, 2, 3
    code = codes.make("ye-abbe", n_workers=n, n_stragglers=s, n_segments=m, variant=variant)
    pieces = code.encoding.toarray().reshape(n, m, n)
    for block in range(n):
        wanted = np.sort((block - np.arange(s + m)) % n)
        assert_array_equal(np.flatnonzero(pieces[:, :, block].any(axis=1)), wanted)
        # Points that are small fractions give a coefficient 0 now and then.
        for segment in range(m) if variant != "vandermonde" else ():
            assert_array_equal(np.flatnonzero(pieces[:, segment, block]), wanted)
    assert_allclose(np.linalg.norm(code.encoding.toarray(), axis=1), np.sqrt(s + m))


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(("n", "s", "m"), [(8, 2, 2), (7, 2, 3)])
def test_coefficients_are_those_of_least_squares(variant, n, s, m):
    code = codes.make("ye-abbe", n_workers=n, n_stragglers=s, n_segments=m, variant=variant)
    rng = np.random.default_rng(n)
    for lost in (0, 1, s, s + 1):
        for _ in range(10):
            arrived = ~np.isin(np.arange(n), rng.choice(n, lost, replace=False))
            general = GradientCode.solve(code, arrived)
            assert_allclose(code.solve(arrived), general, atol=1e-12 * np.linalg.norm(general) ** 2)


@pytest.mark.parametrize(("n", "s", "m"), [(8, 2, 2), (9, 3, 3), (10, 0, 3), (9, 4, 5)])
def test_waves_make_such_a_code_for_every_stride_and_gap(n, s, m):
    """Messages lie in n - s dimensions and any n - s of them give the sum."""
    for stride, gap in ((1, 0), (2 if n % 2 else 3, 0), (1, 2)):
        encoding = scale_rows(nested.from_waves(n, s, m, stride, gap), m)
        singular = np.linalg.svd(encoding, compute_uv=False)
        assert (singular > 1e-3).sum() == n - s
        code = GradientCode(encoding, np.arange(n), n_workers=n, n_blocks=n, n_segments=m)
        for lost in code.hard_sets(s):
            assert code.decode(~np.isin(np.arange(n), lost)).residual < 1e-18


@pytest.mark.parametrize(("n", "s", "m"), [(20, 4, 2), (20, 6, 4), (30, 6, 4), (30, 5, 3)])
def test_the_default_amplifies_far_less_than_random_matrices(n, s, m):
    worst = {}
    for variant in ("orthonormal", "gaussian"):
        code = codes.make("ye-abbe", n_workers=n, n_stragglers=s, n_segments=m, variant=variant)
        sets = code.hard_sets(s)
        masks = (~np.isin(np.arange(n), lost) for lost in sets)
        worst[variant] = max(code.decode(mask).amplification for mask in masks)
    assert worst["orthonormal"] < 1000
    assert worst["orthonormal"] < worst["gaussian"] / 10


@pytest.mark.parametrize(
    ("variant", "n", "s", "m"),
    [("vandermonde", 16, 4, 4), ("chebyshev", 20, 6, 4), ("gaussian", 60, 10, 4)],
)
def test_a_variant_that_would_lose_half_the_digits_is_refused(variant, n, s, m):
    said = rf"code\.n_stragglers: 'ye-abbe' with {n} workers of which {s} .* amplifies .*1e\+07"
    with pytest.raises(ConfigError, match=said) as told:
        codes.make("ye-abbe", n_workers=n, n_stragglers=s, n_segments=m, variant=variant)
    assert "take variant orthonormal" in str(told.value)
    codes.make("ye-abbe", n_workers=n, n_stragglers=s, n_segments=m)


def test_every_code_of_up_to_thirty_workers_can_be_had():
    for n in (2, 5, 13, 30):
        for s in range(0, n, 1 + n // 4):
            for m in range(1, n - s + 1, 1 + n // 3):
                code = codes.make("ye-abbe", n_workers=n, n_stragglers=s, n_segments=m)
                assert code.max_stragglers == s


def test_numbers_that_do_not_fit_are_refused():
    with pytest.raises(ConfigError, match=r"code\.n_segments: 5 segments .* 6 .* 2 .* 1 to 4"):
        codes.make("ye-abbe", n_workers=6, n_stragglers=2, n_segments=5)
    with pytest.raises(ConfigError, match=r"code\.n_segments: 0 segments .* 1 to 4"):
        codes.make("ye-abbe", n_workers=6, n_stragglers=2, n_segments=0)
    with pytest.raises(ConfigError, match=r"code\.variant: 'lagrange' is not one of"):
        codes.make("ye-abbe", n_workers=6, variant="lagrange")
