"""Decoding from the inner products of the messages, whatever they are combinations of."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.linalg import lapack

from .assignment import AssignmentCode

# Inner products square the condition of the messages. Where its reciprocal is below these numbers
# coefficients would have fewer than 8 digits: those that begin from all messages, and those of the
# ones that arrived alone.
ALL_CONDITIONED = 1e-6
WELL_CONDITIONED = 1e-8

# A residual found as a difference of inner products has lost all digits below about 1e-15 of what
# is subtracted; smaller ones than this, relative to that, are summed up from what is missed.
DIFFERENCE = 1e-5


class GramCode(AssignmentCode):
    """Decoded in the dimension of the messages, however many blocks and segments there are.

    With the inner products ``G`` of the messages and ``S`` of messages and wanted sums, both
    computed once, the coefficients of least residual solve ``G[F, F] R = S[F]`` for the set F that
    arrived, independent of the number of blocks. In an assignment A with one vector V[i] of
    n_segments numbers per worker, G is the entrywise product of ``A.T @ A`` and ``V @ V.T``.

    If most messages arrived, the system of the missing ones is smaller: with ``P = inv(G)`` and
    ``X = P S``, computed once too, the solution without the set M is ``X - P[:, M] Y`` where
    ``P[M, M] Y = X[M]``. If few did, ``G[F, F]`` is factorized. Both lose digits where messages are
    nearly dependent, so a code that promises exact sums must not decode like this; where the
    condition says so, singular values are asked (`GradientCode.solve`).
    """

    @cached_property
    def products(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Inner products of the messages with each other and with the wanted sums.

        (n_messages, n_messages), symmetric, and (n_messages, n_segments).
        """
        encoding = self.encoding
        sums = encoding @ self._target.T
        return (encoding @ encoding.T).toarray(), np.asarray(sums)

    @cached_property
    def _all(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]] | None:
        """P (n_messages, n_messages) and X (n_segments, n_messages), None if G is near singular."""
        gram, sums = self.products
        factor = _factorized(gram, ALL_CONDITIONED)
        if factor is None:
            return None
        inverse: npt.NDArray[np.float64] = lapack.dpotrs(factor, np.eye(len(gram)))[0]
        return inverse, np.ascontiguousarray(lapack.dpotrs(factor, sums)[0].T)

    def solve(self, arrived: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
        """Return the coefficients of least residual.

        arrived : (n_messages,) bool      returns (n_segments, n_messages), 0 where nothing arrived
        """
        missing = (~arrived).nonzero()[0]
        if 2 * missing.size <= self.n_messages and self._all is not None:
            inverse, everything = self._all
            if not missing.size:
                return everything.copy()
            # P is symmetric: its rows stand for its columns.
            rows = inverse[missing]
            change = lapack.dposv(rows.take(missing, 1), everything.take(missing, 1).T)[1]
            coefficients: npt.NDArray[np.float64] = everything - change.T @ rows
            coefficients *= arrived
            return coefficients
        found = np.flatnonzero(arrived)
        gram, sums = self.products
        factor = _factorized(gram[found[:, None], found], WELL_CONDITIONED)
        if factor is None:
            return super().solve(arrived)
        coefficients = np.zeros((self.n_segments, self.n_messages))
        coefficients[:, found] = lapack.dpotrs(factor, sums[found])[0].T
        return coefficients

    def residual(self, coefficients: npt.NDArray[Any]) -> float:
        """Return the squared Frobenius norm of what ``coefficients`` miss, from inner products."""
        gram, sums = self.products
        everything = self.n_segments * self.n_blocks
        missed = everything + float(np.vdot(coefficients, coefficients @ gram - 2 * sums.T))
        largest = everything + self._strength * float(np.vdot(coefficients, coefficients))
        return missed if missed > DIFFERENCE * largest else super().residual(coefficients)

    @cached_property
    def _strength(self) -> float:
        """The norm of the messages' inner products, from above."""
        return float(np.abs(self.products[0]).sum(axis=0).max())


def _factorized(gram: npt.NDArray[np.float64], least: float) -> npt.NDArray[np.float64] | None:
    """Return the Cholesky factor, None if the reciprocal condition is below ``least``."""
    if not gram.size:
        return None
    factor, failed = lapack.dpotrf(gram)
    norm = np.abs(gram).sum(axis=0).max()
    if failed or lapack.dpocon(factor, norm)[0] < least:
        return None
    return np.asarray(factor)
