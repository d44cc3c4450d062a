"""Groups of samples that are coded together: whole, of one class, near each other."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from mpicode.datasets import open_dataset, similar
from mpicode.datasets.similar import order
from mpicode.errors import ConfigError, DataError


@pytest.fixture(scope="module")
def digits():
    with open_dataset("data/digits.h5") as data:
        return data.read(0, data.n_samples)


def mean_step(X, chosen, n_blocks):
    """Return the mean distance from one sample of a group to the next."""
    whole = len(chosen) // n_blocks * n_blocks
    groups = X[chosen[:whole]].reshape(-1, n_blocks, X.shape[1])
    return np.linalg.norm(np.diff(groups, axis=1), axis=2).mean()


@pytest.mark.parametrize("kind", similar.ORDERS)
@pytest.mark.parametrize("n", [1, 2, 7, 8, 9, 100])
@pytest.mark.parametrize("n_blocks", [1, 2, 3, 8])
def test_each_sample_has_one_place(kind, n, n_blocks):
    rng = np.random.default_rng(n)
    for d in (1, 3, 50):
        X = rng.standard_normal((n, d))
        for y in (None, rng.integers(0, 3, n), rng.standard_normal(n)):
            chosen = order(X, y, n_blocks, kind)
            assert chosen.dtype == np.int64
            assert_array_equal(np.sort(chosen), np.arange(n))
            assert_array_equal(chosen, order(X, y, n_blocks, kind))


def test_none_leaves_the_order_and_the_seed_changes_the_others(digits):
    X, y = digits
    assert_array_equal(order(X, y, 8, "none", 3), np.arange(len(X)))
    for kind in ("class", "path"):
        assert (order(X, y, 8, kind, 0) != order(X, y, 8, kind, 1)).any()


@pytest.mark.parametrize("kind", ["class", "path"])
@pytest.mark.parametrize("n_blocks", [4, 10])
def test_groups_are_of_one_class_as_far_as_there_are_enough(digits, kind, n_blocks):
    X, y = digits
    chosen = order(X, y, n_blocks, kind)
    labels = y[chosen[: len(y) // n_blocks * n_blocks]].reshape(-1, n_blocks)
    pure = (labels == labels[:, :1]).all(axis=1).sum()
    assert pure >= sum(np.bincount(y) // n_blocks)
    # those of one class come first, in no order
    assert (labels[: sum(np.bincount(y) // n_blocks)] == labels[0, 0]).sum() < len(labels)
    assert len(np.unique(labels[:40])) > 5


@pytest.mark.parametrize("kind", ["class", "path"])
def test_what_is_left_over_is_mixed_or_kept_apart(digits, kind):
    X, y = digits
    full, left = similar.grouped(X, y, 10, kind)
    labels = y[full]
    assert (labels == labels[:, :1]).all()
    assert len(left) == (np.bincount(y) % 10).sum()
    for apart in (False, True):
        closed = similar.closed(X, y, left, 10, kind, apart=apart)
        there = closed >= 0
        assert_array_equal(np.sort(np.concatenate([full.reshape(-1), closed[there]])), range(1797))
        # samples first, then room
        assert (there[:, 1:] <= there[:, :-1]).all()
        assert there[:, 0].all()
        if apart:
            assert len(closed) == (np.bincount(y) % 10 > 0).sum()
            assert all(
                len(set(y[group[here]])) == 1 for group, here in zip(closed, there, strict=True)
            )
        else:
            assert there[:-1].all()


@pytest.mark.parametrize("n_blocks", [4, 10, 20])
def test_paths_are_short(digits, n_blocks):
    X, y = digits
    none, like, path = (
        mean_step(X, order(X, y, n_blocks, kind), n_blocks) for kind in similar.ORDERS
    )
    assert like < 0.8 * none
    assert path < 0.62 * like
    # without labels, too
    assert mean_step(X, order(X, None, n_blocks, "path"), n_blocks) < 0.5 * none


def test_a_path_is_not_made_shorter_by_reversing_a_part_of_it():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 3))
    for group in order(X, None, 6, "path").reshape(-1, 6):
        place = X[group]

        def length(p):
            return np.linalg.norm(np.diff(p, axis=0), axis=1).sum()

        for i in range(6):
            for j in range(i + 2, 7):
                turned = np.concatenate([place[:i], place[i:j][::-1], place[j:]])
                assert length(turned) > length(place) * (1 - 1e-5)


def test_points_on_a_line_become_the_line():
    line = np.random.default_rng(1).permutation(64)
    X = np.outer(line, np.ones(40))
    for group in order(X, None, 8, "path").reshape(-1, 8):
        steps = np.diff(line[group])
        assert set(np.abs(steps)) == {1}
        assert abs(steps.sum()) == 7


def test_like_numbers_are_put_together():
    rng = np.random.default_rng(2)
    y = rng.standard_normal(400)
    X = rng.standard_normal((400, 5))
    none, like, path = (
        y[order(X, y, 8, kind)].reshape(-1, 8).std(axis=1).mean() for kind in similar.ORDERS
    )
    assert like < 0.1 * none
    assert path < 0.7 * none


def test_data_without_any_spread_and_with_a_huge_one():
    y = np.arange(30) % 2
    for X in (np.ones((30, 50)), np.full((30, 2), 1e30, np.float32), 1e30 * np.eye(30)):
        assert_array_equal(np.sort(order(X, y, 4, "path")), np.arange(30))


def test_integers_are_taken(digits):
    X, y = digits
    whole = (X * 16).astype(np.uint8)
    assert mean_step(X, order(whole, y, 10, "path"), 10) < 1.4


def test_few_samples_stand_for_many_wide_ones(monkeypatch):
    monkeypatch.setattr(similar, "SAMPLED_NUMBERS", 500)
    X = np.random.default_rng(0).standard_normal((40, 100))
    assert_array_equal(np.sort(order(X, None, 4, "path")), np.arange(40))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"kind": "best"}, ConfigError, "order: 'best' is not one of none, class, path"),
        ({"n_blocks": 0}, ConfigError, r"code\.n_blocks: must be at least 1, got 0"),
        ({"y": np.zeros(3)}, ConfigError, "order: X has 5 rows, y has 3"),
        ({"X": np.full((5, 2), np.nan)}, DataError, "order: X holds a number that is not finite"),
    ],
)
def test_what_cannot_be(change, error, message):
    given = {"X": np.zeros((5, 2)), "y": None, "n_blocks": 2, "kind": "path"} | change
    with pytest.raises(error, match=message):
        order(**given)
