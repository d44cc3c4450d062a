"""The rows of one HDF5 file: shapes checked when it is opened, row ranges read in bounded memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from ..errors import DataError
from .layout import STORED_DTYPES, open_file, read_meta, reason

Array = npt.NDArray[Any]


def _dataset(parent: h5py.Group, name: str, path: Path, n_dimensions: int) -> h5py.Dataset:
    dataset = parent.get(name)
    label = f"{parent.name.strip('/')}/{name}".lstrip("/")
    if not isinstance(dataset, h5py.Dataset):
        raise DataError(f"{path}: {label} is not there or no dataset")
    if dataset.ndim != n_dimensions:
        raise DataError(f"{path}: {label} has {dataset.ndim} dimensions, not {n_dimensions}")
    return dataset


def _kind(dataset: h5py.Dataset, path: Path, allowed: str) -> None:
    if dataset.dtype.kind not in allowed:
        wanted = " or ".join({"i": "integer", "u": "unsigned", "f": "float"}[k] for k in allowed)
        name = dataset.name.lstrip("/")
        raise DataError(f"{path}: {name} holds {dataset.dtype}, wants {wanted} numbers")


class RowFile:
    """One open file with its ``X`` (dense or CSR) and ``y``.

    Attributes: ``n_samples``, ``n_features``, ``sparse``, ``stored`` (the dtype in the file), ``dtype``
    (what `read` gives unless asked otherwise), ``scale`` (None or the factor for integers), ``meta``.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = open_file(path)
        try:
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
        self.sparse = isinstance(file["X"], h5py.Group)
        values = self._open_csr(file["X"]) if self.sparse else self._open_dense()
        self.values = values
        self.stored = values.dtype.newbyteorder("=")
        if self.stored.name not in STORED_DTYPES:
            raise DataError(f"{path}: X holds {self.stored}, wants {', '.join(STORED_DTYPES)}")
        self.dtype = np.dtype(np.float32) if self.stored.kind in "iu" else self.stored
        scale = file["X"].attrs.get("scale")
        if scale is not None and not (
            isinstance(scale, (int, float, np.number)) and np.isfinite(scale) and scale != 0
        ):
            raise DataError(f"{path}: attribute 'scale' of X must be a number, got {scale!r}")
        self.scale = None if scale is None else float(scale)

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

    def _get(self, dataset: h5py.Dataset, start: int, stop: int, rows: str, dtype: Any) -> Array:
        """Read ``dataset[start:stop]`` as ``dtype``; HDF5 converts on the way, so nothing is held twice."""
        out = np.empty((stop - start, *dataset.shape[1:]), dtype)
        if out.size == 0:
            return out
        try:
            dataset.read_direct(out, np.s_[start:stop])
        except (OSError, RuntimeError) as error:
            name = dataset.name.lstrip("/")
            raise DataError(
                f"{self.path}: {name}, {rows}: cannot be read: {reason(error)}"
            ) from error
        return out

    def n_stored(self, start: int, stop: int) -> int:
        """Return how many entries of a sparse X the rows ``start`` to ``stop`` hold."""
        return int(self.indptr[stop]) - int(self.indptr[start])

    def read_stored(self, start: int, stop: int) -> tuple[tuple[Array, ...], Array]:
        """Return rows as they stand in the file: ``(X,)`` or ``(lengths, indices, data)``, and ``y``."""
        rows = f"rows {start} to {stop - 1}"
        y = self._get(self.y, start, stop, rows, self.y.dtype.newbyteorder("="))
        if not self.sparse:
            return (self._get(self.values, start, stop, rows, self.stored),), y
        lengths, indices, data = self._read_csr(start, stop, rows, self.stored)
        return (lengths, indices, data), y

    def _read_csr(self, start: int, stop: int, rows: str, dtype: Any) -> tuple[Array, Array, Array]:
        indptr = self._get(self.indptr, start, stop + 1, rows, np.int64)
        lengths = np.diff(indptr)
        first, last = int(indptr[0]), int(indptr[-1])
        if first < 0 or last > len(self.values) or (lengths < 0).any():
            raise DataError(
                f"{self.path}: X/indptr, {rows}: does not rise from 0 to {len(self.values)}"
            )
        index = self.indices.dtype.newbyteorder("=")
        indices = self._get(self.indices, first, last, rows, index)
        if indices.size:
            # The compiled kernels trust these numbers, so they are checked before anything computes.
            low, high = int(indices.min()), int(indices.max())
            if low < 0 or high >= self.n_features:
                wrong = low if low < 0 else high
                row = start + int(
                    np.searchsorted(np.cumsum(lengths), np.argmax(indices == wrong), "right")
                )
                raise DataError(
                    f"{self.path}: X/indices, row {row}: column {wrong} of {self.n_features}"
                )
        return lengths, indices, self._get(self.values, first, last, rows, dtype)

    def read(self, start: int, stop: int, dtype: Any) -> tuple[Any, Array]:
        """Return ``(X, y)`` of rows ``start`` to ``stop``, X an array or a ``scipy.sparse.csr_array``."""
        rows = f"rows {start} to {stop - 1}"
        y = self.read_y(start, stop, dtype)
        if not self.sparse:
            X = self._get(self.values, start, stop, rows, dtype)
            if self.scale is not None:
                X *= X.dtype.type(self.scale)
            return X, y
        from scipy.sparse import csr_array

        lengths, indices, data = self._read_csr(start, stop, rows, dtype)
        if self.scale is not None:
            data *= data.dtype.type(self.scale)
        # scipy wants one index type for both arrays; 32 bits wherever they suffice.
        wide = max(data.size, self.n_features) > np.iinfo(np.int32).max
        index = np.dtype(np.int64 if wide else np.int32)
        indptr = np.zeros(stop - start + 1, index)
        np.cumsum(lengths, out=indptr[1:])
        indices = indices.astype(index, copy=False)
        return csr_array((data, indices, indptr), shape=(stop - start, self.n_features)), y

    def read_y(self, start: int, stop: int, dtype: Any = np.float64) -> Array:
        """Return y of the rows: ``dtype`` for regression, else int64 labels, known to be in range."""
        rows = f"rows {start} to {stop - 1}"
        if self.meta.task == "regression":
            return self._get(self.y, start, stop, rows, dtype)
        y = self._get(self.y, start, stop, rows, np.int64)
        wrong = (y < 0) | (y >= self.meta.n_classes)
        if wrong.any():
            row = int(np.argmax(wrong))
            raise DataError(
                f"{self.path}: y, row {start + row}: label {y[row]} is not one of 0 to "
                f"{self.meta.n_classes - 1}"
            )
        return y

    def close(self) -> None:
        """Close the file; closing twice does nothing."""
        self.file.close()
