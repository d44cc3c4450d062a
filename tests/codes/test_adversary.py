from math import comb

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from mpicode import codes
from mpicode.codes.adversary import adversary
from mpicode.codes.base import GradientCode
from mpicode.codes.damage import damage
from mpicode.codes.sets import Sets, all_sets, masks, straggler_sets


class Random(GradientCode):
    """Nothing to hold on to: no groups, no ring, no hint from `hard_sets`."""

    name = "random"

    def __init__(self, n_workers, copies, seed):
        rng = np.random.default_rng(seed)
        encoding = np.zeros((n_workers, n_workers))
        for block in range(n_workers):
            encoding[rng.permutation(n_workers)[:copies], block] = rng.standard_normal(copies)
        super().__init__(encoding, np.arange(n_workers), n_workers=n_workers, n_blocks=n_workers)

    def hard_sets(self, n_lost) -> Sets:
        return np.empty((0, n_lost), dtype=np.intp)


def everything(code, n_lost):
    return damage(code, masks(all_sets(code.n_workers, n_lost), code.n_workers))


def test_damage_is_that_of_the_messages_of_the_lost():
    rng = np.random.default_rng(0)
    owner = np.array([0, 2, 1, 1, 0])
    code = type("Plain", (GradientCode,), {"name": "plain"})(
        rng.standard_normal((5, 4)), owner, n_workers=3, n_blocks=4
    )
    lost = np.array([[False, True, False], [True, True, True]])
    wanted = code.decode(np.array([True, True, False, False, True]))
    assert_array_equal(
        damage(code, lost), [[wanted.residual / 4, wanted.amplification], [1.0, 0.0]]
    )


def test_few_sets_are_all_tried():
    code = Random(9, 3, 0)
    found = adversary(code, 3, budget=comb(9, 3))
    assert found.complete
    assert found.n_tried == comb(9, 3)
    outcomes = everything(code, 3)
    assert_array_equal([found.residual, found.amplification], outcomes.max(axis=0))
    worst = all_sets(9, 3)[np.argmax(outcomes[:, 0])]
    assert_array_equal(np.flatnonzero(found.lost), worst)


@pytest.mark.parametrize(("n_lost", "seed"), [(4, 0), (4, 2), (4, 3), (6, 1)])
def test_a_fifth_of_the_sets_is_enough_to_find_the_worst(seed, n_lost):
    code = Random(14, 3, seed)
    worst = everything(code, n_lost).max(axis=0)
    budget = comb(14, n_lost) // 5
    by_residual = adversary(code, n_lost, budget, seed)
    assert not by_residual.complete
    assert by_residual.n_tried <= budget
    np.testing.assert_allclose(by_residual.residual, worst[0], rtol=1e-9)
    residual, _ = damage(code, by_residual.lost[None])[0]
    assert residual == by_residual.residual


def test_it_may_look_for_noise_instead():
    code = codes.make("cyclic", n_workers=16, n_stragglers=4)
    found = adversary(code, 4, 400, target="amplification")
    np.testing.assert_allclose(found.amplification, everything(code, 4)[:, 1].max(), rtol=1e-9)
    assert damage(code, found.lost[None])[0, 1] == found.amplification


def test_of_a_code_that_stays_exact_it_finds_the_most_noise():
    code = codes.make("cyclic", n_workers=16, n_stragglers=4)
    found = adversary(code, 4, 400)
    np.testing.assert_allclose(found.amplification, everything(code, 4)[:, 1].max(), rtol=1e-9)


@pytest.mark.parametrize("n_lost", [7, 8, 9])
def test_whole_groups_are_found_without_being_told_of_them(n_lost, monkeypatch):
    """A step that loses half a group changes nothing yet: the plain on which greed is lost."""
    code = codes.make("fractional-repetition", n_workers=24, n_stragglers=3, spread=True)
    monkeypatch.setattr(type(code), "hard_sets", Random.hard_sets)
    found = adversary(code, n_lost, 2000)
    assert found.residual == pytest.approx(n_lost // 4 / 6)
    sampled = straggler_sets(24, n_lost, 2000, np.random.default_rng(0))
    assert damage(code, masks(sampled, 24))[:, 0].max() < found.residual or n_lost == 7


def test_sets_that_the_scheme_knows_are_tried_however_small_the_budget():
    code = codes.make("fractional-repetition", n_workers=24, n_stragglers=3)
    found = adversary(code, 12, budget=1)
    assert found.residual == pytest.approx(0.5)
    assert found.lost.sum() == 12


def test_the_same_arguments_find_the_same():
    code = Random(14, 3, 1)
    one, again = adversary(code, 5, 200, seed=3), adversary(Random(14, 3, 1), 5, 200, seed=3)
    assert_array_equal(one.lost, again.lost)
    assert one[1:] == again[1:]


@pytest.mark.parametrize("n_lost", [0, 1, 12])
def test_nobody_and_everybody(n_lost):
    found = adversary(Random(12, 3, 0), n_lost, budget=12)
    assert found.lost.sum() == n_lost
    assert found.complete
    if n_lost == 12:
        assert (found.residual, found.amplification) == (1, 0)
