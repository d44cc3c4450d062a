"""Generators of short real MDS codes, as well conditioned as 200 draws find them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, partial
from importlib import resources
from itertools import islice

import numpy as np
import numpy.typing as npt

from ...errors import ConfigError
from ..sets import Sets
from .completions import fixed_sets, worst_sets
from .tight import MAX_AMPLIFICATION

Matrix = npt.NDArray[np.float64]

# Everything up to here is in the table.
TABLE_LENGTH = 12
TABLE = "kadhe_generators.txt"

DRAWS = 200

# Draws compared for a code beyond the table: a second at most, for 15 of 30 rows.
DRAWS_BEYOND = 5

# So many decimals are kept: far more than the condition needs, and few enough that hosts whose
# last digits differ get the same matrix.
DECIMALS = 6


def generator(length: int, dimension: int, seed: int = 0) -> Matrix:
    """Return a matrix (length, dimension) of which any ``dimension`` rows are independent.

    Its columns are orthogonal and its rows have norm 1 in the mean. Up to `TABLE_LENGTH` it comes
    from the table, whatever the seed; longer ones are drawn. Raises `ConfigError` if some set of
    rows found is so nearly dependent that too few digits would be left.
    """
    if length <= TABLE_LENGTH:
        return table()[length, dimension]
    matrix = best_of(DRAWS_BEYOND, length, dimension, seed)
    rng = np.random.default_rng([seed, length, dimension, 1])
    sets = fixed_sets(length, length - dimension, length, rng)
    worst, _ = worst_sets(partial(conditions, matrix), sets, length, MAX_AMPLIFICATION)
    if not worst <= MAX_AMPLIFICATION:
        raise ConfigError(
            f"code.replication: with {length} copies and {dimension} segments some sets of answers "
            f"amplify rounding {worst:.0e} times, more than {MAX_AMPLIFICATION:.0e}; take fewer "
            f"copies"
        )
    return matrix


@cache
def table() -> dict[tuple[int, int], Matrix]:
    """Return the matrices shipped, by length and dimension; read-only."""
    text = resources.files(__package__).joinpath(TABLE).read_text(encoding="ascii")
    lines = iter(line for line in text.splitlines() if not line.startswith("#"))
    matrices = {}
    for line in lines:
        length, dimension, _ = line.split()
        rows = [[float(v) for v in row.split()] for row in islice(lines, int(length))]
        matrix = np.array(rows)
        matrix.flags.writeable = False
        matrices[int(length), int(dimension)] = matrix
    return matrices


def best_of(draws: int, length: int, dimension: int, seed: int = 0) -> Matrix:
    """Return the candidate whose worst condition is least, over sets that do not depend on it."""
    rng = np.random.default_rng([seed, length, dimension])
    sets = fixed_sets(length, length - dimension, length, rng)
    candidates = [rounded(matrix) for matrix in _candidates(draws, length, dimension, rng)]
    # Six digits: hosts whose last digits differ must make the same choice.
    worst = [float(f"{conditions(matrix, sets).max():.5e}") for matrix in candidates]
    return candidates[int(np.argmin(worst))]


def rounded(matrix: Matrix) -> Matrix:
    """Return the matrix to `DECIMALS`; the 0.0 makes -0 a 0."""
    return np.round(matrix, DECIMALS) + 0.0


def conditions(matrix: Matrix, lost: Sets) -> Matrix:
    """Return the condition number of the rows left for each set of lost ones, (n_sets,)."""
    left = np.ones((len(lost), len(matrix)), dtype=bool)
    np.put_along_axis(left, lost, False, axis=1)
    rows = np.nonzero(left)[1].reshape(len(lost), -1)
    singular = np.linalg.svd(matrix[rows], compute_uv=False)
    numbers: Matrix = singular[:, 0] / singular[:, -1]
    return numbers


def scaled(columns: Matrix) -> Matrix:
    """Return orthonormal columns that span the same, times what makes rows 1 in the mean."""
    length, dimension = columns.shape
    longer: Matrix = float(np.sqrt(length / dimension)) * np.linalg.qr(columns)[0]
    return longer


def _candidates(
    draws: int, length: int, dimension: int, rng: np.random.Generator
) -> Iterator[Matrix]:
    """Yield the best there is where it is known, else random orthonormal columns, scaled."""
    if dimension == 1:
        yield np.ones((length, 1))
    elif dimension == 2:
        # Equal angles over half a turn: the nearest two directions are as far apart as can be. They
        # begin off the axes, so that every message tells of both segments.
        angles = np.pi / length * (np.arange(length) + 0.25)
        yield np.column_stack([np.cos(angles), np.sin(angles)])
    elif dimension == length:
        yield np.eye(length)
    else:
        for _ in range(draws):
            yield scaled(rng.standard_normal((length, dimension)))
