import numpy as np
import pytest
from numpy.testing import assert_array_equal

from mpicode import codes
from mpicode.codes.gradient.stochastic_block import StochasticBlock
from mpicode.errors import ConfigError

from ..approximate import ApproximateSuite, mean_errors
from ..suite import CodeSuite


class TestStochasticBlock(ApproximateSuite, CodeSuite):
    code = StochasticBlock
    cases = (
        {"n_workers": 2, "load": 1},
        {"n_workers": 6, "load": 6, "probability": 0.5, "n_stragglers": 2},
        {"n_workers": 12, "probability": 1.0, "n_stragglers": 3, "n_blocks": 24},
        {"n_workers": 24, "load": 4, "probability": 0.3, "n_stragglers": 8, "seed": 1},
    )


def test_the_groups_hold_most_of_their_own_and_little_of_the_rest():
    own, other = [], []
    for seed in range(60):
        code = codes.make("stochastic-block", n_workers=24, load=4, probability=0.8, seed=seed)
        held = code.encoding.toarray()
        same = code.group[:, None] == np.arange(24) // 4
        own.append(held[same].mean())
        other.append(held[~same].mean())
    for found, wanted in ((own, 0.8), (other, 4 * 0.2 / 20)):
        assert abs(np.mean(found) - wanted) < 4 * np.std(found) / np.sqrt(60)


def test_certain_membership_is_repetition_in_shuffled_groups():
    code = codes.make("stochastic-block", n_workers=12, load=3, probability=1.0, seed=1)
    held = code.encoding.toarray()
    assert_array_equal(held @ held.T, 3.0 * (code.group[:, None] == code.group))
    assert (np.diff(code.group) < 0).any()


@pytest.mark.parametrize(("load", "s", "published"), [(3, 5, 0.029), (4, 8, 0.012)])
def test_the_error_is_between_those_of_repetition_and_independent_draws(load, s, published):
    def errors(**given):
        return mean_errors(lambda seed: codes.make(n_workers=24, load=load, seed=seed, **given), s)

    found = errors(name="stochastic-block")
    # The figure is that of one such code.
    assert abs(found.mean() - published) < 2 * found.std()
    certain = errors(name="stochastic-block", probability=1.0)
    independent = errors(name="bernoulli")
    for less, more in ((certain, found), (found, independent)):
        error = np.hypot(less.std(), more.std()) / np.sqrt(len(less))
        assert less.mean() + 3 * error < more.mean()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"load": 5},
            r"code\.load: groups of 5 .* 12 workers; .* load 4 or 6, or 10 or 15 workers",
        ),
        ({"load": 0}, r"code\.load: groups of 0 .* load 1$"),
        ({"probability": 0}, r"code\.probability: wants more than 0, at most 1, got 0"),
        ({"probability": 1.5}, r"code\.probability: wants more than 0, at most 1, got 1\.5"),
        ({"n_stragglers": 12}, r"code\.n_stragglers: 12 of 12"),
    ],
)
def test_what_cannot_be_is_refused(given, said):
    with pytest.raises(ConfigError, match=said):
        codes.make("stochastic-block", n_workers=12, **given)
