"""NumPy's npy and npz, read as streams and never unpickled; CSR matrices as scipy saves them.

Format: numpy.lib.format. An npz is a zip archive of npy members, so a packed member streams too.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tokenize import TokenError
from typing import Any, BinaryIO, cast

import numpy as np
import numpy.typing as npt

from ...errors import DataError
from ..progress import Progress
from .arrays import ArraySource, StreamArray, see_labels
from .labels import Labels
from .source import Source
from .stream import BLOCK_BYTES, naming, opened

Array = npt.NDArray[Any]

# What numpy raises on a damaged header or member, beside what `naming` knows.
_NO_ARRAYS = (ValueError, TokenError, RecursionError, MemoryError, KeyError)
# What scipy saves of a matrix beside its entries: kinds of dtype, and dimensions.
_SMALL = {"format": ("SU", 0), "shape": ("iu", 1), "indptr": ("iu", 1)}


def _header(stream: BinaryIO, name: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Read the header of an npy stream: shape, whether by columns, dtype."""
    try:
        major, _ = np.lib.format.read_magic(stream)
        if major == 1:
            header = np.lib.format.read_array_header_1_0(stream)
        else:
            header = np.lib.format.read_array_header_2_0(stream)
    except _NO_ARRAYS as error:
        raise DataError(f"{name}: not a npy file: {error}") from error
    if header[2].hasobject:
        raise DataError(f"{name}: holds pickled Python objects, which are never loaded")
    return header


class _ColumnMajor(StreamArray):
    """A npy file stored by columns, read by rows through a memory map."""

    def blocks(self, n_rows: int) -> Iterator[Array]:
        """Yield the rows, ``n_rows`` at a time."""
        with naming(self.path):
            try:
                array = np.load(self.path, mmap_mode="r", allow_pickle=False)
            except ValueError as error:
                raise DataError(f"{self.path}: cut short: {error}") from error
            for start in range(0, self.shape[0], n_rows):
                yield np.ascontiguousarray(array[start : start + n_rows])


def npy_array(path: Path) -> StreamArray:
    """Return the array of a npy file."""

    @contextmanager
    def data() -> Iterator[BinaryIO]:
        with opened(path) as file:
            _header(file.stream, str(path))
            yield file.stream

    with opened(path) as file:
        shape, by_columns, dtype = _header(file.stream, str(path))
    by_columns = by_columns and len(shape) > 1
    return (_ColumnMajor if by_columns else StreamArray)(path, data, shape, dtype)


def npz_array(path: Path, key: str) -> StreamArray:
    """Return the array ``key`` of a npz file."""

    @contextmanager
    def data() -> Iterator[BinaryIO]:
        with naming(path), zipfile.ZipFile(path) as archive, archive.open(f"{key}.npy") as member:
            stream = cast(BinaryIO, member)
            _header(stream, f"{path}: {key}")
            yield stream

    keys = npz_keys(path)
    if key not in keys:
        raise DataError(f"{path}: no array {key!r} in it; it has {', '.join(keys)}")
    with naming(path), zipfile.ZipFile(path) as archive, archive.open(f"{key}.npy") as member:
        shape, by_columns, dtype = _header(cast(BinaryIO, member), f"{path}: {key}")
    if by_columns and len(shape) > 1:
        raise DataError(
            f"{path}: {key} is stored by columns; save it with numpy.ascontiguousarray({key})"
        )
    return StreamArray(path, data, shape, dtype)


def npz_keys(path: Path) -> list[str]:
    """Return the names of the arrays in a npz file."""
    with naming(path), zipfile.ZipFile(path) as archive:
        return [name.removesuffix(".npy") for name in archive.namelist()]


def array_source(
    paths: list[Path], labels: Labels, x_key: str, y_key: str
) -> ArraySource | CsrSource:
    """Import npy and npz: one npz with both arrays, or features and labels in a file each."""
    features, label_path = paths[0], paths[-1]
    packed = label_path.suffix == ".npz"
    y = npz_array(label_path, y_key) if packed else npy_array(label_path)
    if features.suffix == ".npz":
        if {"data", "indices", "indptr", "shape"} <= set(npz_keys(features)):
            return CsrSource(features, y, labels)
        return ArraySource(npz_array(features, x_key), y, labels, None)
    return ArraySource(npy_array(features), y, labels, None)


class CsrSource(Source):
    """A CSR matrix saved by ``scipy.sparse.save_npz``, labels from another array."""

    sparse = True

    def __init__(self, path: Path, y: StreamArray, labels: Labels) -> None:
        self.path, self.y, self.labels = path, y, labels
        small: dict[str, Array] = {}
        with naming(path):
            try:
                with np.load(path, allow_pickle=False) as archive:
                    for key in _SMALL:
                        if key in archive:
                            small[key] = archive[key]
            except _NO_ARRAYS as error:
                raise DataError(f"{path}: not a sparse matrix of scipy: {error}") from error
        for key, found in small.items():
            kinds, ndim = _SMALL[key]
            # a member that does not begin like an array comes as its bytes
            if not isinstance(found, np.ndarray) or found.dtype.kind not in kinds:
                raise DataError(f"{path}: {key} is no array as scipy saves it")
            if found.ndim != ndim or (key == "shape" and found.size != 2):
                raise DataError(f"{path}: {key} has shape {found.shape}, not that of a matrix's")
        kind = small.get("format", np.array(b"csr")).item()
        if kind not in (b"csr", "csr"):
            raise DataError(
                f"{path}: the sparse matrix is {kind!r}, wants csr; save it with .tocsr()"
            )
        self.n_samples, self.n_features = (int(n) for n in small["shape"])
        self.indptr = small["indptr"].astype(np.int64)
        if len(self.indptr) != self.n_samples + 1 or (np.diff(self.indptr) < 0).any():
            raise DataError(f"{path}: indptr does not fit {self.n_samples} rows")
        if y.shape[0] != self.n_samples:
            raise DataError(f"{path}: {self.n_samples} rows, but {y.path} has {y.shape[0]} labels")
        self.data, self.indices = npz_array(path, "data"), npz_array(path, "indices")
        for name, array in (("data", self.data), ("indices", self.indices)):
            if array.shape != (self.indptr[-1],):
                raise DataError(
                    f"{path}: {name} has {array.shape[0]} entries, indptr says {self.indptr[-1]}"
                )
        name = self.data.dtype.newbyteorder("=").name
        self.dtype = name if name in ("float32", "float64") else "float64"
        see_labels(y, labels)

    @property
    def n_bytes(self) -> int:
        """Values and column numbers."""
        return int(self.indptr[-1]) * (self.data.dtype.itemsize + self.indices.dtype.itemsize)

    def blocks(self) -> Iterator[tuple[Any, Array]]:
        """Yield rows whose entries fill one block of the archive at a time."""
        from scipy.sparse import csr_array

        data, indices = _Reader(self.data), _Reader(self.indices)
        per_row = max(int(self.indptr[-1]) // self.n_samples, 1)
        n_rows = max(BLOCK_BYTES // (16 * per_row), 1)
        row = 0
        with Progress(self.path.name, self.n_samples, "rows") as progress:
            for y in self.y.blocks(n_rows):
                indptr = self.indptr[row : row + len(y) + 1]
                count = int(indptr[-1] - indptr[0])
                columns = indices.take(count)
                if count and not 0 <= columns.min() <= columns.max() < self.n_features:
                    raise DataError(
                        f"{self.path}: rows {row} to {row + len(y) - 1}: a column number is not in "
                        f"0 to {self.n_features - 1}"
                    )
                parts = (data.take(count), columns, indptr - indptr[0])
                X = csr_array(parts, shape=(len(y), self.n_features))
                yield X, self.labels.apply(y.reshape(-1))
                progress.at(row := row + len(y))


class _Reader:
    """Takes as many entries as asked from an array that comes in blocks."""

    def __init__(self, array: StreamArray) -> None:
        self._blocks = array.blocks(max(BLOCK_BYTES // array.dtype.itemsize, 1))
        self._rest: Array = np.empty(0, array.dtype)

    def take(self, count: int) -> Array:
        parts, missing = [], count
        while missing > len(self._rest):
            parts.append(self._rest)
            missing -= len(self._rest)
            self._rest = next(self._blocks)
        parts.append(self._rest[:missing])
        self._rest = self._rest[missing:]
        return np.concatenate(parts)
