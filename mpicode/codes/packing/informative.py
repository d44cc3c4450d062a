"""Light rows that tell the most about segments whose covariance is known."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ...errors import ConfigError
from .pack import checked_weights

Matrix = npt.NDArray[np.float64]

# Rounds over all rows; each ends with more information than the one before, or is the last.
SWEEPS = 30
GAIN = 1e-6

# Steps of one search for a row's columns.
STEPS = 50


def information(rows: Matrix, covariance: Matrix, noise: float) -> float:
    """Return ``1/2 log det(I + A S A' / noise)``, nats per number of a segment.

    rows : A, (n_rows, k)      covariance : S, (k, k), of the segments' numbers at one place
    noise : variance in a codeword

    That is what codewords ``A G`` plus white noise tell about a Gaussian G with columns of
    covariance S.
    """
    S = _checked(covariance, noise)
    if rows.ndim != 2 or rows.shape[1] != len(S):
        raise ConfigError(f"rows: shape {rows.shape}, but the covariance is of {len(S)} segments")
    told = np.eye(len(rows)) + rows @ S @ rows.T / noise
    return 0.5 * float(np.linalg.slogdet(told)[1])


def most_information(n_rows: int, covariance: Matrix, noise: float) -> float:
    """Return the most that any ``n_rows`` unit rows can tell, however many segments they mix.

    Their energy n_rows is poured over the principal components like water: component j with
    variance v_j gets ``max(0, level - noise / v_j)``. Unit rows with these energies exist, whatever
    they are (Schur & Horn), so the bound is attained.
    """
    S = _checked(covariance, noise)
    variances = np.sort(np.linalg.eigvalsh(S))[::-1][:n_rows]
    variances = variances[variances > 0.0]
    if not variances.size:
        return 0.0
    need = noise / variances
    levels = (n_rows + np.cumsum(need)) / np.arange(1, need.size + 1)
    used = int(np.count_nonzero(levels > need))
    return 0.5 * float(np.log(levels[used - 1] / need[:used]).sum())


def most_informative(
    covariance: Matrix, n_rows: int, weight: int, noise: float, sweeps: int = SWEEPS
) -> Matrix:
    """Return unit rows of at most ``weight`` numbers that tell much, (n_rows, k).

    sweeps : rounds over all rows after the first, at most; the first ones gain the most

    One row after the other is made the best beside all others: what these leave unknown of the
    segments has a covariance P, and a row a adds ``1/2 log(1 + a' P a / noise)`` to what they tell.
    Its largest value over light unit rows, a sparse principal component, is searched for, and no
    row is ever given up for one that tells less, so the information only grows.
    """
    S = _checked(covariance, noise)
    checked_weights([weight], len(S))
    if n_rows < 1:
        raise ConfigError(f"code.n_messages: wants at least 1, got {n_rows}")
    rows: Matrix = np.zeros((n_rows, len(S)))
    unknown = S.copy()
    for i in range(n_rows):
        rows[i] = _best_row(unknown, weight, None)
        unknown = _after(unknown, rows[i], noise)
    told = information(rows, S, noise)
    for _ in range(sweeps):
        for i in range(n_rows):
            unknown = _left(np.delete(rows, i, axis=0), S, noise)
            rows[i] = _best_row(unknown, weight, rows[i])
        before, told = told, information(rows, S, noise)
        if told <= before * (1.0 + GAIN):
            break
    return rows


def left_unknown(rows: Matrix, covariance: Matrix, noise: float) -> Matrix:
    """Return the covariance (k, k) that is left once the codewords of ``rows`` (n, k) are known."""
    return _left(rows, _checked(covariance, noise), noise)


def telling_order(rows: Matrix, covariance: Matrix, noise: float) -> npt.NDArray[np.intp]:
    """Return the order in which each row tells the most beside those before it, (n_rows,)."""
    unknown = _checked(covariance, noise).copy()
    left, order = list(range(len(rows))), []
    while left:
        told = np.einsum("ij,ij->i", rows[left] @ unknown, rows[left])
        order.append(left.pop(int(np.argmax(told))))
        unknown = _after(unknown, rows[order[-1]], noise)
    return np.array(order, dtype=np.intp)


def _checked(covariance: Matrix, noise: float) -> Matrix:
    S = np.asarray(covariance, dtype=float)
    if S.ndim != 2 or S.shape[0] != S.shape[1] or not S.size:
        raise ConfigError(f"covariance: wants a square matrix, got shape {S.shape}")
    if not np.isfinite(S).all():
        raise ConfigError("covariance: holds a number that is not finite")
    scale = float(np.abs(S).max())
    if np.abs(S - S.T).max() > 1e-9 * scale or np.linalg.eigvalsh(S)[0] < -1e-9 * scale * len(S):
        raise ConfigError("covariance: wants a symmetric matrix without negative eigenvalues")
    if not (np.isfinite(noise) and noise > 0.0):
        raise ConfigError(f"noise: wants a variance above 0, got {noise}")
    return S


def _after(unknown: Matrix, row: Matrix, noise: float) -> Matrix:
    """Return the covariance that is left once the codeword of ``row`` is known."""
    along = unknown @ row
    left: Matrix = unknown - np.outer(along, along) / (noise + float(row @ along))
    return left


def _left(rows: Matrix, covariance: Matrix, noise: float) -> Matrix:
    """Do what `left_unknown` does, of a covariance that was checked."""
    if not len(rows):
        return covariance
    along = rows @ covariance
    gram = noise * np.eye(len(rows)) + along @ rows.T
    left: Matrix = covariance - along.T @ np.linalg.solve(gram, along)
    return (left + left.T) / 2.0


def _best_row(unknown: Matrix, weight: int, kept: Matrix | None) -> Matrix:
    """Return the light unit row with the largest ``a' P a`` that is found, P (k, k).

    Begun at the principal component, at the segment of largest variance and at the row so far.
    """
    k = len(unknown)
    starts = [np.linalg.eigh(unknown)[1][:, -1], np.eye(k)[int(np.argmax(unknown.diagonal()))]]
    found = [_ascended(unknown, weight, start) for start in starts]
    if kept is not None:
        found += [_ascended(unknown, weight, kept), kept]
    return max(found, key=lambda row: float(row @ unknown @ row))


def _ascended(unknown: Matrix, weight: int, start: Matrix) -> Matrix:
    """Return the row at which the truncated power method ends: Yuan & Zhang, JMLR 2013."""
    row, support = start, None
    for _ in range(STEPS):
        pulled = unknown @ row
        columns = np.sort(np.argpartition(-np.abs(pulled), weight - 1)[:weight])
        if support is not None and np.array_equal(columns, support):
            break
        support = columns
        inside = np.linalg.eigh(unknown[np.ix_(columns, columns)])[1][:, -1]
        row = np.zeros(len(unknown))
        row[columns] = inside
    return row
