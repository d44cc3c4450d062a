import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from mpicode import codes
from mpicode.codes.gradient.partial_stragglers import PartialStragglers
from mpicode.codes.sets import all_sets
from mpicode.errors import ConfigError

from ..suite import CodeSuite


class TestPartialStragglers(CodeSuite):
    code = PartialStragglers
    earliest = False  # it counts, and a few regular sets would do with fewer
    cases = (
        {"n_workers": 1, "n_stragglers": 0},
        {"n_workers": 4, "n_stragglers": 0},
        {"n_workers": 5, "n_stragglers": 2, "load": 7},
        {"n_workers": 6, "n_stragglers": 5},
        {"n_workers": 8, "n_stragglers": 1, "n_blocks": 32, "seed": 3},
        {"n_workers": 20, "n_stragglers": 4},
    )


@pytest.mark.parametrize(("n", "s", "load"), [(5, 2, 4), (6, 1, 5), (7, 3, 6)])
def test_any_s_second_messages_may_be_missing(n, s, load):
    code = codes.make("partial-stragglers", n_workers=n, n_stragglers=s, load=load)
    for slow in all_sets(n, s):
        arrived = np.ones(2 * n, dtype=bool)
        arrived[2 * slow + 1] = False
        assert code.decode(arrived).residual < 1e-20
        for first in 2 * slow:
            without = arrived.copy()
            without[first] = False
            # The worker's own blocks, and nothing else, are missed.
            assert_allclose(code.decode(without).residual, load - s - 1)


@pytest.mark.parametrize(("n", "s", "load"), [(5, 2, 4), (6, 1, 5), (7, 3, 6)])
def test_a_straggler_within_the_bound_does_not_delay_the_others(n, s, load):
    """Workers need one unit of time per block; s of them need ``slower`` times that."""
    code = codes.make("partial-stragglers", n_workers=n, n_stragglers=s, load=load)
    own = load - s - 1
    decoder = code.decoder()
    for slower, in_time in ((load / own, True), (load / own * 1.01, False)):
        speed = np.where(np.arange(n) < s, slower, 1.0)
        done = np.column_stack([speed * own, speed * load]).ravel()
        decoder.reset()
        for message in np.flatnonzero(done <= load):
            decoder.add(message, np.zeros(1))
        assert decoder.ready == in_time


def test_the_first_message_is_the_sum_of_blocks_nobody_else_holds():
    code = codes.make("partial-stragglers", n_workers=5, n_stragglers=2, load=5)
    assert code.n_blocks == 5 * 3
    rows = code.encoding.toarray()
    assert_array_equal(code.owner, np.repeat(np.arange(5), 2))
    for worker in range(5):
        own = np.flatnonzero(rows[2 * worker])
        assert own.size == 2
        assert (rows[2 * worker, own] == 1).all()
        assert not np.delete(rows, 2 * worker, axis=0)[:, own].any()
        assert np.count_nonzero(rows[2 * worker + 1]) == 3


def test_a_load_that_leaves_nothing_uncoded_is_refused():
    with pytest.raises(ConfigError, match=r"code\.load: 3 blocks .* the 3 that .* at least 4"):
        codes.make("partial-stragglers", n_workers=6, n_stragglers=2, load=3)


def test_blocks_must_be_a_multiple_of_the_natural_ones():
    with pytest.raises(ConfigError, match=r"code\.n_blocks: 13 .* 12 natural blocks.* 12 or 24"):
        codes.make("partial-stragglers", n_workers=6, n_stragglers=1, n_blocks=13)


def test_at_a_given_load_it_holds_that_share_of_the_data():
    for load in (2, 3):
        (parameters,) = PartialStragglers.for_load(12, load)
        code = codes.make("partial-stragglers", n_workers=12, **parameters)
        assert {code.load(worker) for worker in range(12)} == {load / 12}
