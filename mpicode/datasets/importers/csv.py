"""CSV: numeric columns as they are, categorical ones as 0/1 columns, one column the label.

Read twice: once for the classes, the categorical values and the rows to drop, once for the rows.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...errors import ConfigError, DataError
from ...registry import suggest
from ..progress import Progress
from .labels import Labels, number
from .onehot import OneHot
from .source import Source
from .stream import opened

Array = npt.NDArray[Any]

MISSING = frozenset(["", "NA", "N/A", "NaN", "nan", "NULL", "null", "None", "?"])
DATE_PARTS = ("year", "month", "day", "weekday", "hour")
BLOCK_CELLS = 1 << 16


@dataclass(frozen=True)
class CsvOptions:
    """How to read a CSV.

    ``label`` and ``columns`` are names from the header, or numbers from 0 (negative from the end).
    ``columns`` None means all but the label. An entry ``NAME:weekday`` (or year, month, day, hour)
    takes that part of a date; where the date stands in three columns, ``YEAR-MONTH-DAY:weekday``
    with their names. ``one_hot`` lists the categorical columns, ``pairs`` adds their interactions.
    """

    label: str
    columns: Sequence[str] | None = None
    one_hot: Sequence[str] | None = None  # an empty list: all columns
    pairs: bool = False
    header: bool = True
    delimiter: str = ","
    drop_missing: bool = False


@dataclass(frozen=True)
class _Column:
    """A feature: a cell of a row, or a part of the date that stands in one cell or in three."""

    name: str
    indices: tuple[int, ...]
    part: str | None = None


def _without_nul(lines: Iterable[str]) -> Iterator[str]:
    """Yield the lines; the character 0, which HDF5's texts cannot hold, is an error."""
    for line in lines:
        if "\0" in line:
            raise csv.Error("line contains NUL")
        yield line


@dataclass
class _Block:
    """Rows without missing cells, as text: ``cells[column][row]``, and where each row came from."""

    labels: list[str]
    cells: list[list[str]]
    rows: list[tuple[int, int]]  # data row from 1, line from 1


class CsvSource(Source):
    """A CSV file; sparse as soon as one column is categorical."""

    def __init__(self, path: Path, labels: Labels, options: CsvOptions) -> None:
        self.path, self.labels, self.options = path, labels, options
        self._names = self._header()
        self._label = self._find(options.label)
        columns = self._columns()
        if any(self._label in column.indices for column in columns):
            raise ConfigError(f"--columns: {self._names[self._label]!r} is the label")
        # Categorical columns stand behind the numeric ones.
        chosen = options.one_hot
        wanted = {c.name for c in columns} if chosen == [] else set(chosen or ())
        unknown = sorted(wanted - {c.name for c in columns})
        if unknown:
            raise ConfigError(
                f"--one-hot: {unknown[0]!r} is no feature column of {path}; "
                f"{suggest(unknown[0], [c.name for c in columns])}"
            )
        self._numeric = [c for c in columns if c.name not in wanted]
        self._categorical = [c for c in columns if c.name in wanted]
        if options.pairs and len(self._categorical) < 2:
            raise ConfigError("--pairs: at least 2 categorical columns are needed for a pair")
        self._one_hot = OneHot([c.name for c in self._categorical], options.pairs)
        self.sparse = bool(self._categorical)
        self._look_through()
        self.n_features = len(self._numeric) + self._one_hot.n_features

    def _header(self) -> list[str]:
        with opened(self.path) as file:
            first = next(self._reader(file.text()), None)
        if not first:
            raise DataError(f"{self.path}: is empty")
        return first if self.options.header else [str(i) for i in range(len(first))]

    def _reader(self, text: Any) -> Any:
        return csv.reader(_without_nul(text), delimiter=self.options.delimiter, strict=True)

    def _find(self, name: str) -> int:
        if name in self._names:
            return self._names.index(name)
        try:
            index = int(name)
            self._names[index]
        except (ValueError, IndexError):
            raise ConfigError(
                f"{self.path}: no column {name!r}; {suggest(name, self._names)}"
            ) from None
        return index % len(self._names)

    def _columns(self) -> list[_Column]:
        if self.options.columns is None:
            others = (i for i in range(len(self._names)) if i != self._label)
            return [_Column(self._names[i], (i,)) for i in others]
        columns = []
        for name in self.options.columns:
            base, colon, part = name.rpartition(":")
            if colon and name not in self._names:
                if part not in DATE_PARTS:
                    raise ConfigError(
                        f"--columns: {name!r}: {part!r} is no part of a date; "
                        f"{suggest(part, DATE_PARTS)}"
                    )
                bases = [base] if base in self._names or base.count("-") != 2 else base.split("-")
                columns.append(_Column(name, tuple(map(self._find, bases)), part))
            else:
                columns.append(_Column(name, (self._find(name),)))
        return columns

    def _look_through(self) -> None:
        self.n_samples = self.n_dropped = 0
        for block in self._blocks("looking through"):
            self.n_samples += len(block.rows)
            if not self.labels.numeric:
                self.labels.see(set(block.labels), str(self.path))
            self._one_hot.see(block.cells[len(self._numeric) :])
        if self.n_samples == 0:
            raise DataError(f"{self.path}: no rows left, {self.n_dropped} dropped")
        self.labels.settle(f"{self.path}: column {self._names[self._label]!r}")
        self._one_hot.settle()

    def _blocks(self, doing: str) -> Iterator[_Block]:
        """Yield the cells of interest, some rows at a time."""
        width = len(self._names)
        columns = [*self._numeric, *self._categorical]
        used = [self._label, *(i for c in columns for i in c.indices)]
        n_rows = max(BLOCK_CELLS // width, 1)
        self.n_dropped = 0
        with (
            opened(self.path) as file,
            Progress(f"{doing} {self.path.name}", file.size, "bytes") as progress,
        ):
            reader = self._reader(file.text())
            if self.options.header:
                next(reader)
            kept: list[list[str]] = []
            rows: list[tuple[int, int]] = []
            row = 0
            for cells in reader:
                if not cells:
                    continue
                row += 1
                if len(cells) != width:
                    raise DataError(
                        f"{self.path}: row {row} (line {reader.line_num}): {len(cells)} cells, "
                        f"{width} were due"
                    )
                if not MISSING.isdisjoint([cells[i] for i in used]):
                    self._missing(cells, used, row, reader.line_num)
                    continue
                kept.append(cells)
                rows.append((row, reader.line_num))
                if len(kept) == n_rows:
                    yield self._block(kept, rows, columns)
                    kept, rows = [], []
                    progress.at(file.position)
            if kept:
                yield self._block(kept, rows, columns)

    def _missing(self, cells: list[str], used: list[int], row: int, line: int) -> None:
        if self.options.drop_missing:
            self.n_dropped += 1
            return
        index = next(i for i in used if cells[i] in MISSING)
        raise DataError(
            f"{self.path}: row {row} (line {line}), column {self._names[index]!r}: missing value "
            f"{cells[index]!r}; --drop-missing leaves such rows out"
        )

    def _block(
        self, kept: list[list[str]], rows: list[tuple[int, int]], columns: list[_Column]
    ) -> _Block:
        by_column = list(zip(*kept, strict=True))
        block = _Block(list(by_column[self._label]), [], rows)
        for column in columns:
            cells = list(by_column[column.indices[0]])
            if len(column.indices) == 3:
                parts = zip(*(by_column[i] for i in column.indices), strict=True)
                cells = [f"{y}-{m:0>2}-{d:0>2}" for y, m, d in parts]
            block.cells.append(self._dates(column, cells, rows) if column.part else cells)
        return block

    def _dates(self, column: _Column, cells: list[str], rows: list[tuple[int, int]]) -> list[str]:
        """Replace dates by one part of them; Monday is weekday 1."""
        parts: dict[str, str] = {}
        for cell, place in zip(cells, rows, strict=True):
            if cell not in parts:
                try:
                    date = datetime.fromisoformat(cell)
                except ValueError:
                    self._bad(place, column.name, f"{cell!r} is not an ISO 8601 date")
                weekday = column.part == "weekday"
                value = date.isoweekday() if weekday else getattr(date, str(column.part))
                parts[cell] = str(value)
        return [parts[cell] for cell in cells]

    def _bad(self, place: tuple[int, int], column: str, message: str) -> None:
        raise DataError(
            f"{self.path}: row {place[0]} (line {place[1]}), column {column!r}: {message}"
        )

    def _numbers(self, cells: list[str], column: str, block: _Block) -> Array:
        try:
            values = np.fromiter(map(float, cells), np.float64, len(cells))
        except ValueError:
            values = np.array([np.nan if (v := number(c)) is None else v for c in cells])
        wrong = ~np.isfinite(values)
        if wrong.any():
            i = int(np.argmax(wrong))
            self._bad(block.rows[i], column, f"{cells[i]!r} is not a finite number")
        return values

    @property
    def n_bytes(self) -> int:
        """All values, and the column numbers of sparse rows."""
        n = len(self._categorical)
        width = len(self._numeric) + n + (n * (n - 1) // 2 if self.options.pairs else 0)
        return self.n_samples * width * (12 if self.sparse else 8)

    def blocks(self) -> Iterator[tuple[Any, Array]]:
        """Yield the kept rows, some at a time."""
        label = self._names[self._label]
        for block in self._blocks("importing"):
            if self.labels.numeric:
                y = self.labels.apply(self._numbers(block.labels, label, block))
            else:
                y = self.labels.apply(np.array(block.labels, dtype=object))
            n = len(self._numeric)
            numbers = [
                self._numbers(cells, column.name, block)
                for column, cells in zip(self._numeric, block.cells[:n], strict=True)
            ]
            dense = np.stack(numbers, axis=1) if numbers else np.empty((len(y), 0))
            yield (self._sparse_rows(dense, block.cells[n:]) if self.sparse else dense), y

    def _sparse_rows(self, numbers: Array, cells: list[list[str]]) -> Any:
        """Return CSR rows: the numeric columns, then a 1 for every value and pair."""
        from scipy.sparse import csr_array

        ones = self._one_hot.encode(cells)
        n_rows, n_numeric = numbers.shape
        index = np.int32 if self.n_features <= np.iinfo(np.int32).max else np.int64
        width = n_numeric + ones.shape[1]
        indices = np.empty((n_rows, width), index)
        indices[:, :n_numeric] = np.arange(n_numeric)
        indices[:, n_numeric:] = ones + n_numeric
        data = np.ones((n_rows, width))
        data[:, :n_numeric] = numbers
        indptr = np.arange(0, width * n_rows + 1, width)
        return csr_array((data.ravel(), indices.ravel(), indptr), shape=(n_rows, self.n_features))

    @property
    def extra(self) -> dict[str, Any]:
        """The classes, and what the columns mean."""
        names = [column.name for column in self._numeric]
        extra = super().extra
        if self.sparse:
            extra["columns/levels"] = [*names, *self._one_hot.levels]
            shift = self._one_hot.terms
            shift[shift >= 0] += len(names)
            own = np.stack([np.arange(len(names)), np.full(len(names), -1)], axis=1)
            extra["columns/terms"] = np.concatenate([own, shift]).astype(np.int32)
        else:
            extra["columns/levels"] = names
        return extra
