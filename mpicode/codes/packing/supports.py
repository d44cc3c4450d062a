"""Which columns each row of a packing uses."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Supports = list[npt.NDArray[np.intp]]

# Choices compared for each row.
TRIES = 20


def balanced_supports(
    weights: npt.NDArray[np.intp], n_columns: int, rng: np.random.Generator
) -> Supports:
    """Return the columns of each row, ascending: equally many rows on every column, little overlap.

    weights : (n_rows,), how many columns each row has, 1 to n_columns

    Each row takes, one after the other, a column in the fewest rows so far, of these one that met
    the row's other columns in the fewest, of these any. So the numbers of rows on two columns
    differ by at most 1, after every row. Of several such choices the row keeps the one whose
    largest overlap with an earlier row is least. Rows of one column take the columns in turn.
    """
    degrees = np.zeros(n_columns, dtype=np.int64)
    together = np.zeros((n_columns, n_columns), dtype=np.int64)
    member = np.zeros((len(weights), n_columns), dtype=np.int64)
    supports: Supports = []
    for row, weight in enumerate(weights.tolist()):
        if weight == 1:
            columns = np.array([int(np.argmin(degrees))])
        elif weight == n_columns:
            columns = np.arange(n_columns)
        else:
            tried = _tries(weight, degrees, together, rng)
            overlaps = np.stack([member[:row, each].sum(axis=1) for each in tried])
            most = overlaps.max(axis=1, initial=0)
            crowd = (overlaps**2).sum(axis=1)
            columns = np.sort(tried[np.lexsort((crowd, most))[0]])
        degrees[columns] += 1
        together[np.ix_(columns, columns)] += 1
        member[row, columns] = 1
        supports.append(columns)
    return supports


def _tries(
    weight: int,
    degrees: npt.NDArray[np.int64],
    together: npt.NDArray[np.int64],
    rng: np.random.Generator,
) -> npt.NDArray[np.intp]:
    """Return choices of ``weight`` columns for one row, (TRIES, weight)."""
    every = np.arange(TRIES)
    met = np.zeros((TRIES, degrees.size), dtype=np.int64)
    taken = np.zeros((TRIES, degrees.size), dtype=np.int64)
    chosen = np.empty((TRIES, weight), dtype=np.intp)
    for place in range(weight):
        # one whole number decides: degree first, then meetings, then chance
        keys = (taken + degrees) * 2**42 + met * 2**22 + rng.integers(2**22, size=met.shape)
        columns = np.argmin(keys, axis=1)
        chosen[:, place] = columns
        taken[every, columns] = 2**16
        met += together[columns]
    return chosen
