import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from mpicode import codes
from mpicode.codes.gradient.s_regular import SRegular
from mpicode.errors import ConfigError

from ..approximate import ApproximateSuite, mean_errors
from ..even import EvenSuite
from ..suite import CodeSuite


class TestSRegular(EvenSuite, ApproximateSuite, CodeSuite):
    code = SRegular
    cases = (
        {"n_workers": 1, "load": 1, "n_stragglers": 0},
        {"n_workers": 5, "load": 5, "n_stragglers": 3},
        {"n_workers": 11, "n_stragglers": 3, "n_blocks": 22},
        {"n_workers": 24, "load": 4, "n_stragglers": 8, "seed": 1},
    )


def test_workers_and_blocks_have_equal_numbers():
    for seed in range(5):
        code = codes.make("s-regular", n_workers=25, load=4, n_blocks=50, seed=seed)
        held = code.encoding.toarray()
        assert_array_equal(held.sum(axis=0), 4)
        assert_array_equal(held.sum(axis=1), 8)
        assert_array_equal(np.unique(held), [0, 1])


@pytest.mark.parametrize(("load", "s", "published"), [(3, 5, 0.026), (4, 8, 0.039)])
def test_the_error_is_that_of_random_regular_placements(load, s, published):
    errors = mean_errors(
        lambda seed: codes.make("s-regular", n_workers=24, load=load, seed=seed), s
    )
    # The figure is that of one such code.
    assert abs(errors.mean() - published) < 2 * errors.std()


@pytest.mark.parametrize(("load", "s", "published"), [(3, 5, 0.080), (4, 8, 0.108)])
def test_one_coefficient_for_all_has_the_mean_error_of_every_regular_placement(load, s, published):
    n, a = 24, 24 - s
    rows = codes.make("s-regular", n_workers=n, load=load).encoding.toarray()
    rng = np.random.default_rng(s)
    errors = [
        np.sum((n / (load * a) * (rng.permutation(n) >= s) @ rows - 1) ** 2) / n
        for _ in range(2000)
    ]
    # The variance of the number of a block's holders among the answers, drawn without replacement.
    wanted = (n / (load * a)) ** 2 * load * (a / n) * (s / n) * (n - load) / (n - 1)
    error = np.std(errors) / np.sqrt(len(errors))
    assert abs(np.mean(errors) - wanted) < 4 * error
    assert_allclose(wanted, published, atol=0.001)


def test_what_cannot_be_is_refused():
    with pytest.raises(ConfigError, match=r"code\.load: .* hold 7 of 6 blocks; nearest valid: 6"):
        codes.make("s-regular", n_workers=6, load=7)
    with pytest.raises(ConfigError, match=r"code\.n_stragglers: 6 of 6"):
        codes.make("s-regular", n_workers=6, n_stragglers=6)
