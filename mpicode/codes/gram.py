"""Decoding from the inner products of the messages, whatever they are combinations of."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.linalg import lapack

from .base import CountingDecoder, Decoder, GradientCode
from .checks import blocks_per_part, check_stragglers

# Inner products square the condition of the messages. Below this reciprocal of theirs the
# coefficients would have fewer than 8 digits, and singular values are asked instead.
WELL_CONDITIONED = 1e-8

# A residual found as a difference of inner products has lost all digits below about 1e-15 of what
# it is subtracted from; smaller ones than this are summed up from what is missed.
DIFFERENCE = 1e-5


class GramCode(GradientCode):
    """Every worker sends one message; decoded approximately, in the dimension of the messages.

    rows         : (n_workers, n_segments * n_natural), the coefficients of the pieces of the
                   natural blocks, as in ``encoding``
    n_stragglers : answers not waited for
    n_blocks     : blocks in all, a multiple of n_natural (then each natural block is split evenly);
                   None for n_natural

    With the inner products ``G`` of the messages and ``S`` of messages and wanted sums, both
    computed once, the coefficients of least residual solve ``G[F, F] R = S[F]`` for the set F that
    arrived: a Cholesky factorization of its size, independent of the number of blocks. In an
    assignment A with one vector V[i] of n_segments numbers per worker, G is the entrywise product
    of ``A.T @ A`` and ``V @ V.T``.

    That loses digits where messages are nearly dependent, so a code that promises exact sums must
    not use it; where the factorization says they are, `GradientCode.solve` takes over.
    """

    def __init__(
        self, rows: Any, *, n_segments: int, n_stragglers: int, n_blocks: int | None
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

    @cached_property
    def products(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Inner products of the messages with each other and with the wanted sums.

        (n_messages, n_messages), symmetric, and (n_messages, n_segments).
        """
        encoding = self.encoding
        sums = encoding @ self._target.T
        return (encoding @ encoding.T).toarray(), np.asarray(sums)

    def solve(self, arrived: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
        """Return the coefficients of least residual, by one Cholesky factorization.

        arrived : (n_messages,) bool      returns (n_segments, n_messages), 0 where nothing arrived
        """
        gram, sums = self.products
        rows = np.flatnonzero(arrived)
        if not rows.size or rows.size > self.n_segments * self.n_blocks:
            return super().solve(arrived)
        block = gram[rows[:, None], rows]
        # In the order of Fortran a symmetric matrix is itself, so nothing is copied.
        norm = float(np.abs(block).sum(axis=0).max())
        factor, failed = lapack.dpotrf(block.T, lower=0, overwrite_a=1, clean=0)
        if failed or lapack.dpocon(factor, norm, uplo="U")[0] < WELL_CONDITIONED:
            return super().solve(arrived)
        coefficients = np.zeros((self.n_segments, self.n_messages))
        coefficients[:, rows] = lapack.dpotrs(factor, sums[rows], lower=0)[0].T
        return coefficients

    def residual(self, coefficients: npt.NDArray[Any]) -> float:
        """Return the squared Frobenius norm of what ``coefficients`` miss, from inner products."""
        gram, sums = self.products
        everything = self.n_segments * self.n_blocks
        missed = everything + float(np.sum(coefficients * (coefficients @ gram - 2 * sums.T)))
        return missed if missed > DIFFERENCE * everything else super().residual(coefficients)
