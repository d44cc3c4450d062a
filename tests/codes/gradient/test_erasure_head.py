from math import comb

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from mpicode import codes
from mpicode.codes.gradient.erasure_head import ErasureHead
from mpicode.codes.sets import all_sets
from mpicode.errors import ConfigError

from ..approximate import mean_sum
from ..suite import CodeSuite


class TestErasureHead(CodeSuite):
    code = ErasureHead
    least_squares = False  # unbiased instead: coefficients above 1
    cases = (
        {"n_workers": 1, "replication": 1, "n_stragglers": 0},
        {"n_workers": 8, "n_stragglers": 3},
        {"n_workers": 12, "replication": 3, "n_stragglers": 6, "spread": False},
        {"n_workers": 12, "replication": 4, "n_stragglers": 2, "n_blocks": 6},
    )


@pytest.mark.parametrize("n_lost", range(8))
def test_the_estimate_is_unbiased_over_all_sets_of_one_size(n_lost):
    code = codes.make("erasure-head", n_workers=8, n_stragglers=5, n_blocks=12)
    assert_allclose(mean_sum(code, n_lost), np.ones((1, 12)), rtol=1e-13)


def test_what_is_missed_depends_on_the_number_of_groups_alone():
    code = codes.make("erasure-head", n_workers=12, replication=3, n_stragglers=6)
    for lost in all_sets(12, 7):
        arrived = ~np.isin(np.arange(12), lost)
        g = len(set(code.group[arrived]))
        assert_allclose(code.decode(arrived).residual, 3 * 4 * (4 - g) / g, rtol=1e-12)


@pytest.mark.parametrize(("replication", "s", "published"), [(3, 5, 0.0050), (4, 8, 0.0073)])
def test_a_group_is_missing_as_seldom_as_all_its_members_are(replication, s, published):
    n, rng = 24, np.random.default_rng(s)
    code = codes.make("erasure-head", n_workers=n, replication=replication, n_stragglers=s)
    missing = []
    for _ in range(2000):
        used = np.count_nonzero(code.decode(rng.permutation(n) >= s).coefficients)
        missing.append(1 - used / code.n_groups)
    wanted = comb(n - replication, s - replication) / comb(n, s)
    error = np.std(missing) / np.sqrt(len(missing))
    assert abs(np.mean(missing) - wanted) < 4 * error
    assert abs(published - wanted) < 4 * error


def feed(decoder, order):
    """Return how many of the messages were asked for before the decoder was ready."""
    for count, message in enumerate(order):
        if decoder.ready:
            return count
        decoder.add(message, np.array([1.0]))
    return len(order)


def test_it_is_ready_with_every_group_or_with_enough_answers():
    code = codes.make("erasure-head", n_workers=6, n_stragglers=2, spread=False)
    decoder = code.decoder()
    out = np.empty((1, 1))
    for order, count, total in (
        ((0, 2, 4, 1, 3, 5), 3, 3.0),  # all groups
        ((0, 1, 2, 3, 4, 5), 4, 3.0),  # four answers of two groups, scaled by 3 / 2
        ((0, 1, 2, 4, 3, 5), 4, 3.0),
    ):
        decoder.reset()
        assert feed(decoder, order) == count
        decoder.estimate(out)
        assert_allclose(out, total)


def test_a_repeated_or_old_message_is_no_further_answer():
    decoder = codes.make("erasure-head", n_workers=6, n_stragglers=3).decoder()
    payload = np.array([1.0])
    for message, age in ((0, 0), (0, 0), (0, 0), (3, 0), (2, 1), (1, 2)):
        decoder.add(message, payload, age)
    assert not decoder.ready
    decoder.add(2, payload)
    assert decoder.ready


def test_the_placement_is_that_of_fractional_repetition():
    for spread in (False, True):
        one = codes.make("erasure-head", n_workers=12, replication=3, spread=spread)
        other = codes.make("fractional-repetition", n_workers=12, n_stragglers=2, spread=spread)
        assert (one.encoding != other.encoding).nnz == 0
        assert_array_equal(one.group, other.group)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"replication": 5}, r"code\.replication: groups of 5 .* replication 4 or 6, or 10 or 15"),
        ({"replication": 0}, r"code\.replication: groups of 0 .* replication 1$"),
        ({"n_stragglers": 12}, r"code\.n_stragglers: 12 of 12"),
        ({"n_blocks": 7}, r"code\.n_blocks: 7 blocks .* 6 groups.* 6 or 12"),
    ],
)
def test_what_cannot_be_is_refused(given, said):
    with pytest.raises(ConfigError, match=said):
        codes.make("erasure-head", n_workers=12, **given)
