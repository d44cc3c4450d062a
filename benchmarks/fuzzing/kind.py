"""What a kind of file is, and what several of them need."""

from __future__ import annotations

import contextlib
import io
import shutil
import tomllib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import tomli_w
from scipy.sparse import csr_array

from mpicode.cli import main, report_error

from . import members, raw

CONFIG = """\
[data]
path = "data.h5"
test_fraction = 0.2
memory_mb = 64.0

[problem]
name = "softmax"
l2 = 0.001
intercept = true

[code]
name = "cyclic"
n_stragglers = 1

[optimizer]
name = "gradient-descent"
step_size = 0.1
schedule = "constant"

[delays]
name = "bernoulli"
probability = 0.2
seconds = 0.01

[decoding]
method = "optimal"
deadline = 1.0

[run]
n_workers = 4
iterations = 3
seed = 1
dtype = "float64"
batch_size = 12
evaluate_every = 2

[faults]
when_lost = "approximate"
silent_seconds = 100.0

[virtual]
seconds_per_row = 1e-6
latency_seconds = 1e-5

[output]
path = "out.h5"
flush_seconds = 1.0
"""


class Kind(ABC):
    """One kind of file: makes sound ones, damages them, reads them."""

    name: str

    @abstractmethod
    def prepare(self, folder: Path) -> None:
        """Write the sound files, in folders by variant."""

    @abstractmethod
    def damage(self, rng: np.random.Generator, folder: Path) -> str:
        """Damage the files in ``folder``, a copy of one variant; return what was done."""

    @abstractmethod
    def act(self, rng: np.random.Generator, sound: Path) -> int:
        """Read the damaged files in this folder; return the exit code."""


def mpicode(*words: object) -> int:
    """Run one command in this process."""
    return main([str(word) for word in words])


def called(function: Callable[[], object]) -> int:
    """Call a part of the Python interface and treat its errors as the command line does."""
    try:
        function()
    except Exception as error:
        return report_error(error)
    return 0


def bytes_or_members(rng: np.random.Generator, path: Path) -> str:
    """Damage an HDF5 file one way or the other, sometimes both."""
    draw = rng.random()
    told = []
    if draw > 0.45:
        told.append(members.damage(rng, path))
    if draw < 0.55:
        told.append(raw.damage(rng, path))
    return " and ".join(told)


def put_in_place(path: Path, other: Path) -> str:
    """Replace a file by a copy of another; return what was done."""
    beside = path.with_name("copied")
    shutil.copy(other, beside)
    beside.replace(path)
    return f"{path.name} replaced by {other.name}"


@contextlib.contextmanager
def unsealed() -> Iterator[None]:
    """Have files written as other programs write them: without a seal."""
    with (
        mock.patch("mpicode.datasets.filling.seal"),
        mock.patch("mpicode.datasets.writer.seal"),
        mock.patch("mpicode.results.writer.seal"),
    ):
        yield


def configuration(**tables: Any) -> str:
    """Return the text of a configuration with these tables in place of those of `CONFIG`."""
    return tomli_w.dumps({**tomllib.loads(CONFIG), **tables})


def made(*words: object) -> None:
    """Run a command that makes sound files; what it says is shown only if it fails."""
    with contextlib.redirect_stderr(io.StringIO()) as said:
        code = mpicode(*words)
    if code:
        raise RuntimeError(f"exit code {code}: {said.getvalue()}")


def write_data(
    path: Path, *, sparse: bool, shards: bool, compress: bool = False, task: str = "multiclass"
) -> None:
    """Write a small dataset, of three classes unless it is for another task."""
    from mpicode.datasets import DatasetWriter, Meta, Shape

    rng = np.random.default_rng(0)
    n, d = 60, 7
    values = rng.standard_normal((n, d)) * (rng.random((n, d)) < 0.6)
    X = csr_array(values) if sparse else values
    shape = Shape(n, d, "float64", sparse, compress=compress)
    if compress and not sparse:
        X, shape = rng.integers(0, 200, (n, d)), Shape(n, d, "uint8", scale=0.01, compress=True)
    meta = Meta(task, 3 if task == "multiclass" else 0, "made here", "CC0-1.0")
    with DatasetWriter(
        path, shape, meta, rows_per_shard=17 if shards else None, extra={"classes": ["a", "b", "c"]}
    ) as writer:
        writer.append(X, rng.integers(0, 3, n))
