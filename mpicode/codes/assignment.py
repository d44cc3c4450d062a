"""Codes that are an assignment of blocks to workers, decoded approximately."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from .base import CountingDecoder, Decoder, GradientCode
from .checks import blocks_per_part, check_stragglers


class AssignmentCode(GradientCode):
    """Every worker sends one combination of pieces of its blocks; some answers are not waited for.

    rows         : (n_workers, n_segments * n_natural), sparse or dense, the coefficients of the
                   pieces of the natural blocks, as in ``encoding``
    n_stragglers : answers not waited for
    n_blocks     : blocks in all, a multiple of n_natural (then each natural block is split evenly);
                   None for n_natural
    n_awaited    : answers after which its decoder is ready, n_workers - n_stragglers

    Decoded by least squares, unless a scheme knows a closed form of the same.
    """

    def __init__(
        self, rows: Any, *, n_stragglers: int, n_blocks: int | None, n_segments: int = 1
    ) -> None:
        n_workers, n_pieces = rows.shape
        n_natural = n_pieces // n_segments
        check_stragglers(n_workers, n_stragglers)
        share = blocks_per_part(n_blocks, n_natural, "blocks of the design")
        self.n_awaited = n_workers - n_stragglers
        super().__init__(
            sparse.kron(sparse.csr_array(rows, dtype=float), np.ones((1, share))),
            np.arange(n_workers),
            n_workers=n_workers,
            n_blocks=n_natural * share,
            n_segments=n_segments,
        )

    def decoder(self, kind: str = "gradient") -> Decoder:
        """Return a decoder that is ready after ``n_awaited`` answers."""
        self.check_kind(kind)
        return CountingDecoder(self, self.n_awaited)
