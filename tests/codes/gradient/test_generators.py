from itertools import combinations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from mpicode.codes.gradient import generators
from mpicode.codes.sets import all_sets
from mpicode.errors import ConfigError

# What 200 draws reach, measured apart from this code: (copies, segments) and the worst condition.
DRAWN = {(3, 2): 1.8, (4, 2): 2.9, (4, 3): 2.2, (6, 2): 5.8, (6, 4): 7.4, (8, 4): 48, (10, 5): 222}


def worst(matrix):
    length, dimension = matrix.shape
    return max(
        np.linalg.cond(matrix[list(rows)]) for rows in combinations(range(length), dimension)
    )


def test_the_table_has_every_code_of_up_to_twelve():
    wanted = {(d, m) for d in range(1, 13) for m in range(1, d + 1)}
    assert set(generators.table()) == wanted
    for (d, m), matrix in generators.table().items():
        assert matrix.shape == (d, m)
        assert_allclose(matrix.T @ matrix, d / m * np.eye(m), atol=1e-5)


@pytest.mark.parametrize("size", DRAWN)
def test_any_rows_are_as_independent_as_200_draws_make_them(size):
    assert worst(generators.generator(*size)) <= DRAWN[size] * 1.01


@pytest.mark.parametrize(("d", "m"), [(5, 3), (6, 4), (7, 2), (8, 5), (9, 9), (9, 1)])
def test_no_draw_is_better_than_what_is_shipped(d, m):
    shipped = generators.conditions(generators.table()[d, m], all_sets(d, d - m)).max()
    assert_allclose(shipped, worst(generators.table()[d, m]), rtol=1e-9)
    drawn = generators.best_of(generators.DRAWS, d, m)
    assert shipped <= generators.conditions(drawn, all_sets(d, d - m)).max()


def test_longer_ones_are_drawn_from_the_seed():
    one, again, other = (generators.generator(14, 4, seed) for seed in (1, 1, 2))
    assert_array_equal(one, again)
    assert (one != other).any()
    assert worst(one) < 1e5
    assert_array_equal(generators.generator(7, 3, 1), generators.generator(7, 3, 2))


def test_one_that_would_lose_half_the_digits_is_refused(monkeypatch):
    monkeypatch.setattr(generators, "MAX_AMPLIFICATION", 100.0)
    said = r"code\.replication: with 14 copies and 6 segments .* amplify rounding .* than 1e\+02"
    with pytest.raises(ConfigError, match=said):
        generators.generator(14, 6)
