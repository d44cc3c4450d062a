"""The rows of blocks, kept in memory as far as they may be and read again where not."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..datasets import Dataset
from ..problems import Rows
from .chunks import picked
from .partition import Partition

_CHUNK_BYTES = 32 << 20


class Cancelled(Exception):
    """Nobody wants the rows any more."""


class Blocks:
    """Gives the training rows of a block, or some of them, in chunks.

    A block is kept once read while all kept ones together stay below ``memory_bytes``; another one
    is read from the file each time, in chunks of bounded size.

    beside    : another store; for as long as that is needed, what it keeps counts too
    cancelled : asked while rows are read; where it says True, `Cancelled` is raised
    """

    def __init__(
        self,
        dataset: Dataset,
        partition: Partition,
        dtype: np.dtype[Any],
        memory_bytes: float,
        beside: Blocks | None = None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> None:
        self._dataset = dataset
        self._partition = partition
        self._dtype = dtype
        self._memory_bytes = memory_bytes
        self._kept: dict[int, Rows] = {}
        self._derived: dict[tuple[int, bytes], Any] = {}
        self._n_bytes = 0
        self._cancelled = cancelled
        # weakly: so a store that is let go of gives its room back
        self._stores: weakref.WeakSet[Blocks] = beside._stores if beside else weakref.WeakSet()
        self._stores.add(self)

    def rows(self, block: int, slots: NDArray[np.int64] | None = None) -> Iterator[Rows]:
        """Yield the block's training rows in order.

        slots : numbers of the rows wanted, counted within the block, ascending; None: all of them
        """
        kept = self._kept.get(block)
        if kept is None and self._fits(block):
            kept = self._keep(block)
        if kept is not None:
            yield kept if slots is None else Rows(kept.X[slots], kept.y[slots])
        else:
            yield from picked(self._read(block), slots)

    def derived(self, block: int, key: bytes, derive: Callable[[Rows], Any]) -> Any:
        """Return what ``derive`` makes of a block's rows, an array, a tuple of some or None.

        It is made once, for each key, and kept as the rows are. None where the block is not kept,
        or there is no room beside it.
        """
        rows = self._kept.get(block)
        if rows is None:
            return None
        if (block, key) not in self._derived:
            made = derive(rows)
            arrays = made if isinstance(made, tuple) else () if made is None else (made,)
            fits = self.reserve(sum(array.nbytes for array in arrays))
            self._derived[block, key] = made if fits else None
        return self._derived[block, key]

    def reserve(self, n_bytes: int) -> bool:
        """Take room for something beside the blocks, until `release`; False where there is none."""
        fits = n_bytes <= self.room
        if fits:
            self._n_bytes += n_bytes
        return fits

    def release(self, n_bytes: int) -> None:
        """Give back room."""
        self._n_bytes -= n_bytes

    def bytes_of(self, rows: Rows) -> int:
        """Return what it takes to hold on to rows that `rows` gave; nothing if they are kept."""
        return 0 if any(kept is rows for kept in self._kept.values()) else _bytes(rows)

    def again(self) -> Blocks:
        """Return a store of the same rows, of which nothing is derived yet; they count there now.

        What was derived here goes with this store.
        """
        other = Blocks(
            self._dataset, self._partition, self._dtype, self._memory_bytes, self, self._cancelled
        )
        other._kept = self._kept
        other._n_bytes = sum(map(_bytes, self._kept.values()))
        self._n_bytes -= other._n_bytes
        return other

    def preload(self, blocks: NDArray[np.intp]) -> None:
        """Read what may be kept of ``blocks``, so that the first iteration need not."""
        for block in blocks.tolist():
            if block not in self._kept and self._fits(block):
                self._keep(block)

    @property
    def room(self) -> float:
        """Bytes that may still be taken."""
        return self._memory_bytes - sum(store._n_bytes for store in tuple(self._stores))

    def _fits(self, block: int) -> bool:
        if self._dataset.sparse:
            start, stop = self._partition.extent(block)
            return self._dataset.nbytes(start, stop, self._dtype) <= self.room
        row_bytes = (self._dataset.n_features + 1) * self._dtype.itemsize
        return bool(self._partition.sizes[block] * row_bytes <= self.room)

    def _keep(self, block: int) -> Rows:
        chunks = list(self._read(block))
        rows = chunks[0] if len(chunks) == 1 else _join(chunks)
        self._n_bytes += _bytes(rows)
        self._kept[block] = rows
        return rows

    def _read(self, block: int) -> Iterator[Rows]:
        start, stop = self._partition.extent(block)
        step = chunk_rows(self._dataset, start, stop, self._dtype)
        for first in range(start, stop, step):
            if self._cancelled():
                raise Cancelled
            last = min(first + step, stop)
            X, y = self._dataset.read(first, last, self._dtype)
            train = ~self._partition.aside(first, last)
            if train.all():
                yield Rows(X, y)
            elif train.any():
                yield Rows(X[train], y[train])


def held_out(dataset: Dataset, partition: Partition, dtype: np.dtype[Any]) -> Iterator[Rows]:
    """Yield the rows that the partition keeps aside, in chunks."""
    step = chunk_rows(dataset, 0, dataset.n_samples, dtype)
    for first in range(0, dataset.n_samples, step):
        last = min(first + step, dataset.n_samples)
        aside = partition.aside(first, last)
        if aside.any():
            X, y = dataset.read(first, last, dtype)
            yield Rows(X[aside], y[aside])


def all_rows(dataset: Dataset, dtype: np.dtype[Any]) -> Iterator[Rows]:
    """Yield every row of a dataset, in chunks."""
    step = chunk_rows(dataset, 0, dataset.n_samples, dtype)
    for first in range(0, dataset.n_samples, step):
        yield Rows(*dataset.read(first, min(first + step, dataset.n_samples), dtype))


def chunk_rows(dataset: Dataset, start: int, stop: int, dtype: np.dtype[Any]) -> int:
    """Return how many rows at a time keep a chunk near 32 MB."""
    per_row = max(1.0, dataset.nbytes(start, stop, dtype) / max(1, stop - start))
    return max(1, int(_CHUNK_BYTES / per_row))


def _join(chunks: list[Rows]) -> Rows:
    y = np.concatenate([chunk.y for chunk in chunks])
    if isinstance(chunks[0].X, np.ndarray):
        return Rows(np.concatenate([chunk.X for chunk in chunks]), y)
    from scipy.sparse import csr_array, vstack

    parts = [chunk.X for chunk in chunks if isinstance(chunk.X, csr_array)]
    return Rows(vstack(parts, format="csr"), y)


def _bytes(rows: Rows) -> int:
    X = rows.X
    if isinstance(X, np.ndarray):
        return int(X.nbytes + rows.y.nbytes)
    return int(X.data.nbytes + X.indices.nbytes + X.indptr.nbytes + rows.y.nbytes)
