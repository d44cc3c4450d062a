import numpy as np
import pytest
from numpy.testing import assert_array_equal

from mpicode.codes.packing.supports import balanced_supports


def member(weights, k, seed=0):
    rows = np.zeros((len(weights), k), dtype=int)
    for row, columns in enumerate(
        balanced_supports(np.array(weights), k, np.random.default_rng(seed))
    ):
        rows[row, columns] = 1
    return rows


@pytest.mark.parametrize(
    ("weights", "k"),
    [
        ([4] * 24, 12),
        ([3] * 7, 5),
        ([7] * 40, 20),
        ([5] * 6, 5),
        ([1] * 7, 3),
        ([1, 1, 2, 2, 2, 4, 4, 4, 4], 6),
        ([5, 1, 3, 6, 2], 6),
    ],
)
def test_columns_are_in_equally_many_rows_whatever_the_weights(weights, k):
    rows = member(weights, k)
    assert_array_equal(rows.sum(axis=1), weights)
    for last in range(1, len(weights) + 1):
        assert np.ptp(rows[:last].sum(axis=0)) <= 1


def test_the_same_seed_gives_the_same_columns_and_another_others():
    assert_array_equal(member([4] * 24, 12), member([4] * 24, 12))
    assert (member([4] * 24, 12) != member([4] * 24, 12, seed=1)).any()


def test_rows_overlap_less_than_random_ones():
    overlaps = member([5] * 40, 40) @ member([5] * 40, 40).T
    np.fill_diagonal(overlaps, 0)
    rng = np.random.default_rng(0)
    random = (rng.random((40, 40)).argsort(axis=1) < 5).astype(int)
    others = random @ random.T
    np.fill_diagonal(others, 0)
    assert overlaps.max() < others.max()


def test_rows_of_one_column_are_the_identity_over_and_over():
    assert_array_equal(member([1] * 6, 3), np.tile(np.eye(3, dtype=int), (2, 1)))
