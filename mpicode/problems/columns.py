"""Columns of rows that enter a layer, mixed or picked, dense or CSR."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..kernels import csr_transpose_accumulate, mix_slots
from .base import Float, Integer, Rows

# The three arrays of rows in CSR form: data, indices, indptr, which need not begin at 0.
Csr = tuple[Float, Integer, Integer]
# Rows that enter a layer, (n_rows, n_in).
Entering = Float | Csr


def entering_of(rows: Rows) -> Entering:
    """Return what of ``rows`` enters the first layer."""
    X = rows.X
    return X if isinstance(X, np.ndarray) else (X.data, X.indices, X.indptr)


def rows_of(entering: Entering, chunk: slice) -> Entering:
    """Return some of the rows, a view."""
    if isinstance(entering, np.ndarray):
        return entering[chunk]
    data, indices, indptr = entering
    return data, indices, indptr[chunk.start : chunk.stop + 1]


def mixed_slots(vectors: Float, direction: npt.NDArray[np.float64], width: int) -> Float:
    """Return ``sum_u direction[u] * vectors[:, u * width:(u + 1) * width]``, (n_rows, width)."""
    out = np.empty((len(vectors), width), vectors.dtype)
    return mix_slots(np.ascontiguousarray(vectors), np.ascontiguousarray(direction), out)


def mixed_columns(entering: Entering, direction: npt.NDArray[np.float64], height: int) -> Entering:
    """Return the same of the columns of rows in either form, in that form."""
    if isinstance(entering, np.ndarray):
        return mixed_slots(entering, direction, height)
    data, indices, indptr = entering
    low, high = int(indptr[0]), int(indptr[-1])
    slot, column = np.divmod(indices[low:high], height)
    factors = np.append(direction, 0.0)[np.minimum(slot, len(direction))]
    kept = factors != 0.0
    counts = np.concatenate([[0], np.cumsum(kept)])
    values = data[low:high][kept] * factors[kept].astype(data.dtype)
    return values, column[kept], counts[indptr - low].astype(indptr.dtype)


def picked_columns(entering: Entering, columns: Integer) -> Float:
    """Return these columns, ascending numbers, as a dense array (n_rows, n_columns)."""
    if isinstance(entering, np.ndarray):
        return entering[:, columns]
    data, indices, indptr = entering
    low, high = int(indptr[0]), int(indptr[-1])
    place = np.searchsorted(columns, indices[low:high])
    found = columns[np.minimum(place, columns.size - 1)] == indices[low:high]
    row = np.repeat(np.arange(indptr.size - 1), np.diff(indptr))
    out = np.zeros((indptr.size - 1, columns.size), data.dtype)
    # a column may stand twice in a row
    np.add.at(out, (row[found], place[found]), data[low:high][found])
    return out


def add_product(entering: Entering, slopes: Float, out: Float) -> None:
    """Add ``entering.T @ slopes`` to ``out`` (n_in, n_slopes)."""
    if isinstance(entering, np.ndarray):
        out += entering.T @ slopes
    else:
        csr_transpose_accumulate(*entering, np.ascontiguousarray(slopes), out)
