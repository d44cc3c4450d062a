"""Packings of light unit rows: lines of real projective space, as far apart as can be found."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from ...errors import ConfigError
from .anneal import ITERATIONS, POWERS, Pattern, anneal, settled
from .dispatch import dispatch_order
from .exchange import EXPONENTS, SWEEPS, searched_signs
from .quality import coherence, frame_potential
from .supports import balanced_supports

Matrix = npt.NDArray[np.float64]

FLOOR = 0.5
STARTS = 4

# How far magnitudes are moved apart at first, relative to them.
SCATTER = 0.1

# Digits in which coherences and potentials are compared.
DIGITS = 6

# Pairs of numbers in one column. Up to the first number all is tried, beyond it there are fewer
# beginnings and steps in proportion; at the second one a packing takes a minute.
EASY_MEETINGS = 2**15
MOST_MEETINGS = 2**24
FEWEST_ITERATIONS = 20

# Rows times columns: with so many a packing takes minutes.
MOST_PLACES = 2**21


def pack(
    weights: npt.ArrayLike,
    n_columns: int,
    *,
    floor: float = FLOOR,
    seed: int = 0,
    starts: int = STARTS,
) -> Matrix:
    """Return unit rows whose largest cosine, the coherence, is small, (n_rows, n_columns).

    weights : (n_rows,), the numbers of each row that are not 0, 1 to n_columns
    floor   : each of these is at least floor / sqrt(weight) in magnitude, 0 to 1
    starts  : the best of so many random beginnings is kept, of fewer where there are many rows

    Any two codewords ``a G`` and ``b G`` share ``-log(sin angle)`` of information per number of
    theirs if G is isotropic and Gaussian, so the worst pair of any set of survivors shares no more
    than the coherence says. Columns are balanced (`balanced_supports`), then columns and signs
    searched for at equal magnitudes (`searched_signs`), then the numbers moved (`anneal`). Of equal
    coherences the smallest frame potential is taken. The rows are in `dispatch_order`, the first
    number of each is positive.

    The same bits on every machine: random integers, and sums, products, quotients and square roots
    in a fixed order; the order of the rows and the choice of a beginning look at 6 digits.
    """
    sizes = checked_weights(weights, n_columns)
    check_floor(floor)
    if sizes.size * n_columns > MOST_PLACES:
        raise ConfigError(
            f"code.n_segments: {sizes.size} messages of {n_columns} segments are too many to pack, "
            f"more than {MOST_PLACES} places; take fewer segments or messages"
        )
    meetings = int(sizes.sum()) ** 2 // (2 * n_columns)
    if meetings > MOST_MEETINGS:
        raise ConfigError(
            f"code.weight: {len(sizes)} rows with {int(sizes.sum())} numbers on {n_columns} "
            f"columns meet {meetings:.1e} times, more than the {MOST_MEETINGS:.1e} a packing takes"
        )
    effort = min(1.0, EASY_MEETINGS / max(1, meetings))
    candidates = [
        rows
        for start in range(max(1, round(starts * effort)))
        for rows in _candidates(sizes, n_columns, floor, effort, [seed, start])
    ]
    best = min(candidates, key=_rank)
    return facing(best[dispatch_order(best)])


def _candidates(
    sizes: npt.NDArray[np.intp], n_columns: int, floor: float, effort: float, seed: list[int]
) -> Iterator[Matrix]:
    """Yield what comes of one random beginning, in two ways."""
    rng = np.random.default_rng([*seed, sizes.size, n_columns])
    supports = balanced_supports(sizes, n_columns, rng)
    iterations = max(FEWEST_ITERATIONS, round(ITERATIONS * effort))
    if ((sizes == 1) | (sizes == n_columns)).all():
        # nothing to search for: rows from anywhere go by way of the frame potential
        pattern = Pattern.of(supports, n_columns)
        values = 2.0 * rng.random(pattern.columns.size) - 1.0
        begun = settled(pattern, values, floor)
        yield pattern.matrix(anneal(pattern, begun, floor, (1, 2, *POWERS), iterations))
        values = np.copysign(1.0, values)
    else:
        exponent = EXPONENTS[seed[-1] % len(EXPONENTS)]
        sweeps = max(1, round(SWEEPS * effort))
        signs = searched_signs(supports, n_columns, exponent, rng, sweeps)
        pattern = Pattern.of([np.flatnonzero(row) for row in signs], n_columns)
        values = signs[pattern.rows, pattern.columns].astype(float)
        yield pattern.matrix(settled(pattern, values, 1.0))
    # to begin at a point of symmetry would mean to stay there
    values *= 1.0 + SCATTER * (rng.random(values.size) - 0.5)
    begun = settled(pattern, values, floor)
    yield pattern.matrix(anneal(pattern, begun, floor, POWERS, iterations))


def _rank(rows: Matrix) -> tuple[float, float]:
    return round(coherence(rows), DIGITS), round(frame_potential(rows), DIGITS)


def facing(rows: Matrix) -> Matrix:
    """Return the same lines by rows whose first number is positive."""
    first = rows[np.arange(len(rows)), np.argmax(rows != 0, axis=1)]
    faced: Matrix = rows * np.copysign(1.0, first)[:, None] + 0.0
    return faced


def check_floor(floor: float) -> None:
    """Raise `ConfigError` for a floor that unit rows cannot keep."""
    if not 0.0 <= floor <= 1.0:
        raise ConfigError(f"code.floor: wants 0 to 1, got {floor}")


def checked_weights(weights: npt.ArrayLike, n_columns: int) -> npt.NDArray[np.intp]:
    """Return the weights as an array; `ConfigError` for one that a row cannot have."""
    sizes = np.asarray(weights)
    if sizes.ndim != 1 or not sizes.size or sizes.dtype.kind not in "iu":
        raise ConfigError(f"code.weight: wants a whole number for each row, got {weights!r}")
    wrong = sizes[(sizes < 1) | (sizes > n_columns)]
    if wrong.size:
        raise ConfigError(
            f"code.weight: {wrong[0]} of {n_columns} segments cannot be in a message; "
            f"wants 1 to {n_columns}"
        )
    return sizes.astype(np.intp)
