import numpy as np
import pytest
from numpy.testing import assert_array_equal

from mpicode.codes.random_assignment import check_load, drawn
from mpicode.errors import ConfigError


def test_what_is_held_has_the_probabilities_given_that_somebody_holds_it():
    # Columns of two workers, probabilities 1/2 and 1/4, without the empty one.
    chance = np.array([0.5 * 0.75, 0.5 * 0.25, 0.5 * 0.25]) / (1 - 0.5 * 0.75)
    counts = np.zeros(3)
    for seed in range(100):
        held = drawn(np.repeat([[0.5], [0.25]], 60, axis=1), seed)
        one, other = held
        counts += [np.sum(one & ~other), np.sum(~one & other), np.sum(one & other)]
    n = counts.sum()
    assert n == 6000
    assert (np.abs(counts / n - chance) < 4 * np.sqrt(chance * (1 - chance) / n)).all()


def test_certain_and_impossible_blocks():
    probability = np.kron(np.eye(3), np.ones((2, 2)))
    assert_array_equal(drawn(probability, 5), probability)


@pytest.mark.parametrize("p", [1e-12, 1e-3, 0.05])
def test_rare_blocks_and_workers_are_held_and_hold_at_once(p):
    held = drawn(np.full((20, 30), p), 0)
    assert held.any(axis=0).all()
    assert held.any(axis=1).all()


def test_an_idle_worker_gets_a_block_it_may_hold():
    # Worker 1 may hold blocks 0 and 1, and draws them next to never.
    probability = np.array([[1.0, 1.0, 1.0], [1e-9, 3e-9, 0.0]])
    got = np.array([drawn(probability, seed)[1] for seed in range(800)])
    assert_array_equal(got.sum(axis=1), 1)
    assert not got[:, 2].any()
    assert abs(got[:, 1].mean() - 0.75) < 4 * np.sqrt(0.75 * 0.25 / 800)


def test_a_load_must_fit():
    check_load(1, 1)
    for load, nearest in ((0, 1), (5, 4)):
        with pytest.raises(ConfigError, match=rf"code\.load: .*{load} of 4.*valid: {nearest}"):
            check_load(load, 4)
