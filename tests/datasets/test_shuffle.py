from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.sparse import csr_array

from mpicode.datasets import shuffle
from mpicode.datasets.shuffle import shuffled
from mpicode.errors import DataError


def cut(X, y, block):
    for start in range(0, len(y), block):
        yield X[start : start + block], y[start : start + block]


def order_of(X, y, folder, seed=0, block=50):
    blocks = list(shuffled(cut(X, y, block), 8 * X.shape[0] * X.shape[1], seed, folder))
    for A, b in blocks:  # rows and labels stay together
        values = A if isinstance(A, np.ndarray) else A.toarray()
        assert_array_equal(values[:, 1], b)
    return np.concatenate([b for _, b in blocks])


@pytest.fixture
def rows():
    y = np.arange(1000.0)
    return np.stack([np.ones(1000), y, -y], axis=1), y


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("bucket", [1 << 25, 2000])
def test_every_row_comes_once_in_an_order_of_the_seed(tmp_path, monkeypatch, rows, sparse, bucket):
    monkeypatch.setattr(shuffle, "BUCKET_BYTES", bucket)
    X, y = rows
    X = csr_array(X) if sparse else X
    order = order_of(X, y, tmp_path)
    assert_array_equal(np.sort(order), y)
    assert np.count_nonzero(order == y) < 10
    assert_array_equal(order_of(X, y, tmp_path, block=7), order)
    assert (order_of(X, y, tmp_path, seed=1) != order).any()
    assert list(tmp_path.iterdir()) == []


def test_the_order_is_uniform_over_buckets(tmp_path, monkeypatch):
    """Each row comes to each place equally often: chi-square over 1,200 shuffles of 4 rows."""
    monkeypatch.setattr(shuffle, "BUCKET_BYTES", 24)
    y = np.arange(4.0)
    X = np.stack([y, y], axis=1)
    counts = np.zeros((4, 4))
    for seed in range(1200):
        counts[np.arange(4), order_of(X, y, tmp_path, seed).astype(int)] += 1
    assert ((counts - 300) ** 2 / 300).sum() < 33.7  # 99.99 % of chi-square with 9 degrees: 33.7


def test_a_folder_that_cannot_hold_the_rows_is_named(tmp_path, rows):
    with pytest.raises(DataError, match="none: the rows cannot be shuffled there"):
        list(shuffled(cut(*rows, 100), 1000, 0, tmp_path / "none"))
