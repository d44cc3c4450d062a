from itertools import combinations
from math import comb

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from mpicode import codes
from mpicode.codes.sets import all_sets, hard_sets, masks, runs, straggler_sets


@pytest.mark.parametrize(("n", "size"), [(1, 0), (1, 1), (5, 0), (5, 2), (5, 5), (6, 3)])
def test_all_sets(n, size):
    assert_array_equal(all_sets(n, size), list(combinations(range(n), size)))


def test_a_sample_has_distinct_ascending_workers_drawn_evenly():
    sets = straggler_sets(20, 4, 4000, np.random.default_rng(0))
    assert sets.shape == (4000, 4)
    assert (np.diff(sets, axis=1) > 0).all()
    counts = np.bincount(sets.ravel(), minlength=20)
    # 4000 draws with probability 1/5: 800 each, standard deviation 25
    assert abs(counts - 800).max() < 5 * 25


def test_all_sets_are_given_where_they_are_few():
    sets = straggler_sets(8, 3, comb(8, 3), np.random.default_rng(0))
    assert_array_equal(sets, all_sets(8, 3))
    assert len(straggler_sets(8, 3, comb(8, 3) - 1, np.random.default_rng(0))) == comb(8, 3) - 1


def test_runs_go_around_the_ring():
    assert_array_equal(runs(5, 2), [[0, 1], [1, 2], [2, 3], [3, 4], [0, 4]])
    assert_array_equal(runs(5, 2, 2)[4], [1, 4])


@pytest.mark.parametrize("spread", [False, True])
def test_the_worst_of_repetition_is_the_loss_of_whole_groups(spread):
    code = codes.make("fractional-repetition", n_workers=12, n_stragglers=2, spread=spread)
    for size, lost_groups in [(2, 0), (3, 1), (5, 1), (6, 2), (12, 4)]:
        sets = code.hard_sets(size)
        assert sets.shape[1] == size
        arrived = [~np.isin(code.owner, lost) for lost in sets]
        assert max(code.decode(mask).residual for mask in arrived) == 3 * lost_groups


def test_blocks_that_need_the_fewest_losses_go_first():
    class Uneven(codes.GradientCode):
        name = "uneven"

    holders = np.array([[1, 1, 0, 0], [1, 0, 0, 0], [1, 1, 1, 0], [1, 0, 0, 0], [1, 0, 0, 1]])
    code = Uneven(holders, np.arange(5), n_workers=5, n_blocks=4)
    # blocks 2 and 3 have one holder each, and then block 1 lacks one more
    assert [0, 2, 4] in code.hard_sets(3).tolist()


def test_masks_say_who_belongs_to_a_set():
    rows = masks(np.array([[0, 2], [1, 3]]), 4)
    assert_array_equal(rows, [[True, False, True, False], [False, True, False, True]])
    assert_array_equal(masks(all_sets(3, 0), 3), [[False, False, False]])


def test_a_worker_that_holds_nothing_fills_the_sets():
    code = codes.make("lwpd", n_workers=5, n_segments=3, variant="identity")
    assert code.blocks(4).size == 0
    for size in range(6):
        sets = hard_sets(code, size)
        assert sets.shape[1] == size
        assert (np.diff(sets, axis=1) > 0).all()
    assert [0, 1, 2] in hard_sets(code, 3).tolist()
