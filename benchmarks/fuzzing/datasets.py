"""Dataset files, and the sources that they are imported from."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import ClassVar

import numpy as np
from scipy.sparse import csr_array, save_npz

from . import raw
from .kind import CONFIG, Kind, bytes_or_members, mpicode, put_in_place, unsealed, write_data
from .server import SILENT_CHANGE


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
            return put_in_place(chosen, other)
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
