import numpy as np
import pytest
from numpy.testing import assert_allclose

from mpicode import codes
from mpicode.codes.gradient.bernoulli import Bernoulli
from mpicode.errors import ConfigError

from ..approximate import ApproximateSuite, mean_errors
from ..suite import CodeSuite


class TestBernoulli(ApproximateSuite, CodeSuite):
    code = Bernoulli
    cases = (
        {"n_workers": 1, "load": 1, "n_stragglers": 0},
        {"n_workers": 6, "load": 6, "n_stragglers": 2},
        {"n_workers": 10, "n_stragglers": 3, "n_blocks": 20},
        {"n_workers": 24, "load": 1, "seed": 4},
        {"n_workers": 24, "n_stragglers": 12, "seed": 9},
    )


def test_the_load_is_kept_on_average_and_nobody_is_left_out():
    held = np.array(
        [
            codes.make("bernoulli", n_workers=40, load=4, seed=s).encoding.toarray()
            for s in range(60)
        ]
    )
    assert held.any(axis=1).all()
    assert held.any(axis=2).all()
    # Given that a block is held, its mean number of holders is load / (1 - (1 - p)^n).
    p = 0.1
    wanted = 4 / (1 - (1 - p) ** 40)
    means = held.sum(axis=(1, 2)) / 40
    error = means.std() / np.sqrt(len(means))
    # Workers that drew nothing add (1 - p)^40 = 0.015 blocks each.
    assert -4 * error < means.mean() - wanted < 0.015 + 4 * error


@pytest.mark.parametrize(("load", "s", "published"), [(3, 5, 0.147), (4, 8, 0.119)])
def test_the_error_is_that_of_independent_draws(load, s, published):
    """Less than the figure of one code in the literature only by the blocks drawn again."""
    errors = mean_errors(
        lambda seed: codes.make("bernoulli", n_workers=24, load=load, seed=seed), s
    )
    mean, error = errors.mean(), errors.std() / np.sqrt(len(errors))
    unheld = (1 - load / 24) ** 24
    survivors = 24 - s
    alone = ((1 - load / 24) ** survivors - unheld) / (1 - unheld)
    assert mean - 4 * error > alone
    assert abs(mean + unheld - published) < 2 * errors.std()


def test_what_cannot_be_is_refused():
    with pytest.raises(ConfigError, match=r"code\.load: .* hold 7 of 6 blocks; nearest valid: 6"):
        codes.make("bernoulli", n_workers=6, load=7)
    with pytest.raises(ConfigError, match=r"code\.load: .* hold 0 of 6 blocks; nearest valid: 1"):
        codes.make("bernoulli", n_workers=6, load=0)
    with pytest.raises(ConfigError, match=r"code\.n_stragglers: 6 of 6"):
        codes.make("bernoulli", n_workers=6, n_stragglers=6)


def test_one_step_coefficients_are_worse():
    code = codes.make("bernoulli", n_workers=24, load=3)
    rows = code.encoding.toarray()
    arrived = np.arange(24) >= 5
    fixed = np.sum((24 / (3 * 19) * arrived @ rows - 1) ** 2)
    assert code.decode(arrived).residual < fixed / 1.5
    assert_allclose(rows.sum() / 24, 3, atol=1)
