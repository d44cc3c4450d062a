from itertools import combinations
from math import exp, log, sqrt

import numpy as np
import pytest
from numpy.testing import assert_allclose

from mpicode.codes.packing import (
    coherence,
    frame_potential,
    least_potential,
    one_step_error,
    orthoplex_bound,
    pack,
    shared_information,
    survivors,
    welch_bound,
)
from mpicode.codes.packing.variants import default_weight, random_signs
from mpicode.codes.sets import straggler_sets


@pytest.fixture(scope="module")
def rows():
    return pack([4] * 24, 12, starts=2)


def subsets(n, m, count, seed=0):
    return straggler_sets(n, m, count, np.random.default_rng(seed))


def test_the_bounds_are_those_of_frames_that_attain_them():
    simplex = np.eye(4) - 1 / 4
    simplex /= np.linalg.norm(simplex, axis=1, keepdims=True)
    assert_allclose(coherence(simplex), welch_bound(4, 3))
    both = np.concatenate([np.eye(2), np.array([[1, 1], [1, -1]]) / sqrt(2)])
    assert_allclose(coherence(both), orthoplex_bound(4, 2))
    assert welch_bound(4, 4) == welch_bound(3, 4) == orthoplex_bound(3, 2) == 0.0
    assert frame_potential(both) == pytest.approx(least_potential(4, 2))
    assert frame_potential(np.eye(3)) == least_potential(3, 3) == 3


def test_shared_information_is_minus_the_log_of_the_chordal_distance():
    cosines = np.linspace(0, 0.99, 20)
    assert_allclose(
        shared_information(cosines), -np.log(np.sin(np.arccos(cosines))), rtol=1e-12, atol=1e-12
    )
    for cosine in cosines:
        both = np.array([[1.0, cosine], [cosine, 1.0]])
        assert_allclose(
            shared_information(cosine), -0.5 * np.linalg.slogdet(both)[1], rtol=1e-12, atol=1e-12
        )
    assert shared_information(-0.5) == shared_information(0.5)


def test_shared_information_is_that_of_codewords_of_a_gaussian_gradient(rows):
    """Estimated from the empirical correlation of two codewords of 200,000 numbers."""
    gradient = np.random.default_rng(5).standard_normal((12, 200_000))
    cosines = np.abs(rows @ rows.T)
    np.fill_diagonal(cosines, 0)
    i, j = np.unravel_index(np.argmax(cosines), cosines.shape)
    one, other = rows[[i, j]] @ gradient
    estimated = -0.5 * log(1 - np.corrcoef(one, other)[0, 1] ** 2)
    assert_allclose(estimated, shared_information(cosines[i, j]), rtol=0, atol=4e-3)


@pytest.mark.parametrize("m", [1, 6, 12, 20])
def test_one_step_error_is_the_least_over_all_factors(rows, m):
    for arrived in subsets(24, m, 20):
        gram = rows[arrived].T @ rows[arrived]
        best = m / frame_potential(rows[arrived])
        error = np.linalg.norm(best * gram - np.eye(12)) ** 2 / 12
        assert_allclose(one_step_error(rows[arrived]), error, rtol=1e-12)
        for factor in (0.9 * best, 1.1 * best):
            assert np.linalg.norm(factor * gram - np.eye(12)) ** 2 / 12 > error


@pytest.mark.parametrize("m", [2, 6, 12, 18])
def test_the_potential_of_random_survivors_is_what_it_should_be(rows, m):
    potentials = [frame_potential(rows[arrived]) for arrived in subsets(24, m, 20_000)]
    shared = frame_potential(rows) - 24
    expected = m + m * (m - 1) / (24 * 23) * shared
    assert_allclose(np.mean(potentials), expected, rtol=0.01)
    errors = 1 - m * m / (12 * np.array(potentials))
    assert np.mean(errors) <= 1 - m * m / (12 * expected) + 1e-3


def test_no_survivors_are_worse_than_the_coherence_says():
    """Gershgorin, over every set of rows."""
    rows = pack([3] * 10, 6, starts=2)
    mu, met = coherence(rows), 0
    for m in range(1, 11):
        if (m - 1) * mu >= 1:
            break
        for arrived in combinations(range(10), m):
            singular = np.linalg.svd(rows[list(arrived)], compute_uv=False)
            assert singular.size == m
            assert singular[-1] ** 2 >= 1 - (m - 1) * mu - 1e-12
            noise = np.sum(1 / singular**2)
            assert noise <= m / (1 - (m - 1) * mu) * (1 + 1e-12)
            met += 1
    assert met > 100


def test_random_rows_cover_all_columns_as_often_as_the_bound_says():
    for k, weight, m in ((16, 4, 24), (64, 8, 64)):
        rng = np.random.default_rng(k)
        missed = np.mean(
            [(random_signs(m, k, weight, rng) == 0).all(axis=0).any() for _ in range(400)]
        )
        bound = min(1.0, k * (1 - weight / k) ** m)
        assert bound <= k * exp(-weight * m / k)
        assert missed <= bound + 3 * sqrt(bound * (1 - bound) / 400)


def test_random_signs_are_as_incoherent_as_hoeffding_promises():
    n, k, weight, miss = 60, 400, 40, 0.05
    for seed in range(20):
        rows = random_signs(n, k, weight, np.random.default_rng(seed))
        used = (rows != 0).astype(float)
        shared = used @ used.T
        np.fill_diagonal(shared, 0)
        assert coherence(rows) <= sqrt(2 * shared.max() * log(n * n / miss)) / weight


def test_product_rows_have_the_product_of_the_cosines(rows):
    blocks = pack([2] * 24, 4, starts=1)
    products = np.einsum("ij,iu->iuj", blocks, rows).reshape(24, -1)
    assert_allclose(
        products @ products.T, (blocks @ blocks.T) * (rows @ rows.T), rtol=0, atol=1e-15
    )


def test_survivors_are_those_of_all_sets_where_there_are_few():
    rows = np.concatenate([np.eye(2), np.eye(2)])
    found = survivors(rows, 2, 100)
    # of the six pairs two are copies
    assert (found.n_sets, found.full) == (6, pytest.approx(4 / 6))
    assert found.amplification == pytest.approx(1.0)
    assert found.one_step == pytest.approx((4 * 0.0 + 2 * 0.5) / 6)


def test_too_few_survivors_are_never_full():
    found = survivors(np.eye(3), 2, 10)
    assert found.full == 0
    assert np.isnan(found.amplification)
    assert found.one_step == pytest.approx(1 / 3)


def test_the_default_weight_grows_slowly():
    assert [default_weight(k) for k in (1, 3, 16, 17, 128)] == [1, 3, 4, 5, 7]
