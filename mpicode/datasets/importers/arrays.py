"""Arrays stored row by row in a stream, as IDX, npy and npz have them, read a block at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from ...errors import DataError
from ..layout import STORED_DTYPES
from ..progress import Progress
from .labels import Labels
from .source import Source
from .stream import BLOCK_BYTES, naming

Array = npt.NDArray[Any]


class StreamArray:
    """An array of ``shape`` and ``dtype`` in C order.

    ``open_data`` gives a stream that stands at the first byte of the data.
    """

    def __init__(
        self,
        path: Path,
        open_data: Callable[[], AbstractContextManager[BinaryIO]],
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
    ) -> None:
        self.path, self.shape, self.dtype = path, shape, dtype
        self._open_data = open_data
        if not shape:
            raise DataError(f"{path}: holds a single value, not an array")
        if dtype.kind not in "fiub":
            raise DataError(f"{path}: holds {dtype}, not real numbers")

    def blocks(self, n_rows: int) -> Iterator[Array]:
        """Yield the rows, ``n_rows`` at a time."""
        row_bytes = int(np.prod(self.shape[1:])) * self.dtype.itemsize
        with naming(self.path), self._open_data() as stream:
            for start in range(0, self.shape[0], n_rows):
                n = min(n_rows, self.shape[0] - start)
                data = stream.read(n * row_bytes)
                if len(data) < n * row_bytes:
                    row = start + len(data) // max(row_bytes, 1)
                    raise DataError(f"{self.path}: cut short: ends in row {row} of {self.shape[0]}")
                yield np.frombuffer(data, self.dtype).reshape(n, *self.shape[1:])


class ArraySource(Source):
    """Features from one array, labels from another; images are flattened to rows."""

    sparse = False

    def __init__(self, X: StreamArray, y: StreamArray, labels: Labels, scale: float | None) -> None:
        if len(y.shape) > 2 or (len(y.shape) == 2 and y.shape[1] != 1):
            raise DataError(f"{y.path}: labels have shape {y.shape}, one number a row was due")
        if X.shape[0] != y.shape[0]:
            raise DataError(f"{X.path}: {X.shape[0]} rows, but {y.path} has {y.shape[0]} labels")
        self.X, self.y, self.labels = X, y, labels
        self.n_samples, self.n_features = X.shape[0], int(np.prod(X.shape[1:]))
        name = X.dtype.newbyteorder("=").name
        self.dtype = name if name in STORED_DTYPES else "float64"
        self.scale = scale if self.dtype == "uint8" else None
        see_labels(y, labels)

    @property
    def n_bytes(self) -> int:
        """What the features take as they are."""
        return self.n_samples * self.n_features * self.X.dtype.itemsize

    def blocks(self) -> Iterator[tuple[Array, Array]]:
        """Yield the rows of both arrays side by side."""
        n_rows = max(BLOCK_BYTES // max(self.n_features * self.X.dtype.itemsize, 1), 1)
        with Progress(self.X.path.name, self.n_samples, "rows") as progress:
            done = 0
            for X, y in zip(self.X.blocks(n_rows), self.y.blocks(n_rows), strict=True):
                yield X.reshape(len(y), self.n_features), self.labels.apply(y.reshape(-1))
                progress.at(done := done + len(y))


def see_labels(y: StreamArray, labels: Labels) -> None:
    """Look through all labels, so that classes are known before the first row is written."""
    for block in y.blocks(BLOCK_BYTES // y.dtype.itemsize):
        labels.see(np.unique(block).tolist(), str(y.path))
    labels.settle(str(y.path))
