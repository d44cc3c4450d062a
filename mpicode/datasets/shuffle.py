"""Shuffling rows that do not fit in memory, uniformly, in one extra pass over the disk.

Each row goes to a bucket drawn at random; each bucket fits in memory and is permuted there. Given
the bucket sizes every order is equally likely, so the whole is a uniform shuffle (the scatter
half of P. Sanders, "Random permutations on distributed, external and hierarchical memory", 1998).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import DataError

Array = npt.NDArray[Any]

# Beyond 1,024 buckets (16 GiB of rows) they grow instead of becoming more.
BUCKET_BYTES = 1 << 24
MOST_BUCKETS = 1024
PIECES = 8


def shuffled(
    blocks: Iterator[tuple[Any, Array]], n_bytes: int, seed: int, folder: Path
) -> Iterator[tuple[Any, Array]]:
    """Yield the rows of ``blocks`` in random order.

    n_bytes : about what all rows take      folder : where the buckets lie meanwhile

    The order depends on the rows and the seed alone, not on how the blocks are cut.
    """
    try:
        yield from _through_buckets(blocks, n_bytes, seed, folder)
    except OSError as error:
        raise DataError(f"{folder}: the rows cannot be shuffled there: {error}") from error


def _through_buckets(
    blocks: Iterator[tuple[Any, Array]], n_bytes: int, seed: int, folder: Path
) -> Iterator[tuple[Any, Array]]:
    rng = np.random.default_rng(seed)
    n_buckets = min(max(-(-n_bytes // BUCKET_BYTES), 1), MOST_BUCKETS)
    with tempfile.TemporaryDirectory(prefix=".shuffle-", dir=folder) as name:
        buckets = [Bucket(Path(name) / str(number)) for number in range(n_buckets)]
        for X, y in blocks:
            # One double a row, whatever the block size, so that the draws do not depend on it.
            drawn = (rng.random(len(y)) * n_buckets).astype(np.int64)
            for number in np.unique(drawn):
                rows = np.flatnonzero(drawn == number)
                buckets[number].append(X[rows], y[rows])
        for bucket in buckets:
            if bucket.lengths:
                X, y = bucket.load()
                order = rng.permutation(len(y))
                # In pieces, so that the bucket is not held twice.
                for rows in np.array_split(order, min(PIECES, len(order))):
                    yield X[rows], y[rows]
                del X


class Bucket:
    """Some rows in plain files, appended to and read back once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lengths: list[int] = []
        self._pieces: dict[str, np.dtype[Any]] = {}
        self._n_features = 0
        self._sparse = False

    def append(self, X: Any, y: Array) -> None:
        """Add rows, dense or CSR."""
        self._n_features = X.shape[1]
        self._sparse = not isinstance(X, np.ndarray)
        pieces = {"y": y}
        if self._sparse:
            pieces |= {"data": X.data, "indices": X.indices, "sizes": np.diff(X.indptr)}
        else:
            pieces["X"] = X
        for name, array in pieces.items():
            self._pieces[name] = array.dtype
            with self.path.with_suffix(f".{name}").open("ab") as file:
                file.write(np.ascontiguousarray(array).data)
        self.lengths.append(len(y))

    def load(self) -> tuple[Any, Array]:
        """Return all rows and remove their files."""
        arrays = {}
        for name, dtype in self._pieces.items():
            path = self.path.with_suffix(f".{name}")
            arrays[name] = np.fromfile(path, dtype)
            path.unlink()
        y = arrays["y"]
        if not self._sparse:
            return arrays["X"].reshape(len(y), self._n_features), y
        from scipy.sparse import csr_array

        indptr = np.concatenate(([0], np.cumsum(arrays["sizes"])))
        X = csr_array((arrays["data"], arrays["indices"], indptr), shape=(len(y), self._n_features))
        return X, y
