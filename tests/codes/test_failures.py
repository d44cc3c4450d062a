from math import comb

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from mpicode import codes
from mpicode.codes import failures
from mpicode.codes.adversary import adversary
from mpicode.codes.sets import all_sets, masks
from mpicode.errors import ConfigError


@pytest.fixture(scope="module")
def code():
    return codes.make("fractional-repetition", n_workers=12, n_stragglers=2, spread=False)


def lost(code, name, count, seed=0, **parameters):
    return failures.make(name, parameters, code=code, seed=seed).lost(count)


MODELS = {
    "uniform": {"n_lost": 3},
    "bernoulli": {"probability": 0.25},
    "node": {"workers_per_node": 4, "n_nodes": 1},
    "adversarial": {"n_lost": 3, "budget": 50},
}


def test_every_model_is_tried_here():
    assert list(failures.FAILURES) == list(MODELS)


@pytest.mark.parametrize("name", MODELS)
def test_a_set_is_a_row_of_truths_and_the_seed_decides_it(code, name):
    sets = lost(code, name, 40, **MODELS[name])
    assert sets.dtype == np.bool_
    assert sets.shape[1] == 12
    assert 1 <= len(sets) <= 40
    assert_array_equal(sets, lost(code, name, 40, **MODELS[name]))


@pytest.mark.parametrize("name", ["uniform", "bernoulli"])
def test_another_seed_draws_other_sets(code, name):
    one, other = (lost(code, name, 40, seed=seed, **MODELS[name]) for seed in (0, 1))
    assert (one != other).any()


def test_uniform_gives_all_sets_where_they_are_few(code):
    sets = lost(code, "uniform", comb(12, 2), n_lost=2)
    assert_array_equal(sets, masks(all_sets(12, 2), 12))
    sampled = lost(code, "uniform", 4000, n_lost=6, seed=1)[:500]
    assert (sampled.sum(axis=1) == 6).all()


def test_every_worker_is_as_likely_lost(code):
    counts = lost(code, "uniform", 700, n_lost=6).sum(axis=0)
    # 700 sets, each with a worker in half of them: standard deviation 13
    assert abs(counts - 350).max() < 5 * 13.3


def test_bernoulli_loses_each_worker_by_itself(code):
    sets = lost(code, "bernoulli", 4000, probability=0.25)
    counts = sets.sum(axis=0)
    assert abs(counts - 1000).max() < 5 * np.sqrt(4000 * 0.25 * 0.75)
    # the number lost varies as that of independent draws does
    spread = sets.sum(axis=1).var()
    assert abs(spread - 12 * 0.25 * 0.75) < 5 * 2.25 * np.sqrt(2 / 4000)
    more = lost(code, "bernoulli", 4000, probability=0.5)
    assert (sets <= more).all()
    assert not lost(code, "bernoulli", 9, probability=0).any()
    assert lost(code, "bernoulli", 9, probability=1).all()


def test_a_node_takes_its_consecutive_workers_along(code):
    sets = lost(code, "node", 100, workers_per_node=5, n_nodes=1)
    assert [np.flatnonzero(row).tolist() for row in sets] == [
        [0, 1, 2, 3, 4],
        [5, 6, 7, 8, 9],
        [10, 11],
    ]
    assert len(lost(code, "node", 100, workers_per_node=2, n_nodes=3)) == comb(6, 3)
    assert len(lost(code, "node", 7, workers_per_node=2, n_nodes=3)) == 7


def test_spread_groups_survive_the_node_that_kills_near_ones(code):
    apart = codes.make("fractional-repetition", n_workers=12, n_stragglers=2)
    (node, *_) = lost(code, "node", 9, workers_per_node=4, n_nodes=1)
    assert code.decode(~node).residual > 0
    assert apart.decode(~node).residual == 0


def test_the_adversary_gives_its_worst_set(code):
    (row,) = lost(code, "adversarial", 100, n_lost=6, seed=2)
    assert_array_equal(row, adversary(code, 6, seed=2).lost)
    assert code.decode(~row).residual == 6


@pytest.mark.parametrize(
    ("name", "parameters", "said"),
    [
        ("unifrm", {}, "failures.name: unknown failures 'unifrm'; did you mean 'uniform'"),
        ("uniform", {}, "failures.n_lost: missing"),
        ("uniform", {"n_lost": 13}, "failures.n_lost: wants 0 to 12 of 12 workers, got 13"),
        ("uniform", {"n_lost": -1}, "failures.n_lost: wants 0 to 12"),
        ("uniform", {"n_lots": 1}, "failures.n_lots: no such parameter .* 'n_lost'"),
        ("bernoulli", {"probability": 1.5}, r"failures.probability: must lie in \[0, 1\], got 1.5"),
        ("node", {"workers_per_node": 0, "n_nodes": 1}, "failures.workers_per_node: .* got 0"),
        ("node", {"workers_per_node": 5, "n_nodes": 4}, "n_nodes: wants 0 to 3 of 3 nodes, got 4"),
        ("adversarial", {"n_lost": 1, "budget": 0}, "failures.budget: wants at least 1"),
        ("adversarial", {"n_lost": 1, "target": "noise"}, "failures.target: 'noise' is not one of"),
    ],
)
def test_wrong_parameters_are_named(code, name, parameters, said):
    with pytest.raises(ConfigError, match=said):
        failures.make(name, parameters, code=code, seed=0)
