"""What a data code is: one array, and what follows from it where the function is linear."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from ..errors import ConfigError, NotDecodable
from .per_set import PerSet

# What is missed of a block, as a share of it, below which it counts as recovered.
TOLERANCE = 1e-8


class DataCode:
    """Workers hold combinations of the blocks themselves and evaluate a function on theirs.

    storage : (n_workers, n_blocks + n_masks); coded block of worker ``i`` is
              ``sum_j storage[i, j] * block_j``, the last ``n_masks`` blocks being random masks

    A scheme builds ``storage`` and passes it on. `decode_matrix` here is that of linear functions;
    a scheme for other functions overrides it, with its own rule for which sets are enough.
    """

    name: ClassVar[str]
    family: ClassVar[str] = "data"
    kinds: ClassVar[tuple[str, ...]] = ("map",)

    def __init__(self, storage: npt.ArrayLike, *, n_masks: int = 0) -> None:
        self.storage = np.array(storage)
        self.storage.flags.writeable = False
        if self.storage.ndim != 2 or not 0 <= n_masks < self.storage.shape[1]:
            raise ConfigError(
                f"code {self.name!r}: storage is {self.storage.shape}, of which {n_masks} masks"
            )
        if not np.isfinite(self.storage).all():
            raise ConfigError(f"code {self.name!r}: storage holds a number that is not finite")
        self.n_masks = n_masks
        self.n_workers: int = self.storage.shape[0]
        self.n_blocks: int = self.storage.shape[1] - n_masks
        self._matrices: PerSet[npt.NDArray[Any]] = PerSet(self.n_workers, self.solve)

    def load(self, worker: int) -> float:
        """Return the share of all blocks that ``worker`` computes on: one coded block of them."""
        return 1 / self.n_blocks

    def decode_matrix(self, arrived: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
        """Return how the answers that arrived are combined into the value of each block.

        arrived : (n_workers,) bool      returns (n_blocks, n_workers), 0 where nothing arrived

        The same read-only object for the same set. Raises `NotDecodable` if the set is not enough.
        """
        return self._matrices(arrived)

    def solve(self, arrived: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
        """Compute `decode_matrix` by least squares, whose coefficients are the smallest of all."""
        workers = np.flatnonzero(arrived)
        wanted = np.eye(self.n_blocks, self.storage.shape[1])
        matrix = np.zeros((self.n_blocks, self.n_workers), dtype=self.storage.dtype)
        rows = self.storage[workers]
        matrix[:, workers] = np.linalg.lstsq(rows.T, wanted.T, rcond=None)[0].T
        missed = np.abs(matrix @ self.storage - wanted).max(initial=0.0)
        if not missed <= TOLERANCE:
            raise NotDecodable(
                f"code {self.name!r}: {workers.size} of {self.n_workers} answers leave a share of "
                f"{missed:.2g} of a block unknown, wants {TOLERANCE:g}"
            )
        matrix.flags.writeable = False
        return matrix
