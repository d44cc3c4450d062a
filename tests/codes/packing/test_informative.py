from math import log

import numpy as np
import pytest
from numpy.testing import assert_allclose

from mpicode.codes.packing import (
    information,
    left_unknown,
    most_information,
    most_informative,
    pack,
    telling_order,
)
from mpicode.errors import ConfigError


def covariance(k, seed, equal=False):
    factor = np.random.default_rng(seed).standard_normal((k, k))
    S = factor @ factor.T
    if equal:
        scale = np.sqrt(S.diagonal())
        S = S / np.outer(scale, scale)
    return S


def test_information_of_one_codeword():
    S = covariance(5, 0)
    row = np.array([[0.0, 0.6, 0.0, 0.0, 0.8]])
    assert_allclose(information(row, S, 0.3), 0.5 * log(1 + (row @ S @ row.T).item() / 0.3))
    assert information(np.zeros((2, 5)), S, 0.3) == 0.0


@pytest.mark.parametrize("m", [1, 3, 6, 9])
def test_no_unit_rows_tell_more_than_the_bound(m):
    rng = np.random.default_rng(m)
    for seed in range(20):
        S = covariance(6, seed)
        bound = most_information(m, S, 0.5)
        for _ in range(20):
            rows = rng.standard_normal((m, 6))
            rows /= np.linalg.norm(rows, axis=1, keepdims=True)
            assert information(rows, S, 0.5) <= bound


def test_the_bound_is_attained_by_principal_components_where_all_are_filled_alike():
    S = np.diag([3.0, 2.0, 1.0])
    assert_allclose(most_information(1, S, 0.1), information(np.eye(3)[:1], S, 0.1))
    assert_allclose(most_information(3, np.eye(3), 0.1), information(np.eye(3), np.eye(3), 0.1))
    # a little energy goes to the strongest alone: the level 0.5 + 1 / 3 is below 1 / 1
    assert_allclose(most_information(1, S, 1.0), 0.5 * log(1 + 3))


@pytest.mark.parametrize("weight", [1, 2, 4])
@pytest.mark.parametrize("m", [8, 16, 24, 32])
def test_with_equal_energies_light_rows_tell_nearly_all_there_is(m, weight):
    for noise in (0.01, 0.1, 1.0):
        rows = most_informative(np.eye(16), m, weight, noise)
        share = information(rows, np.eye(16), noise) / most_information(m, np.eye(16), noise)
        assert 0.95 <= share <= 1 + 1e-12


@pytest.mark.parametrize("m", [8, 16, 32])
def test_correlated_segments_of_equal_energy(m):
    for seed in range(3):
        S = covariance(16, seed, equal=True)
        rows = most_informative(S, m, 4, 0.1)
        share = information(rows, S, 0.1) / most_information(m, S, 0.1)
        assert 0.95 <= share <= 1 + 1e-12


@pytest.mark.parametrize(("m", "weight"), [(3, 2), (8, 3), (12, 8)])
def test_rows_are_light_unit_vectors(m, weight):
    rows = most_informative(covariance(8, 1), m, weight, 0.2)
    assert_allclose(np.linalg.norm(rows, axis=1), 1.0, rtol=0, atol=1e-12)
    assert ((rows != 0).sum(axis=1) <= weight).all()


def test_they_tell_more_than_rows_that_do_not_know_the_covariance():
    for seed in range(4):
        S = covariance(16, seed) * np.outer(*(2 * [np.geomspace(1, 10, 16)]))
        mine = information(most_informative(S, 8, 4, 0.1), S, 0.1)
        assert mine > 1.05 * information(pack([4] * 8, 16, starts=1), S, 0.1)


def test_what_is_always_0_is_never_asked_for():
    S = np.diag([1.0, 0.0, 1.0, 0.0])
    rows = most_informative(S, 2, 1, 0.1)
    assert not rows[:, [1, 3]].any()
    assert most_information(4, np.zeros((4, 4)), 0.1) == 0.0
    assert information(most_informative(np.zeros((4, 4)), 2, 2, 0.1), np.zeros((4, 4)), 0.1) == 0.0


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"covariance": np.ones((2, 3))}, r"covariance: wants a square matrix, got shape \(2, 3\)"),
        ({"covariance": np.diag([1.0, np.nan])}, "covariance: holds a number that is not finite"),
        ({"covariance": np.diag([1.0, -1.0])}, "covariance: .* without negative eigenvalues"),
        ({"covariance": np.array([[1.0, 1.0], [0.0, 1.0]])}, "covariance: wants a symmetric"),
        ({"noise": 0.0}, "noise: wants a variance above 0, got 0.0"),
        ({"noise": np.nan}, "noise: wants a variance above 0, got nan"),
        ({"weight": 3}, r"code\.weight: 3 of 2 segments"),
        ({"n_rows": 0}, r"code\.n_messages: wants at least 1, got 0"),
    ],
)
def test_what_makes_no_sense_is_refused(given, text):
    with pytest.raises(ConfigError, match=text):
        most_informative(
            **{"covariance": np.eye(2), "n_rows": 2, "weight": 1, "noise": 0.1, **given}
        )


def test_what_rows_leave_unknown_is_what_others_can_tell():
    """The chain rule: both together tell what one tells, and the other of the rest."""
    S, rng = covariance(6, 2), np.random.default_rng(0)
    rows = rng.standard_normal((5, 6))
    left = left_unknown(rows[:2], S, 0.4)
    both = information(rows[:2], S, 0.4) + information(rows[2:], left, 0.4)
    assert_allclose(both, information(rows, S, 0.4), rtol=1e-10)
    assert_allclose(left_unknown(rows[:0], S, 0.4), S)


def test_each_row_tells_the_most_beside_those_before_it():
    S = covariance(6, 4)
    rows = pack(np.full(9, 2), 6, floor=0.5, seed=0)
    ordered = rows[telling_order(rows, S, 0.4)]
    assert sorted(map(tuple, ordered)) == sorted(map(tuple, rows))
    for n in range(9):
        told = [information(np.vstack([ordered[:n], row]), S, 0.4) for row in ordered[n:]]
        assert told[0] >= max(told) - 1e-12


def test_more_sweeps_tell_no_less():
    S = covariance(12, 7)
    told = [information(most_informative(S, 8, 3, 0.2, n), S, 0.2) for n in (0, 1, 30)]
    assert told[0] <= told[1] <= told[2]
