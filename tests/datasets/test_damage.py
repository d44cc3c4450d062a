"""Files that are not what they should be: one line each that says where."""

from __future__ import annotations

import re
import shutil

import h5py
import numpy as np
import pytest

from mpicode.datasets import open_dataset
from mpicode.datasets.check import MOST_PROBLEMS, check_dataset
from mpicode.errors import DataError


def flip_a_byte(path, name):
    with h5py.File(path) as file:
        chunk = file[name].id.get_chunk_info(0)
    with path.open("r+b") as raw:
        raw.seek(chunk.byte_offset + 3)
        byte = raw.read(1)[0]
        raw.seek(-1, 1)
        raw.write(bytes([byte ^ 1]))


def change(path, name, index, value):
    """Change one number in a way that HDF5's checksum agrees with."""
    with h5py.File(path, "r+") as file:
        file[name][index] = value


def refuses(path, pattern):
    with pytest.raises(DataError, match=pattern) as caught:
        open_dataset(path).close()
    assert "\n" not in str(caught.value)


def test_a_sound_file_has_no_problems(tmp_path, rows, write):
    for sparse in (False, True):
        for shards in (None, 20):
            name = f"{sparse}{shards}.h5"
            path = write(tmp_path / name, *rows(sparse=sparse), shards=shards)
            assert check_dataset(path) == []


def test_what_is_no_dataset_file(tmp_path):
    refuses(tmp_path / "none.h5", r"none\.h5: no such file")
    refuses(tmp_path, "is a folder, not an HDF5 file")
    (tmp_path / "text.h5").write_text("hello\n" * 500)
    refuses(tmp_path / "text.h5", r"text\.h5: not a whole HDF5 file: file signature not found")
    (tmp_path / "empty.h5").write_bytes(b"")
    refuses(tmp_path / "empty.h5", r"empty\.h5: not a whole HDF5 file")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["parameters"] = np.ones(3)
    refuses(tmp_path / "other.h5", r"other\.h5: no attribute 'schema'")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_truncated_file(tmp_path, rows, write, share):
    path = write(tmp_path / "a.h5", *rows(500))
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    refuses(path, r"a\.h5: not a whole HDF5 file: truncated file")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("schema", 2, "schema 2, this mpicode reads schema 1"),
        ("schema", "one", "attribute 'schema' must be an integer, got 'one'"),
        ("schema", None, "no attribute 'schema'"),
        ("task", "guess", "task 'guess' is not one of regression, binary, multiclass"),
        ("task", 3, "attribute 'task' must be text"),
        ("task", "binary", "n_classes = 3 does not go with task 'binary'"),
        ("task", "regression", "n_classes = 3 does not go with task 'regression'"),
        ("n_classes", 0, "n_classes = 0 does not go with task 'multiclass'"),
        ("n_classes", 3.5, "attribute 'n_classes' must be an integer"),
        ("n_classes", np.array([3, 3]), "attribute 'n_classes' must be an integer"),
        ("license", 7, "attribute 'license' must be text"),
    ],
)
def test_wrong_attributes(tmp_path, rows, write, key, value, message):
    path = write(tmp_path / "a.h5", *rows())
    with h5py.File(path, "r+") as file:
        del file.attrs[key]
        if value is not None:
            file.attrs[key] = value
    refuses(path, r"a\.h5: " + re.escape(message))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("X", None, "no 'X' in it"),
        ("y", None, "no 'y' in it"),
        ("y", np.zeros(9, int), "X has 57 rows, y has 9"),
        ("y", np.zeros(57), "y holds float64, wants integer"),
        ("y", np.zeros((57, 1), int), "y has 2 dimensions, not 1"),
        ("X", np.zeros((57, 2), np.complex128), "X holds complex128"),
        ("X", np.zeros((57, 2), np.int64), "X holds int64, wants float32"),
        ("X", np.zeros(57), "X has 1 dimensions, not 2"),
    ],
)
def test_wrong_arrays(tmp_path, rows, write, name, value, message):
    path = write(tmp_path / "a.h5", *rows())
    with h5py.File(path, "r+") as file:
        del file[name]
        if value is not None:
            file[name] = value
    refuses(path, r"a\.h5: " + message)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("data", None, "X/data is not there"),
        ("data", np.ones(5), "X/data has 5 entries, X/indices has"),
        ("indptr", np.zeros(9, int), "X/indptr has 9 entries, 58 were due"),
        ("indices", np.zeros(5), "X/indices holds float64, wants integer"),
    ],
)
def test_wrong_csr_arrays(tmp_path, rows, write, name, value, message):
    path = write(tmp_path / "a.h5", *rows(sparse=True))
    with h5py.File(path, "r+") as file:
        del file["X"][name]
        if value is not None:
            file["X"][name] = value
    refuses(path, r"a\.h5: " + message)


@pytest.mark.parametrize("shape", [None, [57], [57.0, 11.0], [50, 11]])
def test_wrong_csr_shape(tmp_path, rows, write, shape):
    path = write(tmp_path / "a.h5", *rows(sparse=True))
    with h5py.File(path, "r+") as file:
        del file["X"].attrs["shape"]
        if shape is not None:
            file["X"].attrs["shape"] = shape
    refuses(path, r"a\.h5: (attribute 'shape' of X must be two integers|X has 50 rows, y has 57)")


@pytest.mark.parametrize("scale", [0.0, np.nan, "half", [1.0, 2.0], 1j])
def test_wrong_scale(tmp_path, rows, write, scale):
    path = write(tmp_path / "a.h5", *rows())
    with h5py.File(path, "r+") as file:
        file["X"].attrs["scale"] = scale
    refuses(path, r"a\.h5: attribute 'scale' of X must be a number")


@pytest.mark.parametrize(
    ("sparse", "name"), [(False, "X"), (False, "y"), (True, "X/data"), (True, "X/indices")]
)
@pytest.mark.parametrize("shards", [None, 20])
def test_a_flipped_byte_is_found_by_its_checksum(tmp_path, rows, write, sparse, name, shards):
    path = write(tmp_path / "a.h5", *rows(sparse=sparse), shards=shards)
    where = path if shards is None else tmp_path / "a" / "shard-00001.h5"
    flip_a_byte(where, name)
    message = rf"{where}: {name}, rows .* cannot be read: damaged, its checksum"
    with open_dataset(path) as data, pytest.raises(DataError, match=message) as caught:
        data.read(0, 57)
    assert "\n" not in str(caught.value)
    assert re.match(message, check_dataset(path)[0])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("sparse", [False, True])
def test_a_number_that_is_not_finite_is_named(tmp_path, rows, write, value, sparse):
    X, y = rows(sparse=sparse)
    path = write(tmp_path / "a.h5", X, y)
    if sparse:
        row, column = 40, int(X.indices[X.indptr[40]])
        change(path, "X/data", int(X.indptr[40]), value)
    else:
        row, column = 40, 7
        change(path, "X", (40, 7), value)
    problems = check_dataset(path)
    assert problems[0] == f"{path}: X, row {row}, column {column}: {value}"
    assert problems[1] == f"{path}: not the rows it was written with (their SHA-256 differs)"


@pytest.mark.parametrize("label", [-1, 3])
def test_a_label_out_of_range_is_named(tmp_path, rows, write, label):
    path = write(tmp_path / "a.h5", *rows(), shards=20)
    shard = tmp_path / "a" / "shard-00002.h5"
    change(shard, "y", 5, label)
    line = f"{shard}: y, row 5: label {label} is not one of 0 to 2"
    assert check_dataset(path)[0] == line
    with open_dataset(path) as data:
        data.read(0, 45)
        with pytest.raises(DataError, match=re.escape(line)):
            data.read(45, 46)


@pytest.mark.parametrize("column", [-1, 11])
def test_a_column_out_of_range_is_named_before_anything_computes(tmp_path, rows, write, column):
    X, y = rows(sparse=True)
    path = write(tmp_path / "a.h5", X, y)
    change(path, "X/indices", int(X.indptr[30]), column)
    line = f"{path}: X/indices, row 30: column {column} of 11"
    with open_dataset(path) as data, pytest.raises(DataError, match=re.escape(line)):
        data.read(25, 40)
    assert check_dataset(path)[0] == line


def test_row_bounds_that_fall_are_named(tmp_path, rows, write):
    path = write(tmp_path / "a.h5", *rows(sparse=True))
    change(path, "X/indptr", 30, 100_000)
    with open_dataset(path) as data, pytest.raises(DataError, match=r"X/indptr, rows 25 to 39"):
        data.read(25, 40)


def test_a_missing_shard_is_no_row_of_zeros(tmp_path, rows, write):
    path = write(tmp_path / "a.h5", *rows(), shards=20)
    (tmp_path / "a" / "shard-00001.h5").unlink()
    refuses(path, r"a/shard-00001\.h5: no such shard of .*a\.h5")


def test_a_truncated_shard_is_no_row_of_zeros(tmp_path, rows, write):
    path = write(tmp_path / "a.h5", *rows(), shards=20)
    shard = tmp_path / "a" / "shard-00001.h5"
    shard.write_bytes(shard.read_bytes()[:3000])
    with open_dataset(path) as data:
        data.read(0, 20)
        with pytest.raises(DataError, match=r"shard-00001\.h5: not a whole HDF5 file"):
            data.read(10, 30)
    assert len(check_dataset(path)) == 1


def test_a_shard_of_other_rows_is_found(tmp_path, rows, write):
    X, y = rows()
    path = write(tmp_path / "a.h5", X, y, shards=20)
    write(tmp_path / "b.h5", X[::-1], y, shards=20)
    write(tmp_path / "c.h5", X[:, :5], y, shards=20)
    shard = tmp_path / "a" / "shard-00001.h5"
    shutil.copy(tmp_path / "b" / "shard-00001.h5", shard)
    assert check_dataset(path) == [
        f"{path}: not the rows it was written with (their SHA-256 differs)"
    ]
    shutil.copy(tmp_path / "a" / "shard-00002.h5", shard)
    with open_dataset(path) as data, pytest.raises(DataError, match=r"rows 17, but .* says 20"):
        data.read(20, 30)
    shutil.copy(tmp_path / "c" / "shard-00001.h5", shard)
    assert re.search(r"shard-00001\.h5: features 5, but .*a\.h5 says 11", check_dataset(path)[0])


def test_the_list_of_problems_ends(tmp_path, rows, write):
    path = write(tmp_path / "a.h5", *rows())
    with h5py.File(path, "r+") as file:
        file["X"][:] = np.nan
    assert len(check_dataset(path)) == MOST_PROBLEMS
