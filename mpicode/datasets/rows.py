"""The rows of one HDF5 file: shapes checked at opening, row ranges read in bounded memory."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from ..errors import DataError
from ..hdf5 import dataset, member, open_file, reading, see_all_stored
from .layout import STORED_DTYPES, read_meta

Array = npt.NDArray[Any]

SLAB_BYTES = 1 << 20


def _dataset(parent: h5py.Group, name: str, path: Path, n_dimensions: int) -> h5py.Dataset:
    found = dataset(parent, name, path, n_dimensions)
    if not found.is_virtual:
        see_all_stored(found, path)
    return found


def _kind(array: h5py.Dataset, path: Path, allowed: str) -> None:
    if array.dtype.kind not in allowed:
        wanted = " or ".join({"i": "integer", "u": "unsigned", "f": "float"}[k] for k in allowed)
        name = array.name.lstrip("/")
        raise DataError(f"{path}: {name} holds {array.dtype}, wants {wanted} numbers")


def _native(array: h5py.Dataset) -> np.dtype[Any]:
    """Return the type of an array in the byte order of this machine."""
    dtype: np.dtype[Any] = array.dtype
    return dtype.newbyteorder("=")


class RowFile:
    """One open file with its ``X`` (dense or CSR) and ``y``.

    Attributes: ``n_samples``, ``n_features``, ``sparse``, ``stored`` (the dtype in the file),
    ``dtype`` (what `read` gives unless asked otherwise), ``scale`` (None or the factor for
    integers), ``meta``, ``virtual`` (names of the arrays that only point to other files).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = open_file(path)
        try:
            with reading(path):
                self._open()
        except BaseException:
            self.file.close()
            raise

    def _open(self) -> None:
        path, file = self.path, self.file
        self.meta = read_meta(file, path)
        self.y = _dataset(file, "y", path, 1)
        _kind(self.y, path, "f" if self.meta.task == "regression" else "iu")
        self.n_samples = int(self.y.shape[0])
        X = member(file, "X", path)
        self.sparse = isinstance(X, h5py.Group)
        values = self._open_csr(X) if self.sparse else self._open_dense()
        self.values = values
        self.stored = _native(values)
        if self.stored.name not in STORED_DTYPES:
            raise DataError(f"{path}: X holds {self.stored}, wants {', '.join(STORED_DTYPES)}")
        self.dtype = np.dtype(np.float32) if self.stored.kind in "iu" else self.stored
        scale = X.attrs.get("scale")
        if scale is not None:
            real = isinstance(scale, (int, float, np.integer, np.floating))
            value = float(scale) if real else math.nan
            if not math.isfinite(value) or value == 0:
                raise DataError(f"{path}: attribute 'scale' of X must be a number, got {scale!r}")
            scale = value
        self.scale: float | None = scale
        arrays = (self.y, values, self.indices) if self.sparse else (self.y, values)
        self.virtual = [array.name.lstrip("/") for array in arrays if array.is_virtual]

    def _open_dense(self) -> h5py.Dataset:
        X = _dataset(self.file, "X", self.path, 2)
        if X.shape[0] != self.n_samples:
            raise DataError(f"{self.path}: X has {X.shape[0]} rows, y has {self.n_samples}")
        self.n_features = int(X.shape[1])
        return X

    def _open_csr(self, group: h5py.Group) -> h5py.Dataset:
        path = self.path
        data, self.indices, self.indptr = (
            _dataset(group, name, path, 1) for name in ("data", "indices", "indptr")
        )
        _kind(self.indices, path, "iu")
        _kind(self.indptr, path, "iu")
        shape = np.asarray(group.attrs.get("shape", ()))
        if shape.shape != (2,) or shape.dtype.kind not in "iu":
            raise DataError(
                f"{path}: attribute 'shape' of X must be two integers, got {shape.tolist()}"
            )
        if shape[0] != self.n_samples:
            raise DataError(f"{path}: X has {shape[0]} rows, y has {self.n_samples}")
        if len(self.indptr) != self.n_samples + 1:
            raise DataError(
                f"{path}: X/indptr has {len(self.indptr)} entries, {self.n_samples + 1} were due"
            )
        if len(data) != len(self.indices):
            raise DataError(
                f"{path}: X/data has {len(data)} entries, X/indices has {len(self.indices)}"
            )
        self.n_features = int(shape[1])
        return data

    def _fill(self, out: Array, array: h5py.Dataset, start: int, rows: str) -> Array:
        """Read ``array[start : start + len(out)]`` into ``out``, converting a slab at a time."""
        if out.size == 0:
            return out
        with reading(self.path, f"{array.name.lstrip('/')}, {rows}"):
            if out.dtype == array.dtype:
                array.read_direct(out, np.s_[start : start + len(out)])
            else:
                # NumPy converts several times faster than HDF5 does on the way.
                slab = max(SLAB_BYTES // (out.nbytes // len(out)), 1)
                for at in range(0, len(out), slab):
                    end = min(at + slab, len(out))
                    block = array[start + at : start + end]
                    out[at:end] = block
                    if out.dtype.kind == "i" and not np.array_equal(out[at:end], block):
                        name = array.name.lstrip("/")
                        raise DataError(f"{self.path}: {name}, {rows}: beyond {out.dtype}")
        return out

    def read_stored(self, start: int, stop: int) -> tuple[tuple[Array, ...], Array]:
        """Return rows as stored, ``(X,)`` or ``(lengths, indices, data)``, and their ``y``."""
        rows = f"rows {start} to {stop - 1}"
        y = self._fill(np.empty(stop - start, _native(self.y)), self.y, start, rows)
        if not self.sparse:
            X = np.empty((stop - start, self.n_features), self.stored)
            return (self._fill(X, self.values, start, rows),), y
        indptr = self.read_indptr(start, stop)
        n_entries = int(indptr[-1] - indptr[0])
        indices = np.empty(n_entries, _native(self.indices))
        data = np.empty(n_entries, self.stored)
        self._fill_entries(indptr, start, indices, data)
        return (np.diff(indptr), indices, data), y

    def n_stored(self, start: int, stop: int) -> int:
        """Return how many entries of a sparse X the rows ``start`` to ``stop`` hold."""
        ends = (self.read_indptr(row, row) for row in (start, stop))
        first, last = (int(end[0]) for end in ends)
        return last - first

    def read_indptr(self, start: int, stop: int) -> Array:
        """Return where each of the rows begins and the last ends (stop - start + 1,), CSR only."""
        rows = f"rows {start} to {stop - 1}"
        indptr = self._fill(np.empty(stop - start + 1, np.int64), self.indptr, start, rows)
        if indptr[0] < 0 or indptr[-1] > len(self.values) or (np.diff(indptr) < 0).any():
            raise DataError(
                f"{self.path}: X/indptr, {rows}: does not rise from 0 to {len(self.values)}"
            )
        return indptr

    def read_entries(self, indptr: Array, start: int, indices: Array, data: Array) -> None:
        """Fill in the column numbers and values of the rows that ``read_indptr`` spoke of."""
        self._fill_entries(indptr, start, indices, data)
        if self.scale is not None:
            data *= data.dtype.type(self.scale)

    def _fill_entries(self, indptr: Array, start: int, indices: Array, data: Array) -> None:
        rows = f"rows {start} to {start + len(indptr) - 2}"
        self._fill(indices, self.indices, int(indptr[0]), rows)
        if indices.size:
            # Compiled kernels trust these numbers, so they are checked before anything computes.
            low, high = int(indices.min()), int(indices.max())
            if low < 0 or high >= self.n_features:
                wrong = low if low < 0 else high
                entry = int(indptr[0]) + int(np.argmax(indices == wrong))
                row = start + int(np.searchsorted(indptr, entry, "right")) - 1
                raise DataError(
                    f"{self.path}: X/indices, row {row}: column {wrong} of {self.n_features}"
                )
        self._fill(data, self.values, int(indptr[0]), rows)

    def read_dense(self, start: int, out: Array) -> None:
        """Fill ``out`` (n_rows, n_features) with the rows from ``start`` on."""
        self._fill(out, self.values, start, f"rows {start} to {start + len(out) - 1}")
        if self.scale is not None:
            out *= out.dtype.type(self.scale)

    def read_y(self, start: int, out: Array) -> None:
        """Fill ``out`` (n_rows,) with y from ``start`` on; labels are checked to be in range."""
        self._fill(out, self.y, start, f"rows {start} to {start + len(out) - 1}")
        if self.meta.task != "regression":
            wrong = (out < 0) | (out >= self.meta.n_classes)
            if wrong.any():
                row = int(np.argmax(wrong))
                raise DataError(
                    f"{self.path}: y, row {start + row}: label {out[row]} is not one of 0 to "
                    f"{self.meta.n_classes - 1}"
                )

    def close(self) -> None:
        """Close the file; closing twice does nothing."""
        self.file.close()
