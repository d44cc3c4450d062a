import numpy as np
import pytest
from numpy.testing import assert_allclose

from mpicode import codes
from mpicode.codes.gradient.ignore_stragglers import IgnoreStragglers

from ..approximate import mean_sum
from ..suite import CodeSuite


class TestIgnoreStragglers(CodeSuite):
    code = IgnoreStragglers
    least_squares = False  # unbiased instead: coefficients above 1
    cases = (
        {"n_workers": 1, "n_stragglers": 0},
        {"n_workers": 7, "n_stragglers": 2},
        {"n_workers": 4, "n_stragglers": 3, "n_blocks": 8},
    )


@pytest.mark.parametrize("n_lost", range(6))
def test_the_estimate_is_unbiased_over_all_sets_of_one_size(n_lost):
    code = codes.make("ignore-stragglers", n_workers=6, n_stragglers=2, n_blocks=12)
    assert_allclose(mean_sum(code, n_lost), np.ones((1, 12)), rtol=1e-13)


def test_it_waits_for_all_but_the_stragglers_and_uses_more_if_they_are_there():
    code = codes.make("ignore-stragglers", n_workers=4, n_stragglers=2)
    decoder = code.decoder()
    out = np.empty((1, 1))
    ready = []
    for message in (3, 0, 2):
        decoder.add(message, np.array([6.0]))
        ready.append(decoder.ready)
    assert ready == [False, True, True]
    decoder.estimate(out)
    assert_allclose(out, 24)
