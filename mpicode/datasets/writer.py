"""Writing a dataset block by block, whole or not at all.

Everything is written beside its final name (``NAME.h5.part``; shards in ``NAME.part/``), flushed
to the disk and moved into place at the end. After a crash or on a full disk the previous file is
still there.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from .. import __version__
from ..disk import Disk, sync
from ..errors import ConfigError, DataError
from ..seal import checked_chunks, seal
from .content import ContentHash
from .filling import FileWriter, Shape
from .layout import STORED_DTYPES, Meta
from .shards import join_shards, shard_name
from .wholly import WrittenWholly

Array = npt.NDArray[Any]


class DatasetWriter(WrittenWholly):
    """Writes ``path`` from blocks of rows.

    ``rows_per_shard`` splits the rows into files of that many. ``extra`` are further small
    datasets, by name. Exactly ``shape.n_samples`` rows must be appended.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        shape: Shape,
        meta: Meta,
        *,
        rows_per_shard: int | None = None,
        extra: dict[str, Any] | None = None,
        force: bool = False,
    ) -> None:
        super().__init__(Path(path))
        if self.path.suffix != ".h5":
            raise ConfigError(f"{self.path}: the name of a dataset file ends in .h5")
        if self.path.exists() and not force:
            raise ConfigError(f"{self.path}: is there already; --force replaces it")
        if not self.path.parent.is_dir():
            raise ConfigError(f"{self.path.parent}: no such folder")
        if np.dtype(shape.dtype).name not in STORED_DTYPES:
            raise ConfigError(f"dtype {shape.dtype!r} is not one of {', '.join(STORED_DTYPES)}")
        if shape.n_samples < 1 or shape.n_features < 1:
            raise DataError(
                f"{self.path}: {shape.n_samples} rows of {shape.n_features} features are no dataset"
            )
        if rows_per_shard is not None and rows_per_shard < 1:
            raise ConfigError(f"a shard must hold at least 1 row, got {rows_per_shard}")
        self._folder = self.path.with_suffix("")
        if rows_per_shard is not None and self._folder.exists():
            self._refuse_folder(force)
        self.shape = shape
        self.meta = replace(meta, creator=f"mpicode {__version__}")
        self.extra = extra or {}
        self.rows_per_shard = rows_per_shard
        self.rows = 0
        self._part = self.path.with_name(self.path.name + ".part")
        self._folder_part = self.path.with_suffix(".part")
        self._shards: list[Path] = []
        self._hash = ContentHash(shape.sparse)
        self._file: FileWriter | None = None

    def _refuse_folder(self, force: bool) -> None:
        """Replace a folder only if it was asked for and nothing but shards can be lost."""
        if not self._folder.is_dir():
            raise ConfigError(f"{self._folder}: is there already and is no folder of shards")
        foreign = [f for f in self._folder.iterdir() if not f.match("shard-?????.h5")]
        if foreign:
            raise ConfigError(f"{foreign[0]}: in the way: the folder is for shards alone")
        if not force:
            raise ConfigError(f"{self._folder}: is there already; --force replaces it")

    def _begin(self) -> None:
        if self.rows_per_shard is None:
            self._file = FileWriter(self._part, self.path, self.shape, self.meta)
        else:
            self._folder_part.mkdir()

    def append(self, X: Any, y: Array) -> None:
        """Write the next rows: X (n, n_features) as an array or CSR, y (n,)."""
        if X.shape != (len(y), self.shape.n_features):
            raise DataError(
                f"{self.path}: X is {X.shape}, ({len(y)}, {self.shape.n_features}) was due"
            )
        if self.rows + len(y) > self.shape.n_samples:
            n_rows = self.rows + len(y)
            raise DataError(
                f"{self.path}: {n_rows} rows or more, {self.shape.n_samples} were announced"
            )
        at = 0
        while at < len(y):
            file = self._current()
            take = min(len(y) - at, file.shape.n_samples - file.rows)
            rows = slice(at, at + take)
            with self._reported():
                stored = file.append(X if take == len(y) else X[rows], y[rows])
            self._hash.update(**stored)
            self.rows += take
            at += take

    def _current(self) -> FileWriter:
        """Return the file the next row goes to; shards are begun and finished here."""
        if self._file is not None and self._file.rows < self._file.shape.n_samples:
            return self._file
        assert self.rows_per_shard is not None
        self._finish_shard()
        path = self._folder_part / Path(shard_name("", len(self._shards))).name
        self._shards.append(path)
        rows = min(self.rows_per_shard, self.shape.n_samples - self.rows)
        with self._reported():
            shape = replace(self.shape, n_samples=rows)
            self._file = FileWriter(path, self.path, shape, self.meta)
        return self._file

    def _finish_shard(self) -> None:
        if self._file is not None:
            self._file.finish()
            self._file = None

    def _finish(self) -> None:
        if self.rows != self.shape.n_samples:
            raise DataError(
                f"{self.path}: {self.rows} rows came, {self.shape.n_samples} were announced"
            )
        if self.rows_per_shard is None:
            assert self._file is not None
            self._add_extra(self._file.file)
            self._finish_shard()
        else:
            self._finish_shard()
            self._write_joined()
        self._move()

    def _write_joined(self) -> None:
        """Write the file that joins the shards."""
        disk = Disk(self._part, self.path)
        try:
            with h5py.File(disk, "w") as file:
                names = [shard_name(self._folder.name, i) for i in range(len(self._shards))]
                join_shards(file, self._shards, names, self.shape.n_features, self.shape.scale)
                self._add_extra(file)
                replace(self.meta, content=self._hash.hexdigest()).write(file)
                file.flush()
                chunks = checked_chunks(file)
            seal(disk, chunks)
            disk.finish()
        finally:
            disk.close()

    def _add_extra(self, file: h5py.File) -> None:
        for name, value in self.extra.items():
            if isinstance(value, np.ndarray) and value.size:
                file.create_dataset(name, data=value, compression="gzip", shuffle=True, chunks=True)
            else:
                file[name] = value

    def _move(self) -> None:
        """Move the new files into place: the shards first, the file that names them last."""
        old = self.path.with_suffix(".old")
        if self.rows_per_shard is not None:
            if self._folder.exists():
                self._folder.rename(old)
            sync(self._folder_part)
            self._folder_part.rename(self._folder)
        self._part.replace(self.path)
        sync(self.path.parent)
        shutil.rmtree(old, ignore_errors=True)

    def _discard(self) -> None:
        self._part.unlink(missing_ok=True)
        for leftover in (self._folder_part, self.path.with_suffix(".old")):
            shutil.rmtree(leftover, ignore_errors=True)

    def _close(self) -> None:
        if self._file is not None:
            self._file.abandon()
