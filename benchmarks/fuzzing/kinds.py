"""What is damaged: datasets, configurations, runs, checkpoints, sources; and who reads it."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar
from unittest import mock

import numpy as np
from scipy.sparse import csr_array, save_npz

from mpicode.cli import main, report_error

from . import members, raw, text
from .server import SILENT_CHANGE

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
REPLAYING = """\
[data]
path = "data.h5"
[problem]
name = "softmax"
[optimizer]
name = "gradient-descent"
step_size = 0.1
[code]
name = "cyclic"
n_stragglers = 1
[run]
n_workers = 4
iterations = 5
[delays]
name = "replay"
path = "run.h5"
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


@contextlib.contextmanager
def unsealed() -> Iterator[None]:
    """Have files written as other programs write them: without a seal."""
    with (
        mock.patch("mpicode.datasets.filling.seal"),
        mock.patch("mpicode.datasets.writer.seal"),
        mock.patch("mpicode.results.writer.seal"),
    ):
        yield


def write_data(path: Path, *, sparse: bool, shards: bool, compress: bool = False) -> None:
    """Write a small dataset of three classes."""
    from mpicode.datasets import DatasetWriter, Meta, Shape

    rng = np.random.default_rng(0)
    n, d = 60, 7
    values = rng.standard_normal((n, d)) * (rng.random((n, d)) < 0.6)
    X = csr_array(values) if sparse else values
    shape = Shape(n, d, "float64", sparse, compress=compress)
    if compress and not sparse:
        X, shape = rng.integers(0, 200, (n, d)), Shape(n, d, "uint8", scale=0.01, compress=True)
    meta = Meta("multiclass", 3, "made here", "CC0-1.0")
    with DatasetWriter(
        path, shape, meta, rows_per_shard=17 if shards else None, extra={"classes": ["a", "b", "c"]}
    ) as writer:
        writer.append(X, rng.integers(0, 3, n))


def facts(path: Path) -> tuple[object, ...]:
    """Return everything that reading a dataset gives."""
    from mpicode.datasets import open_dataset

    with open_dataset(path) as data:
        X, y = data.read(0, data.n_samples)
        parts = (X.data, X.indices, X.indptr) if data.sparse else (X,)
        arrays = tuple((a.dtype.name, a.shape, a.tobytes()) for a in (*parts, y))
        return data.n_samples, data.n_features, data.task, data.n_classes, data.scale, arrays


class Data(Kind):
    """A dataset file or one of the files of a sharded dataset."""

    name = "data"

    def prepare(self, folder: Path) -> None:
        for old in (False, True):
            for sparse in (False, True):
                for shards in (False, True):
                    place = folder / f"{'old' if old else 'new'}-{sparse}-{shards}"
                    place.mkdir()
                    with unsealed() if old else contextlib.nullcontext():
                        write_data(
                            place / "data.h5", sparse=sparse, shards=shards, compress=shards != old
                        )
                    (place / "run.toml").write_text(CONFIG)

    def damage(self, rng: np.random.Generator, folder: Path) -> str:
        os.mkfifo(folder / "fifo")
        files = [folder / "data.h5", *sorted(folder.glob("data/*.h5"))]
        chosen = files[int(rng.integers(len(files)))]
        self.only_bytes = rng.random() < 0.5
        if self.only_bytes:
            return raw.damage(rng, chosen)
        if len(files) > 1 and rng.random() < 0.1:
            other = files[int(rng.integers(len(files)))]
            shutil.copy(other, folder / "copied")
            (folder / "copied").replace(chosen)
            return f"{chosen.name} replaced by {other.name}"
        return bytes_or_members(rng, chosen)

    def act(self, rng: np.random.Generator, sound: Path) -> int:
        draw = rng.random()
        if draw < 0.15:
            return mpicode("data", "info", "data.h5", "--json")
        if draw < 0.4:
            return mpicode("run", "run.toml", "--simulate")
        code = mpicode("data", "check", "data.h5")
        # without a seal headers have no checksum; and whoever writes by HDF5 does so on purpose
        if code or not self.only_bytes or sound.name.startswith("old"):
            return code
        return 0 if facts(Path("data.h5")) == facts(sound / "data.h5") else SILENT_CHANGE


class Configuration(Kind):
    """A configuration file."""

    name = "config"

    def prepare(self, folder: Path) -> None:
        place = folder / "one"
        place.mkdir()
        write_data(place / "data.h5", sparse=False, shards=False)
        (place / "run.toml").write_text(CONFIG)

    def damage(self, rng: np.random.Generator, folder: Path) -> str:
        path = folder / "run.toml"
        return raw.damage(rng, path) if rng.random() < 0.15 else text.damage(rng, path)

    def act(self, rng: np.random.Generator, sound: Path) -> int:
        if rng.random() < 0.5:
            # what is asked for may rightly take for ever, so nothing is started
            with (
                mock.patch("mpicode.launch.launch", return_value=0),
                mock.patch("mpicode.launch.launcher", return_value=None),
            ):
                return mpicode("run", "run.toml")
        few = ("--set", "run.iterations=2")
        if rng.random() < 0.5:
            return mpicode("run", "run.toml", "--simulate", *few)
        return mpicode("simulate", "run.toml", *few)


class RunFile(Kind):
    """The file a run has written, whole or of a crashed run."""

    name = "run"

    def prepare(self, folder: Path) -> None:
        import mpicode as package
        from mpicode.config import Config
        from mpicode.results import Outcome, RunWriter

        whole, crashed = folder / "whole", folder / "crashed"
        for place in (whole, crashed):
            place.mkdir()
            write_data(place / "data.h5", sparse=False, shards=False)
            (place / "replay.toml").write_text(REPLAYING)
        config = Config.loads(CONFIG, whole, ["run.iterations=12", "output.path='run.h5'"])
        with contextlib.redirect_stderr(io.StringIO()):
            package.run(config)
        writer = RunWriter(crashed / "run.h5", {"config": CONFIG, "seed": 0}, 4)
        for iteration in range(12):
            for worker in range(4):
                landed = iteration + 0.1 * worker
                writer.message(iteration, 0, worker, worker, iteration, landed, Outcome.USED)
            row = {"loss": 1.0 / (1 + iteration), "started": iteration, "seconds": 0.5, "wait": 0.2}
            writer.iteration(row, {"arrived": np.ones(4, bool)})
        writer.code({"encoding": csr_array(np.eye(4)), "owner": np.arange(4)}, 0)
        writer.event(3, 3.5, 2, "lost", "worker 2 fell silent")
        shutil.copy(writer.part, crashed / "copy")
        writer.close(None, False, "not finished")
        (crashed / "copy").replace(crashed / "run.h5")

    def damage(self, rng: np.random.Generator, folder: Path) -> str:
        os.mkfifo(folder / "fifo")
        return bytes_or_members(rng, folder / "run.h5")

    def act(self, rng: np.random.Generator, sound: Path) -> int:
        from mpicode.results import open_run

        draw = rng.random()
        if draw < 0.15:
            return mpicode("report", "run.h5", "--json", "-o", "pictures")
        if draw < 0.45:
            return mpicode("export", "run.h5", "-o", "run.npz")
        if draw < 0.7:
            return mpicode("simulate", "replay.toml")
        return called(lambda: open_run("run.h5").load())


class CheckpointFile(Kind):
    """One of the two checkpoints that a run goes on from."""

    name = "checkpoint"

    def prepare(self, folder: Path) -> None:
        place = folder / "one"
        place.mkdir()
        write_data(place / "data.h5", sparse=False, shards=False)
        (place / "run.toml").write_text(
            CONFIG.replace('"gradient-descent"', '"adam"') + "\n[checkpoint]\nevery = 2\n"
        )
        os.chdir(place)
        with contextlib.redirect_stderr(io.StringIO()):
            mpicode("run", "run.toml", "--simulate", "--set", "run.iterations=6")

    def damage(self, rng: np.random.Generator, folder: Path) -> str:
        from mpicode.results.checkpoint import front

        files = sorted(folder.glob("out.checkpoints/*.h5"))
        path = files[int(rng.integers(len(files)))] if rng.random() < 0.3 else files[-1]
        if rng.random() < 0.4:
            return raw.damage(rng, path)
        told = members.damage(rng, path)
        if rng.random() < 0.9:
            # as if it had been written like this
            rest = memoryview(path.read_bytes())[512:]
            path.write_bytes(front(rest) + bytes(rest))
            told += ", its checksum put right"
        return told

    def act(self, rng: np.random.Generator, sound: Path) -> int:
        return mpicode("run", "run.toml", "--simulate", "--resume", "--set", "run.iterations=8")


class Import(Kind):
    """A file that `mpicode data import` reads: libsvm, CSV, IDX, npy, npz."""

    name = "import"
    words: ClassVar[dict[str, tuple[str, ...]]] = {
        "rows.svm": (),
        "rows.csv": ("--label", "label"),
        "images.idx": ("labels.idx", "--format", "idx"),
        "X.npy": ("y.npy",),
        "both.npz": (),
        "sparse.npz": ("y.npy",),
    }

    def prepare(self, folder: Path) -> None:
        rng = np.random.default_rng(0)
        X, y = rng.integers(0, 9, (30, 4)).astype(float), rng.integers(0, 3, 30)
        for variant in self.words:
            place = folder / variant
            place.mkdir()
            np.save(place / "X.npy", X)
            np.save(place / "y.npy", y)
            np.savez_compressed(place / "both.npz", X=X, y=y)
            save_npz(place / "sparse.npz", csr_array(X))
            rows = [
                f"{label} " + " ".join(f"{j + 1}:{v:g}" for j, v in enumerate(row))
                for label, row in zip(y, X, strict=True)
            ]
            (place / "rows.svm").write_text("\n".join(rows) + "\n")
            table = [
                f"{label}," + ",".join(f"{v:g}" for v in row)
                for label, row in zip(y, X, strict=True)
            ]
            (place / "rows.csv").write_text("\n".join(["label,a,b,c,d", *table]) + "\n")
            images = X.astype(np.uint8).reshape(30, 2, 2)
            head = b"\0\0\x08\x03" + b"".join(n.to_bytes(4, "big") for n in images.shape)
            (place / "images.idx").write_bytes(head + images.tobytes())
            head = b"\0\0\x08\x01" + (30).to_bytes(4, "big")
            (place / "labels.idx").write_bytes(head + y.astype(np.uint8).tobytes())

    def damage(self, rng: np.random.Generator, folder: Path) -> str:
        (source,) = (folder / name for name in self.words if folder.name == name)
        second = (folder / word for word in self.words[source.name][:1] if "." in word)
        files = [source, source, *second]
        return raw.damage(rng, files[int(rng.integers(len(files)))])

    def act(self, rng: np.random.Generator, sound: Path) -> int:
        words = self.words[sound.name]
        return mpicode("data", "import", sound.name, *words, "--task", "multiclass", "-o", "out.h5")


KINDS: dict[str, type[Kind]] = {
    kind.name: kind for kind in (Data, Configuration, RunFile, CheckpointFile, Import)
}
