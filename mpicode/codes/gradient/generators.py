"""Generators of short real MDS codes, as well conditioned as 200 draws find them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib import resources
from itertools import islice

import numpy as np
import numpy.typing as npt

from ...errors import ConfigError
from ..sets import straggler_sets

Matrix = npt.NDArray[np.float64]

# Everything up to here is in the table.
TABLE_LENGTH = 12
TABLE = "kadhe_generators.txt"

DRAWS = 200

# Sets of rows looked at for each draw beyond the table, and draws for such a code: half a second
# for 30 rows of 15.
SETS = 500
DRAWS_BEYOND = 20

# So many decimals are kept: far more than the condition needs, and few enough that hosts whose
# last digits differ get the same matrix.
DECIMALS = 6

# Beyond this, some set of answers would leave fewer than 8 correct digits.
MAX_CONDITION = 1e7


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
    worst = worst_condition(matrix, straggler_sets(length, dimension, 20 * SETS, rng))
    if worst > MAX_CONDITION:
        raise ConfigError(
            f"code.replication: with {length} copies and {dimension} segments some sets of answers "
            f"amplify rounding {worst:.0e} times, more than {MAX_CONDITION:.0e}; take fewer copies"
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
    limit = SETS if length > TABLE_LENGTH else 10**9
    sets = straggler_sets(length, dimension, limit, rng)
    candidates = [np.round(v, DECIMALS) for v in _candidates(draws, length, dimension, rng)]
    # Six digits: hosts whose last digits differ must make the same choice.
    worst = [float(f"{worst_condition(v, sets):.5e}") for v in candidates]
    return candidates[int(np.argmin(worst))]


def worst_condition(matrix: Matrix, sets: npt.NDArray[np.intp]) -> float:
    """Return the largest condition number of the sets of rows, (n_sets, dimension)."""
    singular = np.linalg.svd(matrix[sets], compute_uv=False)
    return float((singular[:, 0] / singular[:, -1]).max())


def _candidates(
    draws: int, length: int, dimension: int, rng: np.random.Generator
) -> Iterator[Matrix]:
    """Yield the best there is where it is known, else random orthonormal columns, scaled."""
    if dimension == 1:
        yield np.ones((length, 1))
    elif dimension == 2:
        # Equal angles over half a turn: the nearest two directions are as far apart as can be.
        angles = np.pi / length * np.arange(length)
        yield np.column_stack([np.cos(angles), np.sin(angles)])
    elif dimension == length:
        yield np.eye(length)
    else:
        for _ in range(draws):
            columns = np.linalg.qr(rng.standard_normal((length, dimension)))[0]
            yield np.sqrt(length / dimension) * columns
