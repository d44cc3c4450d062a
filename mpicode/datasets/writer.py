"""Writing a dataset block by block, whole or not at all.

Everything is written beside its final name (``NAME.h5.part``; shards in ``NAME.part/``), flushed to the
disk and moved into place at the end. After a crash or on a full disk the previous file is still there.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from .. import __version__
from ..errors import ConfigError, DataError
from .content import ContentHash
from .layout import STORED_DTYPES, Meta, reason
from .shards import join_shards, shard_name

Array = npt.NDArray[Any]

# A chunk is what HDF5 reads and checks at once: large enough for speed, small enough that the rows a
# worker does not hold cost it little.
CHUNK_BYTES = 1 << 19


@dataclass(frozen=True)
class Shape:
    """What a file to be written will hold.

    ``scale`` multiplies stored integers on reading; ``compress`` packs chunks with gzip.
    """

    n_samples: int
    n_features: int
    dtype: str = "float64"
    sparse: bool = False
    scale: float | None = None
    compress: bool = False


@contextmanager
def _reported(path: Path) -> Iterator[None]:
    """Turn what the operating system or HDF5 says into one line that names the file."""
    try:
        yield
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {reason(error)}") from error


def _chunk(n_rows: int, row_bytes: int) -> int:
    return int(min(max(CHUNK_BYTES // max(row_bytes, 1), 1), max(n_rows, 1)))


class _File:
    """One HDF5 file being written: the datasets, how far they are filled, the hash of the rows."""

    def __init__(self, path: Path, shape: Shape, meta: Meta) -> None:
        self.path, self.shape, self.meta = path, shape, meta
        self.rows = self.filled = 0
        self.hash = ContentHash(shape.sparse)
        self.file = h5py.File(path, "w", locking=False)
        filters = {"compression": "gzip", "compression_opts": 4, "shuffle": True}
        self._filters: dict[str, Any] = {"fletcher32": True, **(filters if shape.compress else {})}
        n, d, dtype = shape.n_samples, shape.n_features, np.dtype(shape.dtype)
        if shape.sparse:
            group = self.file.create_group("X")
            group.attrs["shape"] = np.array([n, d], np.int64)
            index = np.int32 if d <= np.iinfo(np.int32).max else np.int64
            self.data = self._growing(group, "data", dtype)
            self.indices = self._growing(group, "indices", np.dtype(index))
            self.indptr = self._fixed(group, "indptr", (n + 1,), np.dtype(np.int64))
            self.indptr[0] = 0
        else:
            self.X = self._fixed(self.file, "X", (n, d), dtype)
        if shape.scale is not None:
            self.file["X"].attrs["scale"] = shape.scale
        y_dtype = np.float64 if meta.task == "regression" else np.int64
        self.y = self._fixed(self.file, "y", (n,), np.dtype(y_dtype))

    def _fixed(
        self, group: h5py.Group, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> h5py.Dataset:
        if not all(shape):
            return group.create_dataset(name, shape, dtype)
        tail = int(np.prod(shape[1:]))
        chunks = (_chunk(shape[0], tail * dtype.itemsize), *shape[1:])
        return group.create_dataset(name, shape, dtype, chunks=chunks, **self._filters)

    def _growing(self, group: h5py.Group, name: str, dtype: np.dtype[Any]) -> h5py.Dataset:
        chunks = (_chunk(CHUNK_BYTES, dtype.itemsize),)
        return group.create_dataset(
            name, (0,), dtype, maxshape=(None,), chunks=chunks, **self._filters
        )

    def append(self, X: Any, y: Array) -> dict[str, Array]:
        """Write rows; return them as stored, by the names that `ContentHash` knows."""
        start, stop = self.rows, self.rows + len(y)
        stored: dict[str, Array] = {"y": y.astype(self.y.dtype, copy=False)}
        if self.shape.sparse:
            at, end = self.filled, self.filled + X.nnz
            stored["lengths"] = np.diff(X.indptr).astype(np.int64, copy=False)
            stored["indices"] = X.indices.astype(self.indices.dtype, copy=False)
            stored["data"] = self._converted(X.data)
            for dataset, name in ((self.indices, "indices"), (self.data, "data")):
                dataset.resize((end,))
                dataset[at:end] = stored[name]
            self.indptr[start + 1 : stop + 1] = at + np.cumsum(stored["lengths"])
            self.filled = end
        else:
            stored["X"] = self._converted(X)
            self.X[start:stop] = stored["X"]
        self.y[start:stop] = stored["y"]
        self.rows = stop
        self.hash.update(**stored)
        return stored

    def _converted(self, values: Array) -> Array:
        """Return the values in the stored type; integers must fit it exactly."""
        stored = values.astype(self.shape.dtype, copy=False)
        if stored.dtype.kind in "iu" and not np.array_equal(stored, values):
            wrong = values.flat[int(np.argmax(stored != values))]
            raise DataError(f"{self.path}: the value {wrong} does not fit {self.shape.dtype}")
        return stored

    def finish(self) -> None:
        """Write the attributes and bring everything to the disk."""
        replace(self.meta, content=self.hash.hexdigest()).write(self.file)
        _sync(self.file)


def _sync(file: h5py.File) -> None:
    """Flush the file to the disk and close it."""
    name = file.filename
    file.close()
    descriptor = os.open(name, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class DatasetWriter:
    """Writes ``path`` from blocks of rows; a context manager that removes its traces on an error.

    ``rows_per_shard`` splits the rows into files of that many. ``extra`` are further small datasets,
    by name. Exactly ``shape.n_samples`` rows must be appended.
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
        self.path = Path(path)
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
        self.shape = shape
        self.meta = replace(meta, creator=f"mpicode {__version__}")
        self.extra = extra or {}
        self.rows_per_shard = rows_per_shard
        self.rows = 0
        self._part = self.path.with_name(self.path.name + ".part")
        self._folder = self.path.with_suffix("")
        self._folder_part = self.path.with_suffix(".part")
        self._shards: list[Path] = []
        self._hash = ContentHash(shape.sparse)
        self._file: _File | None = None

    def __enter__(self) -> DatasetWriter:
        with _reported(self.path):
            self._discard()
            if self.rows_per_shard is None:
                self._file = _File(self._part, self.shape, self.meta)
            else:
                self._folder_part.mkdir()
        return self

    def append(self, X: Any, y: Array) -> None:
        """Write the next rows: X (n, n_features) as an array or CSR, y (n,)."""
        if X.shape != (len(y), self.shape.n_features):
            raise DataError(
                f"{self.path}: X is {X.shape}, ({len(y)}, {self.shape.n_features}) was due"
            )
        if self.rows + len(y) > self.shape.n_samples:
            raise DataError(
                f"{self.path}: {self.rows + len(y)} rows or more, {self.shape.n_samples} were announced"
            )
        at = 0
        while at < len(y):
            file = self._current()
            take = min(len(y) - at, file.shape.n_samples - file.rows)
            rows = slice(at, at + take)
            with _reported(self.path):
                stored = file.append(X if take == len(y) else X[rows], y[rows])
            self._hash.update(**stored)
            self.rows += take
            at += take

    def _current(self) -> _File:
        """Return the file the next row goes to; shards are begun and finished here."""
        if self._file is not None and self._file.rows < self._file.shape.n_samples:
            return self._file
        assert self.rows_per_shard is not None
        self._finish_shard()
        path = self._folder_part / Path(shard_name("", len(self._shards))).name
        self._shards.append(path)
        rows = min(self.rows_per_shard, self.shape.n_samples - self.rows)
        with _reported(self.path):
            self._file = _File(path, replace(self.shape, n_samples=rows), self.meta)
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
            with h5py.File(self._part, "w", locking=False) as file:
                names = [shard_name(self._folder.name, i) for i in range(len(self._shards))]
                join_shards(file, self._shards, names, self.shape.n_features, self.shape.scale)
                self._add_extra(file)
                replace(self.meta, content=self._hash.hexdigest()).write(file)
                file.flush()
                _sync(file)
        self._move()

    def _add_extra(self, file: h5py.File) -> None:
        for name, value in self.extra.items():
            if isinstance(value, np.ndarray) and value.size:
                file.create_dataset(name, data=value, compression="gzip", shuffle=True, chunks=True)
            else:
                file[name] = value

    def _move(self) -> None:
        """Move the new files into place: the shards first, the file that names them last."""
        if self.rows_per_shard is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder_part.replace(self._folder)
        self._part.replace(self.path)
        _sync_folder(self.path.parent)

    def _discard(self) -> None:
        self._part.unlink(missing_ok=True)
        shutil.rmtree(self._folder_part, ignore_errors=True)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                with _reported(self.path):
                    self._finish()
        except BaseException as raised:
            error = raised
            raise
        finally:
            if error is not None:
                self._abandon()

    def _abandon(self) -> None:
        if self._file is not None:
            # Closing writes what is pending, which fails again on a full disk.
            with suppress(OSError, RuntimeError):
                self._file.file.close()
        self._discard()
