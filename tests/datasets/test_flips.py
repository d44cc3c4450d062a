"""A flipped bit anywhere in a dataset is found, or changes nothing that anybody reads."""

from __future__ import annotations

import sys

import h5py
import numpy as np
import pytest

from mpicode.datasets import open_dataset
from mpicode.datasets.check import check_dataset
from mpicode.errors import DataError


def everything(path):
    """Return all that reading a dataset gives, as bytes where it is arrays."""
    with open_dataset(path) as data:
        X, y = data.read(0, data.n_samples)
        arrays = (X.data, X.indices, X.indptr, y) if data.sparse else (X, y)
        return data.meta, data.scale, [(a.dtype, a.shape, a.tobytes()) for a in arrays]


def found_in(path):
    """Return the first thing that is wrong with a dataset, empty where nothing is."""
    try:
        return next(iter(check_dataset(path)), "")
    except DataError as error:
        return str(error)


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("shards", [None, 20])
def test_no_flip_changes_a_value_silently(tmp_path, rows, write, monkeypatch, sparse, shards):
    # in flips of the last line the file is no longer known to be sealed; a process for each is slow
    monkeypatch.setitem(sys.modules, "mpi4py.MPI", object())
    X, y = rows(40, 3, sparse=sparse)
    path = write(tmp_path / "a.h5", X, y, shards=shards)
    sound = everything(path)
    found = 0
    files = [path, *sorted(tmp_path.glob("a/*.h5"))[:1]]
    for file in files:
        whole = file.read_bytes()
        # large files of small data are mostly room for more
        used = [at for at in range(0, len(whole), 13) if any(whole[at : at + 13])]
        for at in used[:: max(len(used) // 200, 1)]:
            broken = bytearray(whole)
            broken[at] ^= 1 << at % 8
            file.write_bytes(broken)
            problem = found_in(path)
            assert "\n" not in problem
            assert problem or everything(path) == sound, at
            found += problem != ""
        file.write_bytes(whole)
    assert found > 90
    assert check_dataset(path) == []


@pytest.mark.parametrize("name", ["X", "y", "X/data", "X/indices", "X/indptr"])
def test_rows_that_are_not_stored_are_no_zeros(tmp_path, rows, write, name):
    path = write(tmp_path / "a.h5", *rows(sparse="/" in name))
    with h5py.File(path, "r+") as file:
        shape, dtype = file[name].shape, file[name].dtype
        del file[name]
        file.create_dataset(name, shape, dtype, chunks=tuple(min(n, 5) for n in shape))
    with pytest.raises(DataError, match=rf"a\.h5: {name} is not all there: 0 of \d+ chunks"):
        open_dataset(path)


def test_an_absurd_number_of_rows_takes_no_time_and_memory(tmp_path, rows, write):
    path = write(tmp_path / "a.h5", *rows())
    with h5py.File(path, "r+") as file:
        for name, shape in (("X", (2**40, 11)), ("y", (2**40,))):
            dtype = file[name].dtype
            del file[name]
            file.create_dataset(name, shape, dtype, chunks=(64, 11)[: len(shape)])
    with pytest.raises(DataError, match="y is not all there: 0 of 17179869184 chunks"):
        open_dataset(path)


@pytest.mark.parametrize(
    "link",
    [
        h5py.SoftLink("/X"),
        h5py.SoftLink("/y"),
        h5py.ExternalLink("a.h5", "/X"),
        h5py.ExternalLink("/dev/zero", "/X"),
    ],
)
def test_links_are_not_followed(tmp_path, rows, write, link):
    path = write(tmp_path / "a.h5", *rows())
    with h5py.File(path, "r+") as file:
        del file["X"]
        file["X"] = link
    with pytest.raises(DataError, match=r"a\.h5: X is a link to another place"):
        open_dataset(path)


def test_numbers_in_other_files_are_not_read(tmp_path, rows, write):
    path = write(tmp_path / "a.h5", *rows())
    with h5py.File(path, "r+") as file:
        del file["y"]
        file.create_dataset("y", (57,), "i8", external=[("/dev/zero", 0, h5py.h5f.UNLIMITED)])
    with pytest.raises(DataError, match=r"a\.h5: y is stored in other files"):
        open_dataset(path)


def test_a_dataset_that_joins_itself_is_refused(tmp_path, rows, write):
    path = write(tmp_path / "a.h5", *rows())
    with h5py.File(path, "r+") as file:
        del file["y"]
        layout = h5py.VirtualLayout((57,), "i8")
        layout[:] = h5py.VirtualSource("a.h5", "/y", shape=(57,))
        file.create_virtual_dataset("y", layout)
    with open_dataset(path) as data, pytest.raises(DataError, match=r"joins others itself"):
        data.read(0, 5)


@pytest.mark.parametrize("name", ["X/data", "X/indices"])
def test_half_a_virtual_dataset_is_refused(tmp_path, rows, write, name):
    path = write(tmp_path / "a.h5", *rows(sparse=True))
    with h5py.File(path, "r+") as file:
        shape, dtype = file[name].shape, file[name].dtype
        del file[name]
        layout = h5py.VirtualLayout(shape, dtype)
        layout[:] = h5py.VirtualSource("nowhere.h5", "/x", shape=shape)
        file.create_virtual_dataset(name, layout)
    with pytest.raises(DataError, match=f"{name} is a virtual dataset and y is not"):
        open_dataset(path)


@pytest.mark.parametrize("value", [np.array(["a"], dtype=object), h5py.Empty("f8"), 1j])
def test_attributes_of_strange_types_are_refused(tmp_path, rows, write, value):
    path = write(tmp_path / "a.h5", *rows())
    with h5py.File(path, "r+") as file:
        dtype = h5py.string_dtype() if isinstance(value, np.ndarray) else None
        file.attrs.create("n_classes", value, dtype=dtype)
    with pytest.raises(DataError, match="attribute 'n_classes' must be an integer"):
        open_dataset(path)
