"""The coded block of one worker, as a problem takes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError
from ..problems import Problem, Rows
from .chunks import picked

_CHUNK_BYTES = 32 << 20


class Source(Protocol):
    """A coded block, wherever it comes from."""

    n_slots: int
    n_features: int

    def read(self, start: int, stop: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return X, (slots, n_features), and label columns Y, (slots, n_columns), of some slots."""


class Labelled(Protocol):
    """What labels are of."""

    task: str
    n_classes: int


def label_columns(y: NDArray[Any], of: Labelled) -> NDArray[np.float64]:
    """Return labels as columns of numbers, (n_rows, n_columns), which can be combined.

    The number itself for regression, -1 and 1 for two classes, else a 1 in the column of the class.
    """
    if of.task == "multiclass":
        one_hot: NDArray[np.float64] = np.eye(of.n_classes)[y]
        return one_hot
    numbers: NDArray[np.float64] = (y if of.task == "regression" else 2 * y - 1).astype(np.float64)
    return numbers[:, np.newaxis]


def soft_labels(columns: NDArray[Any], problem: Problem) -> NDArray[Any]:
    """Return combined label columns as the problem takes them; see `mpicode.problems.Rows`."""
    if problem.task == "multiclass":
        if problem.n_outputs != columns.shape[1]:
            raise ConfigError(
                f"problem.name: {problem.name!r} takes soft labels of {problem.n_outputs} outputs, "
                f"coded labels have {columns.shape[1]} columns"
            )
        return columns
    if problem.task == "regression":
        return np.ascontiguousarray(columns[:, 0])
    # of -1 and 1: how often, of the one time it counts, a row counts as class 1
    positive = (columns[:, 0] + 1) / 2
    return positive if problem.n_outputs == 1 else np.stack([1 - positive, positive], axis=1)


class CodedRows:
    """Gives the rows of a coded block in chunks.

    The block is kept once read if it stays below ``memory_bytes``; else it is read, or combined,
    again each time.

    labels : makes of label columns what the rows have as ``y``
    dtype  : of the rows
    """

    def __init__(
        self,
        source: Source,
        labels: Callable[[NDArray[Any]], NDArray[Any]],
        dtype: np.dtype[Any],
        memory_bytes: float,
    ) -> None:
        self._source = source
        self._labels = labels
        self._dtype = dtype
        row_bytes = dtype.itemsize * (source.n_features + 1)
        self._step = max(1, int(_CHUNK_BYTES // row_bytes))
        self._kept: Rows | None = None
        if source.n_slots * row_bytes <= memory_bytes:
            chunks = list(self._read())
            self._kept = chunks[0] if len(chunks) == 1 else _join(chunks)

    def rows(self, slots: NDArray[np.int64] | None = None) -> Iterator[Rows]:
        """Yield the rows of ``slots``, ascending; None: of all."""
        if self._kept is not None:
            kept = self._kept
            yield kept if slots is None else Rows(kept.X[slots], kept.y[slots])
        else:
            yield from picked(self._read(), slots)

    def _read(self) -> Iterator[Rows]:
        n_slots, dtype = self._source.n_slots, self._dtype
        for start in range(0, n_slots, self._step):
            X, Y = self._source.read(start, min(start + self._step, n_slots))
            yield Rows(X.astype(dtype, copy=False), self._labels(Y.astype(dtype, copy=False)))


def _join(chunks: list[Rows]) -> Rows:
    return Rows(
        np.concatenate([chunk.X for chunk in chunks]), np.concatenate([chunk.y for chunk in chunks])
    )
