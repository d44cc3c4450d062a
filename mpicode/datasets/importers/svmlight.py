"""svmlight / libsvm text: ``label index:value index:value ... # comment`` on each line.

Read twice: once for the labels, the largest index and whether indices start at 0, once for the
rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...errors import DataError
from ..progress import Progress
from .labels import Labels
from .source import Source
from .stream import opened

Array = npt.NDArray[Any]

# Text takes many times its size while it is taken apart.
BLOCK_BYTES = 1 << 20

_QID = re.compile(rb"(?<!\S)qid:\S+")
_COLON = ord(":")


@dataclass(frozen=True)
class _Lines:
    """Some parsed lines: labels (n,), and the entries of all rows one after the other."""

    labels: Array
    lengths: Array
    indices: Array
    values: Array


def _wrong(line: bytes) -> str | None:
    """Return what is wrong with one line (without comment and qid), None if nothing is."""
    label, *pairs = line.split()
    try:
        float(label)
    except ValueError:
        return f"label {label.decode(errors='replace')!r} is not a number"
    last = -1
    for pair in pairs:
        index, colon, value = pair.partition(b":")
        shown = pair.decode(errors="replace")
        try:
            if not colon or not index.isdigit():
                raise ValueError
            float(value)
        except ValueError:
            return f"{shown!r} is not index:value"
        if int(index) <= last:
            return f"index {int(index)} after index {last}, they must rise"
        last = int(index)
    return None


def _structure_is_sound(text: bytes, line_tokens: Array) -> bool:
    """Whether each line is one token without a colon and then tokens with exactly one."""
    characters = np.frombuffer(text, np.uint8)
    blank = characters <= ord(" ")
    starts = ~blank
    starts[1:] &= blank[:-1]
    token = np.cumsum(starts, dtype=np.int32)  # 1 for the characters of the first token, and so on
    colons_in = np.bincount(token[characters == _COLON], minlength=int(token[-1]) + 1)[1:]
    if len(colons_in) != line_tokens.sum():
        return False
    due = np.ones(len(colons_in), np.int64)
    due[np.cumsum(line_tokens) - line_tokens] = 0
    return bool(np.array_equal(colons_in, due))


def parse(raw: list[bytes], path: Path, first_line: int) -> _Lines:
    """Parse whole lines at once; only if something is wrong, one by one, to name the line."""
    lines = raw
    text = b"".join(raw)
    if b"#" in text:
        lines = [line.partition(b"#")[0] for line in lines]
    if b"qid:" in text:
        lines = [_QID.sub(b"", line) for line in lines]
    kept = [line for line in lines if line.strip()]
    lengths = np.array([line.count(b":") for line in kept], np.int64)
    text = b"\n".join(kept)
    if not kept:
        empty = np.empty(0)
        return _Lines(empty, lengths, empty.astype(np.int64), empty)
    if _structure_is_sound(text, lengths + 1):
        tokens = text.replace(b":", b" ").split()
        if len(tokens) == int((2 * lengths + 1).sum()):
            try:
                numbers = np.array(tokens).astype(np.float64)
            except ValueError:
                numbers = np.empty(0)
            parsed = _split(numbers, lengths) if numbers.size else None
            if parsed is not None:
                return parsed
    for number, line in enumerate(lines, start=first_line):
        message = _wrong(line) if line.strip() else None
        if message:
            raise DataError(f"{path}: line {number}: {message}")
    last = first_line + len(raw) - 1
    raise DataError(f"{path}: lines {first_line} to {last} are not in svmlight format")


def _split(numbers: Array, lengths: Array) -> _Lines | None:
    """Take labels, indices and values apart; None if an index is no integer or they do not rise."""
    sizes = 2 * lengths + 1
    heads = np.cumsum(sizes) - sizes
    rest = np.delete(numbers, heads)
    indices = rest[0::2].astype(np.int64)
    if (indices != rest[0::2]).any() or (indices < 0).any():
        return None
    rises = np.diff(indices, prepend=-1) > 0
    ends = np.cumsum(lengths)[:-1]
    rises[ends[ends < len(indices)]] = True  # the first entry of a row follows another row
    return _Lines(numbers[heads], lengths, indices, rest[1::2]) if rises.all() else None


class SvmlightSource(Source):
    """A file in svmlight format, as CSR or, with ``dense``, as an ordinary array.

    ``zero_based``: whether the first feature is called 0; None finds out (it is, if a 0 occurs).
    ``n_features``: at least as many columns as the file mentions.
    """

    def __init__(
        self,
        path: Path,
        labels: Labels,
        *,
        zero_based: bool | None = None,
        n_features: int | None = None,
        dense: bool = False,
    ) -> None:
        self.path, self.labels, self.sparse = path, labels, not dense
        self.n_samples = self._n_entries = 0
        low, high = np.iinfo(np.int64).max, -1
        for lines in self._lines("looking through"):
            self.n_samples += len(lines.labels)
            self._n_entries += len(lines.indices)
            labels.see(np.unique(lines.labels).tolist(), str(path))
            if lines.indices.size:
                low = min(low, int(lines.indices.min()))
                high = max(high, int(lines.indices.max()))
        labels.settle(str(path))
        self._base = 0 if (low == 0 if zero_based is None else zero_based) else 1
        if low < self._base:
            raise DataError(f"{path}: has an index 0, though indices are said to start at 1")
        found = high - self._base + 1
        if n_features is not None and n_features < found:
            raise DataError(f"{path}: has {found} features, {n_features} were announced")
        self.n_features = found if n_features is None else n_features

    @property
    def n_bytes(self) -> int:
        """Values and column numbers, or all values of a dense array."""
        return 12 * self._n_entries if self.sparse else 8 * self.n_samples * self.n_features

    def _lines(self, doing: str) -> Iterator[_Lines]:
        with (
            opened(self.path) as file,
            Progress(f"{doing} {self.path.name}", file.size, "bytes") as progress,
        ):
            number = 1
            while raw := file.stream.readlines(BLOCK_BYTES):
                yield parse(raw, self.path, number)
                number += len(raw)
                progress.at(file.position)

    def blocks(self) -> Iterator[tuple[Any, Array]]:
        """Yield the rows of some lines at a time."""
        from scipy.sparse import csr_array

        index = np.int32 if self.n_features <= np.iinfo(np.int32).max else np.int64
        for lines in self._lines("importing"):
            indptr = np.concatenate(([0], np.cumsum(lines.lengths)))
            indices = (lines.indices - self._base).astype(index)
            shape = (len(lines.labels), self.n_features)
            X = csr_array((lines.values, indices, indptr), shape=shape)
            y = self.labels.apply(lines.labels)
            if self.sparse:
                yield X, y
                continue
            n_rows = max(4 * BLOCK_BYTES // (8 * self.n_features), 1)
            for start in range(0, len(y), n_rows):
                rows = slice(start, start + n_rows)
                yield X[rows].toarray(), y[rows]
