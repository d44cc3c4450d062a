"""The yardstick: no redundancy, every worker is waited for."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..base import CountingDecoder, Decoder, GradientCode
from ..checks import blocks_per_part, check_stragglers


class Uncoded(GradientCode):
    """Every worker holds its own share of the blocks and all must answer.

    n_blocks : blocks in all, a multiple of n_workers; default n_workers
    """

    name = "uncoded"

    def __init__(self, *, n_workers: int, n_blocks: int | None = None) -> None:
        check_stragglers(n_workers, 0)
        share = blocks_per_part(n_blocks, n_workers, "workers")
        super().__init__(
            np.kron(np.eye(n_workers), np.ones((1, share))),
            np.arange(n_workers),
            n_workers=n_workers,
            n_blocks=n_workers * share,
            max_stragglers=0,
        )

    def solve(self, arrived: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
        """Sum what arrived, (n_messages,) bool."""
        return arrived[None, :].astype(float)

    def decoder(self, kind: str = "gradient") -> Decoder:
        """Return a decoder that is ready when all workers have answered."""
        self.check_kind(kind)
        return CountingDecoder(self, self.n_workers)
