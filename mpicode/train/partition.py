"""Which rows of the dataset are trained on, which are kept aside, and which block holds them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError

# Streams of random numbers that follow from one seed, kept apart by a word of their own.
_HELD_OUT = 0x686F6C64
_SLOTS = 0x736C6F74


class Partition:
    """Splits rows ``0 <= row < n_samples`` into blocks of contiguous rows, less those kept aside.

    Every rank makes the same partition from the same numbers. The blocks' sizes differ by the rows
    kept aside and by at most one.
    """

    def __init__(self, n_samples: int, n_blocks: int, test_fraction: float, seed: int) -> None:
        self.n_blocks = n_blocks
        self.seed = seed
        n_test = round(test_fraction * n_samples)
        if test_fraction and not n_test:
            raise ConfigError(
                f"data.test_fraction: {test_fraction} of {n_samples} rows is less than half a row"
            )
        if n_samples - n_test < n_blocks:
            raise ConfigError(
                f"code: {n_blocks} blocks, but only {n_samples - n_test} rows to train on"
            )
        self._edges = np.linspace(0, n_samples, n_blocks + 1).round().astype(np.int64)
        self._aside = np.zeros(n_samples, dtype=bool)
        if n_test:
            rng = np.random.default_rng([seed, _HELD_OUT])
            self._aside[rng.permutation(n_samples)[:n_test]] = True
        aside = np.concatenate([[0], np.cumsum(self._aside)])
        self.n_test = n_test
        self.n_train = n_samples - n_test
        self.sizes: NDArray[np.int64] = np.diff(self._edges) - np.diff(aside[self._edges])
        empty = np.flatnonzero(self.sizes == 0)
        if empty.size:
            raise ConfigError(
                f"data.test_fraction: {test_fraction} keeps every row of block {empty[0]} aside"
            )

    def extent(self, block: int) -> tuple[int, int]:
        """Return the rows ``start, stop`` of the file that the block lies in."""
        return int(self._edges[block]), int(self._edges[block + 1])

    def aside(self, start: int, stop: int) -> NDArray[np.bool_]:
        """Return, for the rows ``start <= row < stop``, whether each is kept aside."""
        return self._aside[start:stop]

    def slots(
        self, iteration: int, block: int, batch_size: int, drawer: int = 0
    ) -> NDArray[np.int64]:
        """Return the numbers, within the block's training rows, of a mini-batch, ascending.

        They follow from (seed, iteration, block, drawer) alone, so that every holder of the block
        draws the same ones. ``batch_size`` is that of all blocks together; it is shared out evenly.
        """
        share = batch_size * (block + 1) // self.n_blocks - batch_size * block // self.n_blocks
        size = int(self.sizes[block])
        who = [drawer] if drawer else []
        rng = np.random.default_rng([self.seed, _SLOTS, iteration, block, *who])
        return np.sort(rng.choice(size, size=min(max(share, 1), size), replace=False))
