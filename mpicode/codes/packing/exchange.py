"""Light rows of equal magnitudes whose columns and signs are searched for."""

from __future__ import annotations

from math import sqrt

import numpy as np
import numpy.typing as npt

from ...kernels import exchange_signs
from .supports import Supports

Signs = npt.NDArray[np.int8]

# Cosines count with this power; one after the other, since either finds what the other misses.
EXPONENTS = (4, 8)

STAGES = 100
COOLING = 0.955
# Moves per stage, as many for each number of the rows.
SWEEPS = 20
# The products of all pairs of rows are kept.
MOST_ROWS = 4096


def searched_signs(
    supports: Supports,
    n_columns: int,
    exponent: int,
    rng: np.random.Generator,
    sweeps: int = SWEEPS,
) -> Signs:
    """Return signs, (n_rows, n_columns), that make ``sum_{i<j} |rho_ij|^exponent`` small.

    The rows begin on their columns with random signs and keep their weights, the columns their
    numbers of rows. Simulated annealing, see `kernels.exchange_signs`. Rows of one column stay,
    since what they add to the sum does not change.
    """
    signs = np.zeros((len(supports), n_columns), dtype=np.int8)
    for row, columns in enumerate(supports):
        signs[row, columns] = rng.choice([-1, 1], size=columns.size)
    weights = np.array([columns.size for columns in supports])
    moving = weights > 1
    light = moving & (weights < n_columns)
    if not light.any() or len(weights) > MOST_ROWS:
        return signs
    chosen = np.ascontiguousarray(signs[moving])
    n_numbers = int(weights[moving].sum())
    penalties = np.ones(n_columns + 1)
    for _ in range(exponent):
        penalties *= np.arange(n_columns + 1.0)
    # cosines are products over the root of both weights
    scales = np.ones(chosen.shape[0])
    for _ in range(exponent // 2):
        scales /= weights[moving]
    # What one move costs: as many pairs as meet on a column, each with a product that goes from 0
    # to 2, or from a typical one.
    middle = int(np.median(weights[light]))
    typical = sqrt(middle * middle / n_columns)
    hot = sqrt(n_numbers / n_columns) * (2.0**exponent + 2 * typical ** (exponent - 1))
    hot *= float(scales[weights[moving] == middle].max(initial=scales.min())) ** 2
    temperatures = hot * np.cumprod(np.full(STAGES, COOLING))
    seed = int(rng.integers(2**63))
    signs[moving] = exchange_signs(
        chosen, penalties, scales, temperatures, sweeps * n_numbers, seed
    )
    return signs
