"""Whole or not at all: what is left when writing fails."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from mpicode.datasets import DatasetWriter, Meta, Shape, open_dataset
from mpicode.errors import ConfigError, DataError

META = Meta("regression", 0)

# Written by another process, which is then stopped in the middle of its work.
PROGRAM = """
import os, resource, signal, sys
import numpy as np
from mpicode.datasets import DatasetWriter, Meta, Shape
from mpicode.errors import DataError

path, how, shards = sys.argv[1], sys.argv[2], int(sys.argv[3]) or None
if how.isdigit():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(how), int(how)))
shape = Shape(4000, 100)
writer = DatasetWriter(path, shape, Meta("regression", 0), rows_per_shard=shards, force=True)
try:
    with writer:
        for block in range(4):
            if how == "kill" and block == 3:
                os.kill(os.getpid(), signal.SIGKILL)
            writer.append(np.ones((1000, 100)), np.ones(1000))
except DataError as error:
    print(error)
    sys.exit(3)
"""


def run(path, how, shards):
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, path, how, str(shards or 0)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )


def write(path, n=10, shards=None, force=False):
    X = np.arange(3.0 * n).reshape(n, 3)
    with DatasetWriter(path, Shape(n, 3), META, rows_per_shard=shards, force=force) as writer:
        writer.append(X, X[:, 0])
    return X


@pytest.mark.parametrize("shards", [None, 1500])
@pytest.mark.parametrize("limit", ["1500", "9000", "600000", "1100000"])
def test_a_full_disk_is_one_line_and_the_previous_file_is_whole(tmp_path, shards, limit):
    path = tmp_path / "a.h5"
    X = write(path)
    done = run(path, limit, shards)
    assert done.returncode == 3, done.stderr
    assert done.stdout.startswith(f"{path}: cannot be written: file too large: ")
    assert done.stdout.endswith(" MB free on that disk\n")
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""
    assert list(tmp_path.iterdir()) == [path]
    with open_dataset(path) as data:
        assert_array_equal(data.read(0, 10)[0], X)


@pytest.mark.parametrize("shards", [None, 900])
def test_a_killed_writer_leaves_the_previous_file_and_the_next_one_clears_up(tmp_path, shards):
    path = tmp_path / "a.h5"
    X = write(path, shards=shards and 4)
    assert run(path, "kill", shards).returncode == -9
    assert [p for p in tmp_path.iterdir() if ".part" in p.name]
    with open_dataset(path) as data:
        assert_array_equal(data.read(0, 10)[0], X)
    assert run(path, "well", shards).returncode == 0
    assert not [p for p in tmp_path.iterdir() if ".part" in p.name or ".old" in p.name]
    with open_dataset(path) as data:
        assert_array_equal(data.read(0, 4000)[0], np.ones((4000, 100)))


def test_an_error_in_the_middle_leaves_nothing(tmp_path):
    def interrupted(shards):
        shape = Shape(10, 3)
        with DatasetWriter(tmp_path / "a.h5", shape, META, rows_per_shard=shards) as writer:
            writer.append(np.ones((5, 3)), np.ones(5))
            raise KeyboardInterrupt

    for shards in (None, 3):
        with pytest.raises(KeyboardInterrupt):
            interrupted(shards)
        assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_replaced_only_on_demand(tmp_path):
    path = tmp_path / "a.h5"
    write(path, shards=4)
    with pytest.raises(ConfigError, match=r"a\.h5: is there already; --force"):
        write(path)
    path.unlink()
    with pytest.raises(ConfigError, match=r"/a: is there already; --force"):
        write(path, shards=2)
    X = write(path, n=7, shards=2, force=True)
    with open_dataset(path) as data:
        assert_array_equal(data.read(0, 7)[0], X)
    assert len(list((tmp_path / "a").iterdir())) == 4


def test_a_folder_with_other_things_in_it_is_never_replaced(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "thesis.tex").write_text("years of work")
    with pytest.raises(ConfigError, match=r"thesis\.tex: in the way"):
        write(tmp_path / "a.h5", shards=2, force=True)
    assert (tmp_path / "a" / "thesis.tex").exists()


@pytest.mark.parametrize("shards", [None, 4])
def test_the_announced_number_of_rows_must_come(tmp_path, shards):
    def attempt(n):
        shape = Shape(10, 3)
        with DatasetWriter(tmp_path / "a.h5", shape, META, rows_per_shard=shards) as writer:
            for _ in range(n):
                writer.append(np.ones((1, 3)), np.ones(1))

    with pytest.raises(DataError, match="9 rows came, 10 were announced"):
        attempt(9)
    with pytest.raises(DataError, match="11 rows or more, 10 were announced"):
        attempt(11)
    assert list(tmp_path.iterdir()) == []


def test_rows_of_another_shape_are_refused(tmp_path):
    writer = DatasetWriter(tmp_path / "a.h5", Shape(10, 3), META)
    with pytest.raises(DataError, match=r"X is \(5, 4\), \(5, 3\) was due"), writer:
        writer.append(np.ones((5, 4)), np.ones(5))


@pytest.mark.parametrize(
    ("name", "shape", "shards", "message"),
    [
        ("a.hdf", Shape(10, 3), None, r"ends in \.h5"),
        ("no/a.h5", Shape(10, 3), None, "no: no such folder"),
        ("a.h5", Shape(10, 3, "int64"), None, "dtype 'int64' is not one of"),
        ("a.h5", Shape(0, 3), None, "0 rows of 3 features"),
        ("a.h5", Shape(10, 0), None, "10 rows of 0 features"),
        ("a.h5", Shape(10, 3), 0, "at least 1 row, got 0"),
    ],
)
def test_impossible_files(tmp_path, name, shape, shards, message):
    with pytest.raises((ConfigError, DataError), match=message):
        DatasetWriter(tmp_path / name, shape, META, rows_per_shard=shards)


def test_chunks_are_neither_whole_files_nor_single_rows(tmp_path):
    import h5py

    with DatasetWriter(tmp_path / "a.h5", Shape(20_000, 100), META) as writer:
        writer.append(np.ones((20_000, 100)), np.ones(20_000))
    with h5py.File(tmp_path / "a.h5") as file:
        n_rows, width = file["X"].chunks
        assert width == 100
        assert 100_000 < n_rows * 800 < 1_000_000
        assert file["X"].fletcher32
        assert file["y"].fletcher32
