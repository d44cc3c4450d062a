"""Redundant codewords as a parity check: whether one of them is damaged, and which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ...errors import ConfigError
from .base import DEPENDENT, Float, Matrix


class Verdict(NamedTuple):
    """What a parity check found.

    mismatch : norm of what the codewords contradict each other by, relative to the largest of them
    clean    : whether that is no more than rounding
    row      : the one codeword without which the others agree; None where there is no such one, or
               several, as where there is only one codeword more than are independent
    """

    mismatch: float
    clean: bool
    row: int | None


def damaged(
    rows: npt.ArrayLike, codewords: Sequence[Float] | Float, tolerance: float | None = None
) -> Verdict:
    """Find the codeword that does not fit the others.

    rows      : A (m, k), of the codewords, in their order; more of them than independent ones
    codewords : m arrays (L,); each should be ``a^T G`` for one and the same G (k, L)
    tolerance : relative rounding of a codeword; default the root of the precision of its numbers

    Let N (m - rank, m) be an orthonormal basis of what the rows cancel in, N A = 0. N C is zero for
    clean codewords. Without codeword i the squared norm of it is smaller by ``|n_i^T N C|^2 /
    |n_i|^2``, with n_i the columns of N: leave one out, whose leverage is ``1 - |n_i|^2``. A
    codeword on whose row nothing else depends, n_i = 0, cannot be checked.
    """
    A: Matrix = np.array(rows, dtype=np.float64, ndmin=2)
    C: npt.NDArray[Any] = np.asarray(codewords, dtype=np.float64)
    if C.ndim != 2 or len(C) != len(A):
        raise ConfigError(f"codewords: {len(A)} rows, but the codewords have shape {C.shape}")
    if tolerance is None:
        tolerance = max(tolerance_of(np.asarray(each).dtype) for each in codewords)
    largest = float(np.sqrt(np.einsum("ij,ij->i", C, C).max(initial=0.0)))
    cancelling = _cancelling(A)
    if not len(cancelling) or not largest:
        return Verdict(0.0, True, None)
    syndrome = cancelling @ C
    total = float(np.vdot(syndrome, syndrome))
    limit = (tolerance * largest) ** 2 * len(A)
    mismatch = float(np.sqrt(total)) / largest
    if total <= limit:
        return Verdict(mismatch, True, None)
    weights = np.einsum("ij,ij->j", cancelling, cancelling)
    checked = weights > DEPENDENT
    fitted = cancelling.T @ (syndrome @ syndrome.T)
    removed = np.einsum("ij,ji->i", fitted, cancelling)
    rest = np.full(len(A), np.inf)
    rest[checked] = total - removed[checked] / weights[checked]
    # what is left is a difference of numbers as large as the damage
    suspects = np.flatnonzero(rest <= limit + 1e-12 * total)
    return Verdict(mismatch, False, int(suspects[0]) if suspects.size == 1 else None)


def tolerance_of(dtype: np.dtype[Any]) -> float:
    """Return what relative error of codewords with such numbers is taken for rounding."""
    return float(np.sqrt(np.finfo(dtype).eps))


def _cancelling(A: Matrix) -> Matrix:
    """Return an orthonormal basis of the combinations of rows that are zero, (m - rank, m)."""
    left, values, _ = np.linalg.svd(A, full_matrices=True)
    rank = int(np.count_nonzero(values > DEPENDENT * values[0]))
    return np.asarray(left[:, rank:].T)
