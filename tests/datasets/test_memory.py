"""Files larger than what the process may hold are imported, checked and encoded all the same."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from mpicode.datasets import DatasetWriter, Meta, Shape

# The limit is on what is added to the size the process has once the libraries are loaded.
PROGRAM = """
import argparse, resource, sys
import h5py, numpy, scipy.sparse
import mpicode.datasets.check, mpicode.datasets.convert
from mpicode.cli.data import add_parser
parser = argparse.ArgumentParser()
add_parser(parser.add_subparsers())
words = sys.argv[3:]
exec(sys.argv[2])
pages = int(open("/proc/self/statm").read().split()[0])
limit = pages * resource.getpagesize() + int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
args = parser.parse_args(["data", *words])
sys.exit(args.command(args))
"""


# Small windows, and what the libraries take once they work.
ENCODING = """
import mpicode.codes, mpicode.datasets.coded_info, mpicode.datasets.encode
mpicode.datasets.encode.WINDOW_BYTES = 1 << 24
numpy.linalg.eigh(numpy.eye(256))
"""


def run(room, *words, first=""):
    """Run ``mpicode data`` with so many bytes beside what it takes after ``first``."""
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, str(room), first, *map(str, words)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        },
    )


MIB = 1 << 20
ROOM = 64 * MIB


@pytest.fixture
def nothing_left(tmp_path):
    """Remove the large files at once: pytest keeps those of its last three runs."""
    yield
    shutil.rmtree(tmp_path)


def huge_npy(path, n_rows, width):
    """An array of zeros that takes no room on the disk."""
    with path.open("wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (n_rows, width)}
        np.lib.format.write_array_header_1_0(file, header)
        file.truncate(file.tell() + 4 * n_rows * width)


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc and RLIMIT_AS")
@pytest.mark.parametrize("more", [[], ["--shards", 4, "--shuffle", 1]])
def test_an_array_larger_than_memory(tmp_path, more):
    X, y, out = (tmp_path / name for name in ("X.npy", "y.npy", "out.h5"))
    huge_npy(X, 50_000, 1000)
    np.save(y, np.arange(50_000) % 2)
    assert X.stat().st_size > 2.9 * ROOM
    words = ["import", X, y, "--task", "binary", "--dtype", "uint8", "-o", out, *more]
    done = run(ROOM, *words)
    assert done.returncode == 0, done.stderr
    done = run(ROOM, "check", out)
    assert done.returncode == 0, done.stderr
    assert run(6 * MIB, *words, "--force").returncode != 0  # the limit is a limit


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc and RLIMIT_AS")
@pytest.mark.parametrize("kind", ["csv", "svm"])
def test_text_larger_than_memory(tmp_path, kind):
    path, out = tmp_path / f"a.{kind}", tmp_path / "out.h5"
    values = np.random.default_rng(0).integers(0, 10, (1000, 40))
    if kind == "csv":
        block = "".join(",".join(f"0.{v:039d}" for v in row) + ",1\n" for row in values)
        words = ["--no-header", "--label", "-1", "--task", "regression"]
    else:
        rows = (" ".join(f"{i}:0.{v:039d}" for i, v in enumerate(row, 1)) for row in values)
        block = "".join(f"{i % 2} {row}\n" for i, row in enumerate(rows))
        words = ["--task", "binary"]
    with path.open("w") as file:
        for _ in range(40):
            file.write(block)
    assert path.stat().st_size > ROOM
    done = run(ROOM, "import", path, "-o", out, *words)
    assert done.returncode == 0, done.stderr


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc and RLIMIT_AS")
@pytest.mark.parametrize("order", ["none", "path"])
def test_a_dataset_larger_than_memory_is_encoded(tmp_path, order):
    path, folder = tmp_path / "a.h5", tmp_path / "c"
    room = 100 << 20
    n_rows = int(1.2 * room) // 4000
    with DatasetWriter(path, Shape(n_rows, 1000, "float32"), Meta("binary", 2)) as writer:
        X = np.ones((5000, 1000), np.float32)
        for start in range(0, n_rows, 5000):
            n = min(5000, n_rows - start)
            writer.append(X[:n], np.arange(n) % 2)
    assert path.stat().st_size > 1.1 * room
    words = ["encode", path, "-o", folder, "--code", "berrut", "--workers", 4]
    words += ["--set", "n_blocks=4", "--order", order]
    done = run(room, *words, first=ENCODING)
    assert done.returncode == 0, done.stderr
    done = run(room, "check", folder, first=ENCODING)
    assert done.returncode == 0, done.stderr
    # the limit is a limit
    assert run(room // 8, *words, "--force", first=ENCODING).returncode != 0
