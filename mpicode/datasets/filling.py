"""Writing the rows of one HDF5 file, and their hash."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from ..disk import Disk
from ..errors import DataError
from ..seal import checked_chunks, seal
from .content import ContentHash
from .layout import Meta

Array = npt.NDArray[Any]

# A chunk is what HDF5 reads and checks at once: large enough for speed, small enough that the
# rows a worker does not hold cost it little.
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


def _chunk(n_rows: int, row_bytes: int) -> int:
    return int(min(max(CHUNK_BYTES // max(row_bytes, 1), 1), max(n_rows, 1)))


def seal_and_finish(file: h5py.File, disk: Disk) -> None:
    """Close a file that lies on ``disk``, seal it and bring everything to the disk."""
    file.flush()
    chunks = checked_chunks(file)
    file.close()
    seal(disk, chunks)
    disk.finish()


class FileWriter:
    """One HDF5 file being written; ``rows`` of ``shape.n_samples`` are there."""

    def __init__(self, path: Path, name: Path, shape: Shape, meta: Meta) -> None:
        # Errors speak of the file by the name it will have.
        self.name, self.shape, self.meta = name, shape, meta
        self.rows = self.filled = 0
        self.hash = ContentHash(shape.sparse)
        self.disk = Disk(path, name)
        self.file = h5py.File(self.disk, "w")
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
        self.disk.check()
        return stored

    def _converted(self, values: Array) -> Array:
        """Return the values in the stored type; integers must fit it exactly."""
        stored = values.astype(self.shape.dtype, copy=False)
        if stored.dtype.kind in "iu" and not np.array_equal(stored, values):
            wrong = values.flat[int(np.argmax(stored != values))]
            raise DataError(f"{self.name}: the value {wrong} does not fit {self.shape.dtype}")
        return stored

    def finish(self) -> None:
        """Write the attributes and bring everything to the disk."""
        replace(self.meta, content=self.hash.hexdigest()).write(self.file)
        seal_and_finish(self.file, self.disk)

    def abandon(self) -> None:
        """Close without caring for what is in the file."""
        self.file.close()
        self.disk.close()
