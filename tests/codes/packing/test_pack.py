from math import cos, pi, sqrt

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from mpicode.codes.packing import coherence, frame_potential, pack, welch_bound
from mpicode.codes.packing.anneal import POWERS, Pattern, anneal, descend, settled
from mpicode.codes.packing.dispatch import dispatch_order
from mpicode.codes.packing.exchange import searched_signs
from mpicode.codes.packing.supports import balanced_supports
from mpicode.codes.packing.variants import random_signs
from mpicode.errors import ConfigError

#: Columns, rows and the least coherence there is.
KNOWN = [
    (2, 3, 1 / 2),
    (2, 7, cos(pi / 7)),
    (3, 4, 1 / 3),
    (3, 6, 1 / sqrt(5)),
    (3, 7, 1 / sqrt(3)),
    (5, 10, 1 / 3),
    (6, 16, 1 / 3),
    (7, 28, 1 / 3),
    (6, 7, 1 / 6),
]


@pytest.mark.parametrize(
    ("weights", "k", "floor"),
    [
        ([4] * 24, 12, 0.5),
        ([3] * 10, 6, 0.9),
        ([3] * 10, 6, 1.0),
        ([5] * 9, 5, 0.0),
        ([1] * 6 + [4] * 6, 6, 0.5),
        ([1] * 4 + [2] * 5 + [4] * 6, 6, 0.5),
        ([1], 1, 0.5),
        ([2], 4, 0.5),
        ([1] * 5, 2, 0.5),
    ],
)
def test_rows_are_light_unit_vectors_above_the_floor_on_balanced_columns(weights, k, floor):
    rows = pack(weights, k, floor=floor, starts=2)
    used = rows != 0
    assert_allclose(np.linalg.norm(rows, axis=1), 1.0, rtol=0, atol=1e-12)
    assert_array_equal(np.sort(used.sum(axis=1)), np.sort(weights))
    least = floor / np.sqrt(used.sum(axis=1, keepdims=True)) - 1e-9
    assert (np.abs(rows) >= np.where(used, least, 0)).all()
    assert np.ptp(used.sum(axis=0)) <= 1
    assert (rows[np.arange(len(rows)), used.argmax(axis=1)] > 0).all()
    assert coherence(rows) >= welch_bound(*rows.shape) - 1e-9
    assert_array_equal(rows, pack(weights, k, floor=floor, starts=2))


@pytest.mark.parametrize(("k", "n", "least"), KNOWN)
def test_dense_packings_reach_the_known_optima(k, n, least):
    rows = pack([k] * n, k, floor=0.0, starts=16)
    assert least - 1e-9 <= coherence(rows) <= least + 1e-3


def test_packed_rows_share_less_than_the_best_of_fifty_random_ones():
    packed = coherence(pack([4] * 24, 12))
    random = [coherence(random_signs(24, 12, 4, np.random.default_rng(i))) for i in range(50)]
    assert packed < 0.6 * min(random)


def test_another_seed_gives_another_packing():
    assert (pack([4] * 12, 6, starts=1) != pack([4] * 12, 6, starts=1, seed=1)).any()


def test_more_beginnings_are_never_worse():
    found = [coherence(pack([4] * 16, 8, starts=starts)) for starts in (1, 2, 4, 8)]
    assert found == sorted(found, reverse=True)
    assert found[-1] < found[0]


@pytest.fixture
def pattern():
    return Pattern.of(balanced_supports(np.full(24, 4), 12, np.random.default_rng(0)), 12)


def begun(pattern, floor=0.5):
    values = np.random.default_rng(1).standard_normal(pattern.columns.size)
    return settled(pattern, values, floor)


@pytest.mark.parametrize("p", POWERS)
def test_every_step_taken_lowers_the_energy(pattern, p):
    values = begun(pattern)
    before = pattern.energy(values, p, np.empty_like(values))
    n_steps = 0
    for energy, there in descend(pattern, values, p, 0.5):
        assert energy < before
        assert energy == pattern.energy(there, p, np.empty_like(there))
        before, n_steps = energy, n_steps + 1
    assert n_steps > 20


def test_large_powers_come_near_the_coherence(pattern):
    values = begun(pattern)
    mu, pairs = coherence(pattern.matrix(values)), 24 * 23 / 2
    for p in (1, 8, 64, 512):
        energy = pattern.energy(values, p, np.empty_like(values))
        assert mu * (1 - 1e-12) <= energy <= mu * pairs ** (1 / (2 * p)) * (1 + 1e-12)


def test_annealing_beats_the_beginning_and_the_search_beats_annealing_alone():
    alone, searched = [], []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        supports = balanced_supports(np.full(24, 4), 12, rng)
        pattern = Pattern.of(supports, 12)
        values = begun(pattern)
        before = coherence(pattern.matrix(values))
        alone.append(coherence(pattern.matrix(anneal(pattern, values, 0.5, POWERS))))
        assert alone[-1] < before
        signs = searched_signs(supports, 12, 4, rng)
        pattern = Pattern.of([np.flatnonzero(row) for row in signs], 12)
        values = signs[pattern.rows, pattern.columns] * (1 + 0.1 * rng.random(96))
        values = anneal(pattern, settled(pattern, values, 0.5), 0.5, POWERS)
        searched.append(coherence(pattern.matrix(values)))
    assert max(searched) < min(alone)


def test_single_columns_keep_their_place_in_the_search():
    weights = np.array([1] * 6 + [3] * 8)
    supports = balanced_supports(weights, 6, np.random.default_rng(0))
    signs = searched_signs(supports, 6, 4, np.random.default_rng(1))
    assert_array_equal(np.abs(signs[:6]), np.eye(6))
    assert_array_equal(np.abs(signs).sum(axis=1), weights)


def test_moving_and_mirroring_rows_and_columns_changes_nothing():
    rows, rng = pack([4] * 16, 8, starts=1), np.random.default_rng(2)
    flipped = rows * rng.choice([-1, 1], size=(16, 1))
    for other in (flipped, rows[rng.permutation(16)], rows[:, rng.permutation(8)]):
        assert_allclose(coherence(other), coherence(rows), rtol=0, atol=1e-12)
        assert_allclose(frame_potential(other), frame_potential(rows), rtol=1e-12)
        least = np.linalg.eigvalsh(other.T @ other)[0]
        assert_allclose(least, np.linalg.eigvalsh(rows.T @ rows)[0], rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("weights", "k", "given", "text"),
    [
        ([5], 4, {}, r"code\.weight: 5 of 4 segments .* wants 1 to 4"),
        ([0, 1], 4, {}, r"code\.weight: 0 of 4 segments"),
        ([], 4, {}, r"code\.weight: wants a whole number for each row"),
        ([1.5], 4, {}, r"code\.weight: wants a whole number"),
        ([2], 4, {"floor": 1.5}, r"code\.floor: wants 0 to 1, got 1\.5"),
        ([2], 4, {"floor": float("nan")}, r"code\.floor: wants 0 to 1, got nan"),
        ([2] * 3000, 1500, {}, r"code\.n_segments: 3000 messages of 1500 segments are too many"),
        ([300] * 2000, 300, {}, r"code\.weight: 2000 rows with 600000 numbers on 300 columns meet"),
    ],
)
def test_what_cannot_be_packed_is_refused(weights, k, given, text):
    with pytest.raises(ConfigError, match=text):
        pack(np.array(weights), k, **given)


class TestDispatchOrder:
    def test_is_an_order_and_single_columns_go_first(self):
        rows = pack([1] * 4 + [3] * 8, 4, starts=1)
        rows = rows[np.random.default_rng(0).permutation(12)]
        order = dispatch_order(rows)
        assert_array_equal(np.sort(order), np.arange(12))
        assert ((rows[order] != 0).sum(axis=1) == 1).tolist() == [True] * 4 + [False] * 8

    def test_the_first_rows_span_everything(self):
        rows = pack([4] * 24, 12, starts=1)
        assert np.linalg.matrix_rank(rows[dispatch_order(rows)][:12]) == 12

    def test_each_row_adds_the_most(self):
        rows = pack([3] * 12, 6, starts=1)
        order = dispatch_order(rows)
        for n in range(1, 6):
            known = np.linalg.qr(rows[order[:n]].T)[0]
            outside = rows - rows @ known @ known.T
            added = np.square(outside).sum(axis=1)
            assert_allclose(added[order[n]], added.max(), atol=1e-6)

    def test_copies_are_kept_apart(self):
        rows = np.repeat(pack([2] * 4, 4, starts=1), 2, axis=0)
        order = dispatch_order(rows)
        rank = np.linalg.matrix_rank(rows)
        assert_array_equal(np.sort(order[:rank] // 2), np.unique(order[:rank] // 2))
