import gc

import numpy as np
import pytest
from scipy import sparse

from mpicode.datasets import open_dataset
from mpicode.train import blocks
from mpicode.train.blocks import Blocks, all_rows, held_out
from mpicode.train.partition import Partition

N, D, N_BLOCKS = 150, 6, 4


@pytest.fixture(params=["dense", "sparse"])
def made(request, write_data):
    """A dataset, its rows in memory, and a partition of it that keeps some rows aside."""
    rng = np.random.default_rng(5)
    X = rng.standard_normal((N, D))
    if request.param == "sparse":
        X[rng.random((N, D)) < 0.6] = 0.0
        X[37] = 0.0
    y = rng.integers(0, 3, N)
    path = write_data(sparse.csr_array(X) if request.param == "sparse" else X, y)
    with open_dataset(path) as dataset:
        yield dataset, X, y, Partition(N, N_BLOCKS, 0.2, 3)


def together(chunks):
    """All rows as one dense array and one y."""
    chunks = list(chunks)
    X = [c.X if isinstance(c.X, np.ndarray) else c.X.toarray() for c in chunks]
    return np.concatenate(X), np.concatenate([c.y for c in chunks])


def wanted(X, y, partition, block):
    start, stop = partition.extent(block)
    train = ~partition.aside(start, stop)
    return X[start:stop][train], y[start:stop][train]


@pytest.fixture(params=["kept", "streamed", "streamed in small chunks", "kept from small chunks"])
def store(request, made, monkeypatch):
    dataset, *_, partition = made
    if "small" in request.param:
        monkeypatch.setattr(blocks, "_CHUNK_BYTES", 7 * 64)
    room = 1e9 if request.param.startswith("kept") else 100.0
    return Blocks(dataset, partition, np.dtype(np.float64), room)


def test_the_rows_of_a_block_are_its_training_rows(made, store):
    _, X, y, partition = made
    for _ in range(2):
        for block in range(N_BLOCKS):
            got = together(store.rows(block))
            for ours, theirs in zip(got, wanted(X, y, partition, block), strict=True):
                np.testing.assert_array_equal(ours, theirs)


def test_slots_are_counted_within_the_training_rows(made, store):
    _, X, y, partition = made
    for iteration in range(5):
        for block in range(N_BLOCKS):
            slots = partition.slots(iteration, block, 40)
            block_X, block_y = wanted(X, y, partition, block)
            got_X, got_y = together(store.rows(block, slots))
            np.testing.assert_array_equal(got_X, block_X[slots])
            np.testing.assert_array_equal(got_y, block_y[slots])


def test_held_out_and_training_rows_are_all_rows(made, monkeypatch):
    dataset, X, y, partition = made
    monkeypatch.setattr(blocks, "_CHUNK_BYTES", 500)
    aside = partition.aside(0, N)
    got_X, got_y = together(held_out(dataset, partition, np.dtype(np.float64)))
    np.testing.assert_array_equal(got_X, X[aside])
    np.testing.assert_array_equal(got_y, y[aside])
    everything = together(all_rows(dataset, np.dtype(np.float64)))
    np.testing.assert_array_equal(everything[0], X)
    np.testing.assert_array_equal(everything[1], y)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rows_have_the_type_asked_for(made, dtype):
    dataset, *_, partition = made
    store = Blocks(dataset, partition, np.dtype(dtype), 1e9)
    for rows in store.rows(0):
        assert rows.X.dtype == dtype
        assert rows.y.dtype == np.int64
    assert {rows.X.dtype for rows in all_rows(dataset, np.dtype(dtype))} == {np.dtype(dtype)}


def reads(monkeypatch, dataset):
    """Count the rows that are read from here on."""
    counted = []
    read = dataset.read

    def counting(start, stop, dtype=None):
        counted.append(stop - start)
        return read(start, stop, dtype)

    monkeypatch.setattr(dataset, "read", counting)
    return counted


def test_a_block_is_kept_once_read(made, monkeypatch):
    dataset, *_, partition = made
    counted = reads(monkeypatch, dataset)
    store = Blocks(dataset, partition, np.dtype(np.float64), 1e9)
    store.preload(np.array([1, 3]))
    assert sum(counted) == sum(np.diff(partition.extent(block))[0] for block in (1, 3))
    counted.clear()
    for _ in range(3):
        for block in (1, 3):
            together(store.rows(block))
            together(store.rows(block, np.array([0, 2])))
    assert counted == []


def test_what_does_not_fit_is_read_again_each_time(made, monkeypatch):
    dataset, *_, partition = made
    counted = reads(monkeypatch, dataset)
    whole = [dataset.nbytes(*partition.extent(block), np.float64) for block in range(N_BLOCKS)]
    store = Blocks(dataset, partition, np.dtype(np.float64), whole[0] + whole[1] / 2)
    store.preload(np.arange(N_BLOCKS))
    first = sum(counted)
    assert first == np.diff(partition.extent(0))[0]
    counted.clear()
    for _ in range(2):
        for block in range(N_BLOCKS):
            together(store.rows(block))
    assert sum(counted) == 2 * (N - first)


def test_kept_rows_stay_below_the_limit(made):
    dataset, *_, partition = made
    for limit in (0.0, 1500.0, 4000.0, 1e6):
        store = Blocks(dataset, partition, np.dtype(np.float64), limit)
        store.preload(np.arange(N_BLOCKS))
        kept = sum(blocks._bytes(rows) for rows in store._kept.values())
        assert kept <= limit
    assert kept > 0


class TestDerived:
    def test_is_made_once_and_takes_its_room(self, made):
        dataset, *_, partition = made
        store = Blocks(dataset, partition, np.dtype(np.float64), 1e9)
        calls = []

        def derive(rows):
            calls.append(len(rows.y))
            return np.zeros(1000), np.zeros(10)

        assert store.derived(0, b"a", derive) is None  # no block, nothing of it
        store.preload(np.arange(N_BLOCKS))
        before = store.room
        first = store.derived(0, b"a", derive)
        assert store.derived(0, b"a", derive) is first
        assert store.room == before - 8080
        assert store.derived(0, b"b", derive) is not first
        assert store.derived(1, b"a", derive) is not first
        assert calls == [partition.sizes[0], partition.sizes[0], partition.sizes[1]]

    def test_without_room_it_is_tried_once(self, made):
        dataset, *_, partition = made
        store = Blocks(dataset, partition, np.dtype(np.float64), 1e9)
        store.preload(np.arange(N_BLOCKS))
        calls = []

        def derive(rows):
            calls.append(rows)
            return np.empty(200_000_000)  # untouched, so no memory is used

        for _ in range(3):
            assert store.derived(0, b"a", derive) is None
        assert len(calls) == 1
        assert store.derived(0, b"c", lambda rows: None) is None
        assert store.room > 0

    def test_is_let_go_of_by_another_store_of_the_same_rows(self, made):
        dataset, _, _, partition = made
        store = Blocks(dataset, partition, np.dtype(float), 1e9)
        store.preload(np.arange(N_BLOCKS))
        room = store.room
        store.derived(0, b"one", lambda rows: np.zeros(1000))
        other = store.again()
        assert other.rows(1).__next__() is store.rows(1).__next__()
        assert other.room == room - 8000
        del store
        gc.collect()
        assert other.room == room
        assert other.derived(0, b"one", lambda rows: np.ones(3)).tolist() == [1, 1, 1]
