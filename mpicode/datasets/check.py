"""Reading every row of a dataset, to say where it is not what it should be."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import DataError
from .content import ContentHash
from .progress import Progress
from .reader import Dataset, open_dataset
from .rows import RowFile

Array = npt.NDArray[Any]

BLOCK_BYTES = 1 << 23
MOST_PROBLEMS = 20


def check_dataset(path: str | os.PathLike[str]) -> list[str]:
    """Return what is wrong with a dataset file or its shards, at most `MOST_PROBLEMS` lines.

    Each line names the file (of a sharded dataset the shard), the row in it, from 0, and the
    column. Raises `DataError` where the file cannot be opened at all.
    """
    with (
        open_dataset(path) as dataset,
        Progress(f"checking {dataset.path.name}", dataset.n_samples, "rows") as progress,
    ):
        return _Check(dataset, progress).run()


class _Check:
    """One walk over all rows."""

    def __init__(self, dataset: Dataset, progress: Progress) -> None:
        self.dataset, self.progress = dataset, progress
        self.problems: list[str] = []
        self.whole = ContentHash(dataset.sparse)
        self.unread = False
        self.done = 0

    def run(self) -> list[str]:
        dataset = self.dataset
        for number, _, n_rows in dataset.ranges(0, dataset.n_samples):
            try:
                part = dataset.part(number)
            except DataError as error:
                self._say(str(error))
                self.unread = True
                continue
            self._part(part, n_rows)
            if len(self.problems) >= MOST_PROBLEMS:
                return self.problems[:MOST_PROBLEMS]
        if dataset.shards and not self.unread:
            self._content(dataset.path, dataset.meta.content, self.whole)
        return self.problems

    def _say(self, problem: str) -> None:
        self.problems.append(problem)

    def _content(self, path: os.PathLike[str], stored: str, found: ContentHash) -> None:
        if stored and stored != found.hexdigest():
            self._say(f"{path}: not the rows it was written with (their SHA-256 differs)")

    def _part(self, part: RowFile, n_rows: int) -> None:
        own, unread = ContentHash(part.sparse), False
        row_bytes = part.n_features * part.stored.itemsize
        if part.sparse:
            row_bytes = 16 * max(len(part.values) // max(n_rows, 1), 1)
        step = max(BLOCK_BYTES // max(row_bytes, 1), 1)
        for start in range(0, n_rows, step):
            stop = min(start + step, n_rows)
            try:
                arrays, y = part.read_stored(start, stop)
            except DataError as error:
                self._say(str(error))
                unread = True
            else:
                names = ("lengths", "indices", "data") if part.sparse else ("X",)
                for content in (own, self.whole):
                    content.update(**dict(zip(names, arrays, strict=True)), y=y)
                self._values(part, start, arrays)
                self._labels(part, start, y)
            self.done += stop - start
            self.progress.at(self.done)
            if len(self.problems) >= MOST_PROBLEMS:
                return
        self.unread |= unread
        if not unread:
            self._content(part.path, part.meta.content, own)

    def _values(self, part: RowFile, start: int, arrays: tuple[Array, ...]) -> None:
        values = arrays[-1]
        wrong = np.flatnonzero(~np.isfinite(values.reshape(-1)))[:MOST_PROBLEMS]
        for i in wrong.tolist():
            if part.sparse:
                lengths, indices, _ = arrays
                row, column = int(np.searchsorted(np.cumsum(lengths), i, "right")), int(indices[i])
            else:
                row, column = divmod(i, part.n_features)
            value = values.reshape(-1)[i]
            self._say(f"{part.path}: X, row {start + row}, column {column}: {value}")

    def _labels(self, part: RowFile, start: int, y: Array) -> None:
        n_classes = part.meta.n_classes
        bad = (y < 0) | (y >= n_classes) if n_classes else ~np.isfinite(y)
        for i in np.flatnonzero(bad)[:MOST_PROBLEMS].tolist():
            known = f"label {y[i]} is not one of 0 to {n_classes - 1}" if n_classes else f"{y[i]}"
            self._say(f"{part.path}: y, row {start + i}: {known}")
