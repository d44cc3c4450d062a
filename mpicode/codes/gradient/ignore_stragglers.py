"""No redundancy either, but nobody waits for the last: the usual practice, made unbiased."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..base import CountingDecoder, Decoder, GradientCode
from ..checks import blocks_per_part, check_stragglers


class IgnoreStragglers(GradientCode):
    """Every worker holds its own share; the sum of those in time is scaled up to stay unbiased.

    n_stragglers : answers not waited for
    n_blocks     : blocks in all, a multiple of n_workers; default n_workers

    With ``a`` answers the coefficients are n_workers / a: if every worker is equally likely to be
    late, the expected estimate is the full sum. It is not the least-squares decoding (that one has
    coefficients 1 and always falls short), and ``residual`` is the larger for it.
    """

    name = "ignore-stragglers"

    def __init__(
        self, *, n_workers: int, n_stragglers: int = 1, n_blocks: int | None = None
    ) -> None:
        check_stragglers(n_workers, n_stragglers)
        share = blocks_per_part(n_blocks, n_workers, "workers")
        self._n_awaited = n_workers - n_stragglers
        super().__init__(
            np.kron(np.eye(n_workers), np.ones((1, share))),
            np.arange(n_workers),
            n_workers=n_workers,
            n_blocks=n_workers * share,
        )

    def solve(self, arrived: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
        """Scale every answer by n_workers over the number of answers."""
        return arrived[None, :] * (self.n_workers / max(1, int(arrived.sum())))

    def decoder(self, kind: str = "gradient") -> Decoder:
        """Return a decoder that is ready after n_workers - n_stragglers answers."""
        self.check_kind(kind)
        return CountingDecoder(self, self._n_awaited)
