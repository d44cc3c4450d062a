from itertools import permutations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from mpicode import codes
from mpicode.codes.gradient.fractional_repetition import FractionalRepetition
from mpicode.errors import ConfigError

from ..suite import CodeSuite


class TestFractionalRepetition(CodeSuite):
    code = FractionalRepetition
    cases = (
        {"n_workers": 6, "n_stragglers": 0},
        {"n_workers": 8, "n_stragglers": 1},
        {"n_workers": 12, "n_stragglers": 2, "spread": False},
        {"n_workers": 12, "n_stragglers": 3, "n_blocks": 6},
        {"n_workers": 5, "n_stragglers": 4},
        {"n_workers": 40, "n_stragglers": 4},
    )


@pytest.mark.parametrize("spread", [False, True])
def test_the_bits_of_the_sum_do_not_depend_on_the_order_of_arrival(spread):
    code = codes.make("fractional-repetition", n_workers=6, n_stragglers=1, spread=spread)
    rng = np.random.default_rng(0)
    by_group = rng.standard_normal((3, 17)) * 10.0 ** rng.integers(-8, 8, (3, 17))
    decoder = code.decoder()
    seen = set()
    for order in permutations(range(6)):
        decoder.reset()
        for message in order:
            decoder.add(message, by_group[code.group[message]])
            if decoder.ready:
                break
        out = np.empty((1, 17))
        decoder.estimate(out)
        seen.add(out.tobytes())
    assert len(seen) == 1


def test_the_first_answer_of_a_group_is_the_one_used():
    code = codes.make("fractional-repetition", n_workers=4, n_stragglers=1, spread=False)
    decoder = code.decoder()
    assert decoder.add(1, np.array([1.0]))
    assert not decoder.add(0, np.array([np.nan]))
    assert decoder.add(2, np.array([10.0]))
    out = np.empty((1, 1))
    assert_array_equal(decoder.estimate(out).coefficients, [[0, 1, 1, 0]])
    assert out[0, 0] == 11
    assert decoder.n_duplicates == 1


def test_spread_groups_survive_the_loss_of_a_node():
    near = codes.make("fractional-repetition", n_workers=12, n_stragglers=2, spread=False)
    apart = codes.make("fractional-repetition", n_workers=12, n_stragglers=2)
    for first in range(5):
        node = np.isin(np.arange(12), np.arange(first, first + 8))
        assert near.decode(~node).residual > 0
        assert apart.decode(~node).residual == 0


def test_the_members_of_a_group_are_distinct_workers_with_the_same_row():
    for spread in (False, True):
        code = codes.make("fractional-repetition", n_workers=12, n_stragglers=2, spread=spread)
        rows = code.encoding.toarray()
        for group in range(4):
            members = np.flatnonzero(code.group == group)
            assert members.size == 3
            assert (rows[members] == rows[members[0]]).all()


def test_groups_that_do_not_fit_are_refused_with_the_nearest_that_do():
    with pytest.raises(ConfigError, match=r"code\.n_stragglers.*groups of 5 .* 12 workers") as told:
        codes.make("fractional-repetition", n_workers=12, n_stragglers=4)
    assert "n_stragglers 3 or 5" in str(told.value)
    assert "10 or 15 workers" in str(told.value)


def test_blocks_must_be_shared_evenly_by_the_groups():
    with pytest.raises(ConfigError, match=r"code\.n_blocks: 7 blocks .* 4 groups.* 4 or 8"):
        codes.make("fractional-repetition", n_workers=12, n_stragglers=2, n_blocks=7)
