import numpy as np
import pytest
from numpy.testing import assert_allclose

from mpicode import codes
from mpicode.codes.gradient.bibd import Bibd
from mpicode.codes.sets import straggler_sets
from mpicode.errors import ConfigError

from ..approximate import ApproximateSuite
from ..suite import CodeSuite


class TestBibd(ApproximateSuite, CodeSuite):
    code = Bibd
    cases = (
        {"n_workers": 7, "n_stragglers": 0},
        {"n_workers": 9, "n_stragglers": 3},
        {"n_workers": 11, "n_stragglers": 3, "n_blocks": 22},
        {"n_workers": 13, "replication": 4, "n_stragglers": 6},
        {"n_workers": 16, "load": 6},
    )


@pytest.mark.parametrize(
    ("n", "load", "overlap"),
    [(7, 3, 1), (13, 4, 1), (21, 5, 1), (31, 6, 1), (11, 5, 2), (91, 10, 1)],
)
def test_every_set_of_one_size_has_the_residual_of_the_theorem(n, load, overlap):
    code = codes.make("bibd", n_workers=n, load=load)
    for s in {0, 1, n // 4, n // 2, n - 1}:
        sets = np.concatenate(
            [straggler_sets(n, s, 40, np.random.default_rng(s)), code.hard_sets(s)]
        )
        gram = load + overlap * (n - s - 1)
        for lost in sets:
            arrived = ~np.isin(np.arange(n), lost)
            decoding = code.decode(arrived)
            assert_allclose(decoding.coefficients[0, arrived], load / gram, rtol=1e-14)
            wanted = n - load**2 * (n - s) / gram
            assert_allclose(decoding.residual, wanted, rtol=1e-10, atol=1e-12)


def test_a_design_of_more_blocks_than_workers_is_decoded_alike():
    code = codes.make("bibd", n_workers=9, replication=3)
    assert (code.n_blocks, code.n_held, code.overlap) == (12, 4, 1)
    assert_allclose(code.decode(np.ones(9, dtype=bool)).residual, 0, atol=1e-12)


def test_numbers_without_a_design_are_refused_with_the_nearest_that_have_one():
    with pytest.raises(ConfigError, match=r"run\.n_workers: .* 12 workers .* 11 or 13"):
        codes.make("bibd", n_workers=12)
    with pytest.raises(ConfigError, match=r"code\.n_stragglers: 7 of 7"):
        codes.make("bibd", n_workers=7, n_stragglers=7)
    with pytest.raises(ConfigError, match=r"code\.n_blocks: 8 blocks .* 7 or 14"):
        codes.make("bibd", n_workers=7, n_blocks=8)
