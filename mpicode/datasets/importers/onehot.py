"""Categorical columns as 0/1 columns, one for each value and, if wanted, each pair of values.

The recipe of the gradient coding papers for Kaggle's "Amazon Employee Access" data (R. Tandon et
al., "Gradient Coding", ICML 2017): all values of each column, and all pairs of values of two
columns that occur together in some row.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from .labels import number

Array = npt.NDArray[Any]


class _Keys:
    """A growing set of integers; merged only now and then, so that growing stays cheap."""

    def __init__(self) -> None:
        self._merged: Array = np.empty(0, np.int64)
        self._new: list[Array] = []

    def add(self, keys: Array) -> None:
        self._new.append(np.unique(keys))
        if sum(map(len, self._new)) > max(len(self._merged), 1 << 14):
            self.sorted()

    def sorted(self) -> Array:
        self._merged = np.unique(np.concatenate([self._merged, *self._new]))
        self._new = []
        return self._merged


class OneHot:
    """Learns the values of ``n_columns`` categorical columns, then turns cells into column numbers.

    `see` all cells, `settle`, then `encode`. Values stand in rising order (of numbers, where all
    of a column are numbers), columns in their own, the pairs behind.
    """

    def __init__(self, names: Sequence[str], pairs: bool) -> None:
        self.names = list(names)
        self._codes: list[dict[str, int]] = [{} for _ in names]
        self._pairs = {ab: _Keys() for ab in combinations(range(len(names)), 2)} if pairs else {}
        self._starts: list[int] = []
        self._pair_keys: dict[tuple[int, int], Array] = {}
        self.n_features = 0

    def see(self, columns: Sequence[Sequence[str]]) -> None:
        """Take note of cells, given column by column."""
        coded = []
        for codes, cells in zip(self._codes, columns, strict=True):
            for cell in set(cells):
                codes.setdefault(cell, len(codes))
            coded.append(np.array([codes[cell] for cell in cells], np.int64))
        for (a, b), keys in self._pairs.items():
            keys.add(coded[a] << 32 | coded[b])

    def settle(self) -> None:
        """Give every value, and every pair that occurred, its column."""
        orders = []
        for i, codes in enumerate(self._codes):
            numbers = {cell: value for cell in codes if (value := number(cell)) is not None}
            numeric = len(numbers) == len(codes)
            ordered = sorted(codes, key=numbers.__getitem__ if numeric else None)
            # From the order in which values were met to their place in the file.
            order = np.empty(len(codes), np.int64)
            order[[codes[cell] for cell in ordered]] = np.arange(len(codes))
            orders.append(order)
            self._codes[i] = {cell: place for place, cell in enumerate(ordered)}
        self._starts = [0, *np.cumsum([len(codes) for codes in self._codes]).tolist()]
        self.n_features = self._starts[-1]
        for (a, b), keys in self._pairs.items():
            met = keys.sorted()
            renamed = orders[a][met >> 32] << 32 | orders[b][met & 0xFFFFFFFF]
            self._pair_keys[a, b] = np.sort(renamed)
            self.n_features += len(met)

    def encode(self, columns: Sequence[Sequence[str]]) -> Array:
        """Return the column numbers (n_rows, entries a row) of cells, rising in each row."""
        coded = [
            np.array([codes[cell] for cell in cells], np.int64)
            for codes, cells in zip(self._codes, columns, strict=True)
        ]
        found = [code + start for code, start in zip(coded, self._starts, strict=False)]
        at = self._starts[-1]
        for (a, b), keys in self._pair_keys.items():
            found.append(at + np.searchsorted(keys, coded[a] << 32 | coded[b]))
            at += len(keys)
        return np.stack(found, axis=1)

    @property
    def levels(self) -> list[str]:
        """The 0/1 columns that stand for one value, as ``column=value``."""
        return [
            f"{name}={cell}"
            for name, codes in zip(self.names, self._codes, strict=True)
            for cell in codes
        ]

    @property
    def terms(self) -> Array:
        """What each column stands for (n_features, 2): a level and -1, or a pair of levels."""
        n_levels = self._starts[-1]
        singles = np.stack([np.arange(n_levels), np.full(n_levels, -1)], axis=1)
        pairs = [
            np.stack([self._starts[a] + (k >> 32), self._starts[b] + (k & 0xFFFFFFFF)], axis=1)
            for (a, b), k in self._pair_keys.items()
        ]
        return np.concatenate([singles, *pairs]).astype(np.int32)
