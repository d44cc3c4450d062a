"""Reading a dataset: what it is, and any range of its rows."""

from __future__ import annotations

import hashlib
import os
from bisect import bisect_right
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import DataError
from ..hdf5 import reading
from .rows import RowFile
from .shards import Shard, shards_of

OPEN_SHARDS = 8
SAMPLED_ROWS = 16


class Dataset:
    """A dataset file, or the shards that one joins, open for reading.

    ``n_samples``, ``n_features``, ``task``, ``n_classes`` and ``sparse`` are as in
    `mpicode.datasets.layout`; ``dtype`` is what `read` gives unless asked otherwise: the ``stored``
    type, float32 for stored integers, which ``scale`` multiplies; ``meta`` are all attributes.

    A sharded dataset is read from its shards, not through the virtual datasets: HDF5 answers for a
    shard that is missing or damaged with fill values and no error.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._head = RowFile(self.path)
        head = self._head
        self.meta, self.scale = head.meta, head.scale
        self.n_samples, self.n_features = head.n_samples, head.n_features
        self.task, self.n_classes = head.meta.task, head.meta.n_classes
        self.sparse, self.dtype, self.stored = head.sparse, head.dtype, head.stored
        self._open: dict[int, RowFile] = {}
        try:
            self.shards: list[Shard] = shards_of(head)
        except BaseException:
            head.close()
            raise
        self._starts = [shard.start for shard in self.shards]

    @property
    def n_stored(self) -> int:
        """How many values of X the file holds: the nonzeros of CSR data."""
        return int(self._head.values.size)

    def read(self, start: int, stop: int, dtype: Any = None) -> tuple[Any, npt.NDArray[Any]]:
        """Return ``(X, y)`` of the rows ``start <= row < stop``; only these are read.

        X is (stop - start, n_features), an array or a ``scipy.sparse.csr_array``, of ``dtype``
        (float32 or float64). y is of ``dtype`` for regression, int64 labels otherwise. Raises
        `DataError` naming file, array and rows for what cannot be read or is out of range.
        """
        self._check_range(start, stop)
        dtype = self.dtype if dtype is None else np.dtype(dtype)
        if dtype.name not in ("float32", "float64"):
            raise DataError(f"{self.path}: rows are read as float32 or float64, not {dtype}")
        ranges = self.ranges(start, stop)
        y = self._read_y(ranges, stop - start, dtype)
        if self.sparse:
            return self._read_csr(ranges, stop - start, dtype), y
        X = np.empty((stop - start, self.n_features), dtype)
        self._read_dense(ranges, X)
        return X, y

    def read_into(self, X: npt.NDArray[Any], start: int) -> npt.NDArray[Any]:
        """Fill X, (n, n_features) of ``read``'s types, with dense rows; return their y, (n,)."""
        stop = start + len(X)
        self._check_range(start, stop)
        ranges = self.ranges(start, stop)
        self._read_dense(ranges, X)
        return self._read_y(ranges, len(X), X.dtype)

    def _read_dense(self, ranges: list[tuple[int, int, int]], X: npt.NDArray[Any]) -> None:
        at = 0
        for number, a, b in ranges:
            self.part(number).read_dense(a, X[at : at + b - a])
            at += b - a

    def labels(self, start: int, stop: int) -> npt.NDArray[Any]:
        """Return y of the rows ``start <= row < stop``, in double precision, without reading X."""
        self._check_range(start, stop)
        return self._read_y(self.ranges(start, stop), stop - start, np.float64)

    def _read_y(
        self, ranges: list[tuple[int, int, int]], n_rows: int, dtype: Any
    ) -> npt.NDArray[Any]:
        y = np.empty(n_rows, dtype if self.task == "regression" else np.int64)
        at = 0
        for number, a, b in ranges:
            self.part(number).read_y(a, y[at : at + b - a])
            at += b - a
        return y

    def _read_csr(self, ranges: list[tuple[int, int, int]], n_rows: int, dtype: Any) -> Any:
        from scipy.sparse import csr_array

        spans = [self.part(number).read_indptr(a, b) for number, a, b in ranges]
        n_entries = sum(int(span[-1] - span[0]) for span in spans)
        # scipy wants one index type for both arrays; 32 bits wherever they suffice.
        wide = max(n_entries, self.n_features) > np.iinfo(np.int32).max
        index = np.dtype(np.int64 if wide else np.int32)
        indptr = np.zeros(n_rows + 1, index)
        indices, data = np.empty(n_entries, index), np.empty(n_entries, dtype)
        row = at = 0
        for (number, a, b), span in zip(ranges, spans, strict=True):
            end = at + int(span[-1] - span[0])
            self.part(number).read_entries(span, a, indices[at:end], data[at:end])
            indptr[row + 1 : row + b - a + 1] = span[1:] - span[0] + at
            row, at = row + b - a, end
        return csr_array((data, indices, indptr), shape=(n_rows, self.n_features))

    def nbytes(self, start: int, stop: int, dtype: Any = None) -> int:
        """Return the memory that `read` gives for these rows, in bytes."""
        self._check_range(start, stop)
        itemsize = (self.dtype if dtype is None else np.dtype(dtype)).itemsize
        n_rows = stop - start
        if not self.sparse:
            return n_rows * (self.n_features * itemsize + 8)
        stored = sum(self.part(i).n_stored(a, b) for i, a, b in self.ranges(start, stop))
        return n_rows * 16 + stored * (itemsize + 4)

    def _check_range(self, start: int, stop: int) -> None:
        if not 0 <= start <= stop <= self.n_samples:
            raise DataError(
                f"{self.path}: rows {start} to {stop - 1} asked for, the file has rows 0 to "
                f"{self.n_samples - 1}"
            )

    def ranges(self, start: int, stop: int) -> list[tuple[int, int, int]]:
        """Return which files hold the rows: (number for `part`, start, stop in that file)."""
        if not self.shards:
            return [(0, start, stop)]
        found = []
        first = max(bisect_right(self._starts, start) - 1, 0)
        for number, shard in enumerate(self.shards[first:], start=first):
            if shard.start >= stop:
                break
            low, high = max(start, shard.start), min(stop, shard.stop)
            found.append((number, low - shard.start, high - shard.start))
        return found

    def part(self, number: int) -> RowFile:
        """Return an open shard, or the file itself where there are none.

        Few shards are kept open, so the next call may close what this one returned.
        """
        if not self.shards:
            return self._head
        if number not in self._open:
            if len(self._open) >= OPEN_SHARDS:
                self._open.pop(next(iter(self._open))).close()
            shard = self.shards[number]
            part = RowFile(shard.path)
            if part.virtual:
                part.close()
                raise DataError(f"{shard.path}: a shard of {self.path} that joins others itself")
            for name, ours, theirs in (
                ("rows", shard.stop - shard.start, part.n_samples),
                ("features", self.n_features, part.n_features),
                ("stored type", self.stored, part.stored),
                ("scale", self.scale, part.scale),
                ("task", self.task, part.meta.task),
                ("classes", self.n_classes, part.meta.n_classes),
            ):
                if ours != theirs:
                    part.close()
                    raise DataError(f"{shard.path}: {name} {theirs}, but {self.path} says {ours}")
            self._open[number] = part
        return self._open[number]

    @property
    def answer(self) -> npt.NDArray[Any] | None:
        """The parameters (n_features,) a synthetic dataset was made with, else None."""
        with reading(self.path, "answer"):
            return self._head.file["answer"][:] if "answer" in self._head.file else None

    @property
    def fingerprint(self) -> str:
        """SHA-256 of what the dataset is, so that a resumed run can tell that it is the same one.

        It covers the shape, types, task and the hash of the rows stored when they were written;
        in a file without that hash all of y and a few rows of X stand in for it. It is the same
        for a single file and for shards of the same rows, wherever they lie.
        """
        content = self.meta.content or self._sampled_content()
        what = (self.task, self.n_classes, self.n_samples, self.n_features)
        facts = (*what, self.sparse, self.stored.name, self.scale, content)
        return hashlib.sha256(repr(facts).encode()).hexdigest()

    def _sampled_content(self) -> str:
        sample = hashlib.sha256()
        for row in np.unique(np.linspace(0, self.n_samples - 1, SAMPLED_ROWS).astype(int)):
            for number, a, b in self.ranges(int(row), int(row) + 1):
                for array in self.part(number).read_stored(a, b)[0]:
                    sample.update(array.data)
        everything = self.ranges(0, self.n_samples)
        sample.update(self._read_y(everything, self.n_samples, np.float64).data)
        return sample.hexdigest()

    def close(self) -> None:
        """Close the files; closing twice does nothing."""
        for part in self._open.values():
            part.close()
        self._open.clear()
        self._head.close()

    def __enter__(self) -> Dataset:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def open_dataset(path: str | os.PathLike[str]) -> Dataset:
    """Open a dataset file to read; raise `DataError` if it is damaged or lacks a shard."""
    return Dataset(path)
