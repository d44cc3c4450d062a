from __future__ import annotations

from itertools import pairwise

import h5py
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.sparse import csr_array

from mpicode.datasets import open_dataset
from mpicode.errors import DataError


def dense(X):
    return X if isinstance(X, np.ndarray) else X.toarray()


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("shards", [None, 57, 20, 5])
@pytest.mark.parametrize("stored", ["float32", "float64"])
def test_any_range_of_rows_comes_back(tmp_path, rows, write, sparse, shards, stored):
    X, y = rows(sparse=sparse)
    path = write(tmp_path / "a.h5", X, y, dtype=stored, shards=shards, compress=shards == 20)
    cuts = [0, 1, 13, 19, 20, 41, 57]
    with open_dataset(path) as data:
        assert (data.n_samples, data.n_features, data.n_classes) == (57, 11, 3)
        assert (data.task, data.sparse, data.dtype) == ("multiclass", sparse, np.dtype(stored))
        for start, stop in [(0, 57), (5, 5), (57, 57), *pairwise(cuts), (3, 50)]:
            for dtype in (None, "float32", "float64"):
                A, labels = data.read(start, stop, dtype)
                assert isinstance(A, csr_array if sparse else np.ndarray)
                assert A.shape == (stop - start, 11)
                assert A.dtype == np.dtype(dtype or stored)
                assert labels.dtype == np.int64
                assert_array_equal(dense(A), dense(X).astype(stored)[start:stop].astype(A.dtype))
                assert_array_equal(labels, y[start:stop])


@pytest.mark.parametrize("sparse", [False, True])
def test_h5py_alone_sees_ordinary_arrays_in_a_sharded_file(tmp_path, rows, write, sparse):
    X, y = rows(sparse=sparse)
    path = write(tmp_path / "a.h5", X, y, shards=10)
    assert sorted(p.name for p in tmp_path.glob("a/*")) == [f"shard-{i:05d}.h5" for i in range(6)]
    with h5py.File(path) as file:
        assert_array_equal(file["y"][:], y)
        if sparse:
            group = file["X"]
            parts = (group["data"][:], group["indices"][:], group["indptr"][:])
            assert_array_equal(csr_array(parts, shape=group.attrs["shape"]).toarray(), X.toarray())
        else:
            assert_array_equal(file["X"][:], X)


def test_shards_can_be_moved_together(tmp_path, rows, write):
    X, y = rows()
    write(tmp_path / "a.h5", X, y, shards=10)
    there = tmp_path / "elsewhere"
    there.mkdir()
    (tmp_path / "a.h5").rename(there / "a.h5")
    (tmp_path / "a").rename(there / "a")
    with open_dataset(there / "a.h5") as data:
        assert_array_equal(data.read(0, 57)[0], X)


def test_each_shard_is_a_dataset_of_its_own(tmp_path, rows, write):
    X, y = rows(sparse=True)
    write(tmp_path / "a.h5", X, y, shards=25)
    with open_dataset(tmp_path / "a" / "shard-00001.h5") as data:
        assert_array_equal(data.read(0, 25)[0].toarray(), X[25:50].toarray())


def test_integers_are_scaled_on_reading(tmp_path, rows, write):
    X = np.arange(57 * 11).reshape(57, 11) % 256
    path = write(tmp_path / "a.h5", X, rows()[1], dtype="uint8", scale=1 / 255, shards=30)
    with open_dataset(path) as data:
        assert (data.stored, data.dtype) == (np.uint8, np.float32)
        np.testing.assert_allclose(data.read(4, 50, "float64")[0], X[4:50] / 255, rtol=1e-15)
        np.testing.assert_allclose(data.read(4, 50)[0], X[4:50] / 255, rtol=2e-7)


def test_a_value_that_does_not_fit_the_integers_is_refused(tmp_path, rows, write):
    X, y = rows()
    with pytest.raises(DataError, match=r"a\.h5: the value .* does not fit uint8"):
        write(tmp_path / "a.h5", X, y, dtype="uint8")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("sparse", [False, True])
def test_the_fingerprint_knows_the_rows_and_not_their_place(tmp_path, rows, write, sparse):
    def print_of(name, X, y, **how):
        with open_dataset(write(tmp_path / f"{name}.h5", X, y, **how)) as data:
            return data.fingerprint

    X, y = rows(sparse=sparse)
    whole = print_of("whole", X, y)
    assert print_of("sharded", X, y, shards=7) == whole
    assert print_of("blocks", X, y, block=50, compress=True) == whole
    assert print_of("float32", X, y, dtype="float32") != whole
    other_y = y.copy()
    other_y[30] = (y[30] + 1) % 3
    assert print_of("labels", X, other_y) != whole
    other = X.copy()
    (other.data if sparse else other[40])[3] += 1.0
    assert print_of("values", other, y) != whole
    assert print_of("order", X[::-1], y[::-1]) != whole


def test_a_file_made_by_hand_is_a_dataset_too(tmp_path, rows):
    X, y = rows()
    prints = []
    for name, change in (("a", 0.0), ("b", 0.0), ("c", 1.0)):
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            file["X"] = X + change
            file["y"] = y.astype(np.int8)
            file.attrs.update(schema=1, task="multiclass", n_classes=3)
        with open_dataset(tmp_path / f"{name}.h5") as data:
            assert_array_equal(data.read(10, 20)[0], X[10:20] + change)
            assert_array_equal(data.read(10, 20)[1], y[10:20])
            prints.append(data.fingerprint)
    assert prints[0] == prints[1] != prints[2]


def test_many_readers_at_once(tmp_path, rows, write):
    X, y = rows()
    path = write(tmp_path / "a.h5", X, y, shards=20)
    path.chmod(0o444)
    readers = [open_dataset(path) for _ in range(5)]
    for reader in readers:
        assert_array_equal(reader.read(0, 57)[0], X)
        reader.close()
        reader.close()


def test_nbytes_is_what_reading_takes(tmp_path, rows, write):
    X, y = rows(sparse=True)
    with open_dataset(write(tmp_path / "a.h5", X, y, shards=20)) as data:
        A, labels = data.read(10, 50, "float32")
        found = A.data.nbytes + A.indices.nbytes + A.indptr.nbytes + labels.nbytes
        assert found <= data.nbytes(10, 50, "float32") <= found + 8 * 50


@pytest.mark.parametrize(("start", "stop"), [(-1, 3), (3, 2), (0, 58), (58, 58)])
def test_rows_out_of_range_are_named(tmp_path, rows, write, start, stop):
    X, y = rows()
    with (
        open_dataset(write(tmp_path / "a.h5", X, y)) as data,
        pytest.raises(DataError, match=rf"a\.h5: rows {start} to {stop - 1} .* rows 0 to 56"),
    ):
        data.read(start, stop)


def test_rows_are_read_as_floats_only(tmp_path, rows, write):
    with (
        open_dataset(write(tmp_path / "a.h5", *rows())) as data,
        pytest.raises(DataError, match="float32 or float64, not int32"),
    ):
        data.read(0, 1, "int32")
