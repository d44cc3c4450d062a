"""The probabilistic model of failures: E[B_F R] = alpha T, what convergence rests on."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from mpicode import codes
from mpicode.codes.design_code import per_worker
from mpicode.codes.designs import placement
from mpicode.codes.gram import GramCode

from .theorems import DESIGNS, is_multiple_of_the_sum, standard_error, sums


def diagonal(name):
    return lambda seed: codes.make("munim-diagonal", seed=seed, **DESIGNS[name])


@pytest.mark.parametrize("name", ["fano", "plane", "petersen", "clebsch"])
@pytest.mark.parametrize("lost", [0.1, 0.25])
def test_the_expected_sum_is_a_multiple_of_the_true_one(name, lost):
    assert is_multiple_of_the_sum(sums(diagonal(name), 300, lost), 2)


@pytest.mark.parametrize("lost", [0.1, 0.25])
def test_so_it_is_on_a_coset_graph(lost):
    given = {"n_workers": 18, "design": "coset", "load": 4, "epsilon": 0.1}
    found = sums(lambda seed: codes.make("munim-diagonal", seed=seed, **given), 300, lost)
    assert is_multiple_of_the_sum(found, 2)


@pytest.mark.parametrize("name", ["fano", "plane", "clebsch"])
def test_a_code_that_redraws_keeps_it_over_its_own_iterations(name):
    code = codes.make("munim-diagonal", **DESIGNS[name])
    assert is_multiple_of_the_sum(sums(code.at, 300, 0.25), 2)


def off(code, lost, count):
    """How far the mean sum over failures of one code is from a multiple of the true one, of it."""
    found = sums(lambda seed: code, count, lost)
    mean = found.mean(axis=0)
    target = np.kron(np.eye(code.n_segments), np.ones(code.n_blocks))
    wanted = mean[target == 1].mean() * target
    return np.linalg.norm(mean - wanted) / np.linalg.norm(wanted)


def test_one_draw_for_a_whole_run_is_not_enough():
    code = codes.make("munim-diagonal", **DESIGNS["plane"])
    assert not is_multiple_of_the_sum(sums(lambda seed: code, 300, 0.25), 2)
    assert off(code, 0.25, 300) > 0.3


@pytest.mark.parametrize("name", ["fano", "plane", "clebsch"])
def test_pseudo_inverse_weights_come_near_it_with_one_draw(name):
    code = codes.make("munim-nullspace", **DESIGNS[name])
    assert off(code, 0.25, 1000) < 0.12


class Lopsided(GramCode):
    name = "lopsided"


def test_not_if_some_blocks_have_more_holders():
    held = placement("bibd", 13, 2, None, None, 0)
    held[0] = 0
    held[0, :2] = 1

    def build(seed):
        signs = np.random.default_rng(seed).choice([-1.0, 1.0], (13, 2))
        return Lopsided(per_worker(held, signs), n_segments=2, n_stragglers=0, n_blocks=None)

    assert not is_multiple_of_the_sum(sums(build, 300, 0.25), 2)


# Mean share of the true sum, measured independently of this implementation.
@pytest.mark.parametrize(
    ("given", "lost", "alpha"),
    [
        (DESIGNS["fano"], 0.10, 0.748),
        (DESIGNS["fano"], 0.25, 0.676),
        (DESIGNS["plane"], 0.10, 0.795),
        (DESIGNS["plane"], 0.25, 0.737),
    ],
)
def test_the_mean_residual_tells_the_share(given, lost, alpha):
    found = sums(lambda seed: codes.make("munim-diagonal", seed=seed, **given), 300, lost)
    target = np.kron(np.eye(2), np.ones(given["n_workers"]))
    share = found[:, target == 1].mean(axis=1)
    residual = ((found - target) ** 2).sum(axis=(1, 2))
    assert_allclose(residual.mean(), target.sum() * (1 - share.mean()), rtol=1e-9)
    assert abs(share.mean() - alpha) <= 4 * standard_error(share) + 0.001
