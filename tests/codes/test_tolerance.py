from math import comb

import numpy as np
import pytest

from mpicode import codes
from mpicode.codes import failures
from mpicode.codes.tolerance import tolerance, tolerance_under


@pytest.fixture(scope="module")
def groups():
    return codes.make("fractional-repetition", n_workers=12, n_stragglers=2, spread=False)


@pytest.mark.parametrize("n_lost", range(13))
def test_all_sets_of_repetition_miss_whole_groups(groups, n_lost):
    """The number of lost groups is hypergeometric: the mean share is that one group is lost."""
    row = tolerance(groups, n_lost, count=1000)
    assert row.n_sets == comb(12, n_lost)
    assert row.n_lost == n_lost
    share = comb(9, n_lost - 3) / comb(12, n_lost) if n_lost >= 3 else 0
    assert row.mean_residual == pytest.approx(share)
    assert row.worst_residual == n_lost // 3 / 4
    assert (row.exact_share == 1) == (n_lost < 3)


def test_a_sample_estimates_the_mean_and_the_adversary_finds_the_worst():
    code = codes.make("fractional-repetition", n_workers=24, n_stragglers=3)
    row = tolerance(code, 8, count=400)
    assert row.n_sets == 400
    # a group of 4 is lost with probability C(20, 4) / C(24, 8)
    chance = comb(20, 4) / comb(24, 8)
    assert abs(row.mean_residual - chance) < 5 * np.sqrt(chance / 6 / 400)
    assert row.worst_residual == pytest.approx(2 / 6)
    assert row.exact_share > 0.9


def test_failures_are_summed_up_as_they_come(groups):
    model = failures.make("node", {"workers_per_node": 6, "n_nodes": 1}, code=groups, seed=0)
    row = tolerance_under(groups, model, count=10)
    assert row == (6, 2, 0, 0.5, 0.5, pytest.approx(np.sqrt(2)), pytest.approx(np.sqrt(2)))
    model = failures.make("bernoulli", {"probability": 0.5}, code=groups, seed=0)
    row = tolerance_under(groups, model, count=2000)
    assert abs(row.n_lost - 6) < 5 * np.sqrt(3 / 2000)
    # each group is lost with probability 1/8
    assert abs(row.mean_residual - 1 / 8) < 5 * np.sqrt(7 / 64 / 4 / 2000)
    assert abs(row.exact_share - (7 / 8) ** 4) < 5 * np.sqrt(0.25 / 2000)
