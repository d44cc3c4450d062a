"""A coded block that a worker combines from the plain rows itself."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..datasets import Dataset
from ..datasets.mixing import Mixing
from .coded_rows import label_columns

_CHUNK_BYTES = 32 << 20

Array = NDArray[Any]


class Combined:
    """Slot ``r`` is a combination of samples ``r * n_blocks`` to ``(r + 1) * n_blocks - 1``.

    Only the rows of the slots asked for are read, and of these some at a time. Places behind the
    last sample hold zeros.

    samples : (n_samples,) rows of the dataset, ascending
    mixing  : combines ``n_blocks`` vectors into one, (1, size)
    """

    def __init__(
        self,
        dataset: Dataset,
        n_blocks: int,
        samples: NDArray[np.int64],
        mixing: Mixing,
        dtype: np.dtype[Any],
    ) -> None:
        self.n_slots = -(-len(samples) // n_blocks)
        self.n_features = dataset.n_features
        self._dataset = dataset
        self._n_blocks = n_blocks
        self._samples = samples
        self._mixing = mixing
        self._dtype = dtype

    def read(self, start: int, stop: int) -> tuple[Array, Array]:
        """Return X, (slots, n_features), and the label columns of slots ``start`` to ``stop``."""
        row_bytes = self._mixing.blocks.itemsize * self.n_features
        step = max(1, _CHUNK_BYTES // (row_bytes * self._n_blocks))
        parts = [self._some(at, min(at + step, stop)) for at in range(start, stop, step)]
        X, Y = zip(*parts, strict=True)
        return (X[0], Y[0]) if len(parts) == 1 else (np.concatenate(X), np.concatenate(Y))

    def _some(self, start: int, stop: int) -> tuple[Array, Array]:
        samples = self._samples[start * self._n_blocks : stop * self._n_blocks]
        first = int(samples[0])
        X, y = self._dataset.read(first, int(samples[-1]) + 1, self._dtype)
        wanted = samples - first
        Y = label_columns(y[wanted], self._dataset)
        n_slots = stop - start
        return self._mixed(X[wanted], n_slots, "X"), self._mixed(Y, n_slots, "Y")

    def _mixed(self, rows: Array, n_slots: int, which: str) -> Array:
        blocks = np.zeros((self._n_blocks, n_slots, rows.shape[1]), self._mixing.blocks)
        for block, into in enumerate(blocks):
            own = rows[block :: self._n_blocks]
            into[: len(own)] = self._mixing.enter(own, which)
        vectors = list(blocks.reshape(self._n_blocks, -1))
        out = np.empty((1, vectors[0].size), self._mixing.blocks)
        self._mixing.mix(vectors, out)
        return out.reshape(n_slots, rows.shape[1])
