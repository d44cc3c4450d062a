from itertools import combinations
from math import comb

import numpy as np
import pytest
from numpy.testing import assert_allclose

from mpicode.codes.designs import coset
from mpicode.codes.designs.generators import EVERY_SET, best_generators, expected


def power(n_blocks, generators):
    return np.abs(np.fft.fft(coset(n_blocks, 1, generators)[0])) ** 2


def measured(n_blocks, n_segments, generators, n_lost, count):
    """The mean relative residual over random diagonals and sets, by singular values."""
    n = n_blocks * n_segments
    graph = coset(n, n_segments, generators)
    residuals = []
    for seed in range(count):
        rng = np.random.default_rng(seed)
        left = rng.permutation(n)[n_lost:]
        vectors = rng.choice([-1, 1], (n, n_segments)) * rng.uniform(0.9, 1.1, (n, n_segments))
        messages = np.concatenate([graph * column for column in vectors.T])[:, left]
        target = np.kron(np.eye(n_segments), np.ones((n_blocks, 1)))
        basis, singular, _ = np.linalg.svd(messages, full_matrices=False)
        inside = basis[:, singular > 1e-9 * singular[0]].T @ target
        residuals.append(1 - np.sum(inside**2) / len(target))
    return np.mean(residuals)


def test_the_choice_loses_several_times_less_than_a_bad_one():
    best = measured(27, 2, best_generators(27, 5), 13, 40)
    # a set that spreads evenly over all differences has no small eigenvalue
    assert measured(27, 2, (0, 1, 3, 7, 12), 13, 40) > 5 * best


@pytest.mark.parametrize(
    ("n_blocks", "generators"), [(27, range(5)), (16, (0, 1, 8)), (13, (0, 1, 3, 9))]
)
@pytest.mark.parametrize("lost", [0.25, 0.5])
def test_the_estimate_is_near_what_is_measured(n_blocks, generators, lost):
    m = 2
    estimate = expected(power(n_blocks, generators)[None], lost)[0]
    mean = measured(n_blocks, m, generators, round(lost * m * n_blocks), 60)
    assert_allclose(estimate, mean, rtol=0.25)


def test_it_is_the_best_of_all_small_ones():
    scores = [expected(power(12, c)[None], 0.25)[0] for c in combinations(range(12), 4)]
    best = expected(power(12, best_generators(12, 4))[None], 0.25)[0]
    assert best <= min(scores) + 1e-6


def test_where_they_are_too_many_the_search_beats_the_run():
    n_blocks, load = 101, 7
    assert comb(n_blocks - 1, load - 1) > EVERY_SET
    found = best_generators(n_blocks, load)
    assert len(set(found)) == load
    scores = expected(np.array([power(n_blocks, found), power(n_blocks, range(load))]), 0.25)
    assert scores[0] < scores[1]


@pytest.mark.parametrize(("n_blocks", "load"), [(1, 1), (5, 1), (5, 5), (2, 2), (1500, 3)])
def test_extremes_have_generators(n_blocks, load):
    found = best_generators(n_blocks, load)
    assert len(set(found)) == load
    assert 0 <= min(found) <= max(found) < n_blocks
