"""Light rows moved apart: less and less smooth energies, on a product of spheres with a floor."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from ...kernels import frame_energy, sphere_step
from .supports import Supports

Vector = npt.NDArray[np.float64]

# p of the energies, each begun where the one before ended. p = 1 is the frame potential, which the
# search for signs has lowered already; the larger p, the nearer the energy to the largest cosine.
POWERS = (4, 8, 16, 32, 64, 128, 256)
ITERATIONS = 300
FIRST_STEP = 0.1
LAST_STEP = 1e-9


@dataclass(frozen=True)
class Pattern:
    """Where the numbers of light rows lie, and which pairs of rows share which columns.

    The numbers of all rows stand in one vector, row after row, (n_values,).

    row_starts          : (n_rows + 1,) where each row begins
    rows, columns       : (n_values,) of each number
    starts, left, right : the pairs that share columns, as `kernels.frame_energy` takes them
    """

    n_columns: int
    row_starts: npt.NDArray[np.int64]
    rows: npt.NDArray[np.intp]
    columns: npt.NDArray[np.intp]
    starts: npt.NDArray[np.int64]
    left: npt.NDArray[np.int32]
    right: npt.NDArray[np.int32]

    @classmethod
    def of(cls, supports: Supports, n_columns: int) -> Pattern:
        """Return the pattern of rows with these columns."""
        sizes = np.array([support.size for support in supports])
        row_starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        rows = np.repeat(np.arange(len(supports)), sizes)
        columns = np.concatenate(supports)
        left, right = _meetings(rows, columns, n_columns)
        pair = rows[left] * len(supports) + rows[right]
        order = np.lexsort((columns[left], pair))
        left, right, pair = left[order], right[order], pair[order]
        starts = np.flatnonzero(np.diff(pair, prepend=-1))
        return cls(
            n_columns,
            row_starts,
            rows,
            columns,
            np.append(starts, pair.size).astype(np.int64),
            left.astype(np.int32),
            right.astype(np.int32),
        )

    def matrix(self, values: Vector) -> Vector:
        """Return the rows, (n_rows, n_columns)."""
        matrix = np.zeros((self.row_starts.size - 1, self.n_columns))
        matrix[self.rows, self.columns] = values
        return matrix

    def energy(self, values: Vector, p: int, gradient: Vector) -> float:
        """Return ``E = (sum_{i<j} rho_ij^2p)^(1/2p)``, its derivatives into ``gradient``."""
        return frame_energy(values, self.starts, self.left, self.right, 2 * p, gradient)


def _meetings(
    rows: npt.NDArray[np.intp], columns: npt.NDArray[np.intp], n_columns: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return all pairs of places in one column, the earlier row first."""
    first, second = [], []
    by_column = np.lexsort((rows, columns))
    edges = np.searchsorted(columns[by_column], np.arange(n_columns + 1))
    for low, high in pairwise(edges.tolist()):
        one, other = np.triu_indices(high - low, 1)
        first.append(by_column[low + one])
        second.append(by_column[low + other])
    return np.concatenate(first), np.concatenate(second)


def descend(
    pattern: Pattern, values: Vector, p: int, floor: float, iterations: int = ITERATIONS
) -> Iterator[tuple[float, Vector]]:
    """Go down the energy of power p; yield energy and numbers after each step that was taken.

    values : (n_values,) to begin at, on the spheres and above the floor; it is written to

    A step that does not lower the energy is not taken, and the next is half as long.
    """
    gradient, tried, slope = (np.empty_like(values) for _ in range(3))
    energy = pattern.energy(values, p, gradient)
    length = FIRST_STEP
    for _ in range(iterations):
        steep = sphere_step(values, pattern.row_starts, gradient, length, floor, tried)
        if steep == 0.0 or length < LAST_STEP:
            return
        lower = pattern.energy(tried, p, slope)
        if lower < energy:
            energy = lower
            values[:] = tried
            gradient, slope = slope, gradient
            length *= 1.5
            yield energy, values
        else:
            length *= 0.5


def anneal(
    pattern: Pattern,
    values: Vector,
    floor: float,
    powers: tuple[int, ...],
    iterations: int = ITERATIONS,
) -> Vector:
    """Return the numbers, (n_values,), to which the energies lead one after the other."""
    for p in powers:
        for _ in descend(pattern, values, p, floor, iterations):
            pass
    return values


def settled(pattern: Pattern, values: Vector, floor: float) -> Vector:
    """Return the numbers, (n_values,), put on the spheres and above the floor."""
    out = np.empty_like(values)
    sphere_step(values, pattern.row_starts, np.zeros_like(values), 0.0, floor, out)
    return out
