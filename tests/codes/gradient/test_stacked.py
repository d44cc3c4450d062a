import numpy as np
import pytest
from numpy.testing import assert_allclose

from mpicode import codes
from mpicode.codes.gradient.stacked import Stacked

from ..even import EvenSuite
from ..suite import CodeSuite
from .theorems import residuals


class TestStacked(EvenSuite, CodeSuite):
    code = Stacked
    cases = (
        {"n_workers": 7, "design": "bibd", "n_stragglers": 2},
        {"n_workers": 9, "design": "srg", "n_segments": 3, "n_blocks": 18},
        {"n_workers": 12, "design": "biregular", "load": 2, "replication": 4},
        {"n_workers": 12, "design": "coset", "load": 2},
    )


@pytest.mark.parametrize(("n", "k", "load", "m"), [(7, 7, 3, 2), (13, 13, 4, 3), (9, 12, 4, 2)])
@pytest.mark.parametrize("n_lost", [0, 2, 5])
def test_on_block_designs_the_residual_has_a_closed_form(n, k, load, m, n_lost):
    _, _, found = residuals("stacked", 5, n_lost, n_workers=n, design="bibd", n_segments=m)
    left = n - n_lost
    assert_allclose(found, m * k - load**2 * left / (load + left - 1), rtol=1e-10)


def test_the_segments_cannot_be_told_apart():
    code = codes.make("stacked", n_workers=12, n_segments=3)
    coefficients = code.decode(np.ones(12, dtype=bool)).coefficients
    assert_allclose(coefficients, np.tile(coefficients[0], (3, 1)), atol=1e-12)


def test_random_diagonals_miss_far_less():
    case = {"n_workers": 13, "design": "bibd"}
    naive = residuals("stacked", 20, 3, **case)[2]
    assert residuals("munim-diagonal", 20, 3, **case)[2].mean() < 0.6 * naive.mean()
