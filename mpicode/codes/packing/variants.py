"""Rows by name: packings, and what they are held against."""

from __future__ import annotations

from collections.abc import Callable
from math import log, sqrt
from typing import Literal

import numpy as np
import numpy.typing as npt

from ...errors import ConfigError
from .pack import check_floor, checked_weights, pack
from .stored import stored

Matrix = npt.NDArray[np.float64]
Variant = Literal[
    "packed", "systematic", "degree-mix", "random-sign", "gaussian", "identity", "replicated"
]

# Random rows are drawn again, at most so often, until they determine everything.
DRAWS = 100


def default_weight(n_columns: int) -> int:
    """Return a weight at which survivors cover all columns: 4 up to 16, then log(k) + 2.

    By a union bound some column is uncovered by m random rows with probability at most
    ``k exp(-weight m / k)``.
    """
    return min(n_columns, 4 if n_columns <= 16 else round(log(n_columns) + 2))


def rows_of(
    variant: Variant, n_rows: int, n_columns: int, weight: int, floor: float, seed: int
) -> Matrix:
    """Return the unit rows of a variant, (n_rows, n_columns), n_rows at least n_columns.

    packed      : rows of one weight
    systematic  : the identity, then rows packed with it in place
    degree-mix  : a quarter of the rows with weight 1, a third with 2, packed with the rest
    random-sign : random columns, random signs, equal magnitudes
    gaussian    : dense, random
    identity    : the identity, once; replicated: several times

    The first three are packed with the seed, unless they are shipped: then the seed has no say.
    """
    checked_weights([weight], n_columns)
    check_floor(floor)
    if n_rows < n_columns:
        raise ConfigError(
            f"code.n_messages: {n_rows} messages of a block cannot tell its {n_columns} segments "
            f"apart; wants at least {n_columns}"
        )
    if variant in ("identity", "replicated"):
        return _copies(variant, n_rows, n_columns)
    if variant in ("random-sign", "gaussian"):
        return _drawn(variant, n_rows, n_columns, weight, seed)
    weights = weights_of(variant, n_rows, n_columns, weight)
    shipped = stored(weights, n_columns, floor)
    return pack(weights, n_columns, floor=floor, seed=seed) if shipped is None else shipped


def weights_of(variant: Variant, n_rows: int, n_columns: int, weight: int) -> npt.NDArray[np.intp]:
    """Return the weight of each row that is packed, (n_rows,)."""
    weights = np.full(n_rows, weight, dtype=np.intp)
    if variant == "systematic":
        weights[:n_columns] = 1
    elif variant == "degree-mix":
        singles, pairs = n_rows // 4, n_rows // 3
        weights[:singles] = 1
        weights[singles : singles + pairs] = min(2, weight)
    return weights


def _copies(variant: Variant, n_rows: int, n_columns: int) -> Matrix:
    """Return the identity as often as there are rows for it."""
    whole = n_rows // n_columns * n_columns
    valid = [n_columns] if variant == "identity" else [whole, whole + n_columns]
    if n_rows not in valid:
        raise ConfigError(
            f"code.n_messages: {variant!r} cannot have {n_rows} messages of {n_columns} segments; "
            f"nearest valid: {' or '.join(map(str, valid))}"
        )
    return np.tile(np.eye(n_columns), (n_rows // n_columns, 1))


def _drawn(variant: Variant, n_rows: int, n_columns: int, weight: int, seed: int) -> Matrix:
    rng = np.random.default_rng([seed, n_rows, n_columns, weight])
    draw: Callable[[], Matrix] = {
        "random-sign": lambda: random_signs(n_rows, n_columns, weight, rng),
        "gaussian": lambda: gaussian(n_rows, n_columns, rng),
    }[variant]
    for _ in range(DRAWS):
        rows = draw()
        if np.linalg.matrix_rank(rows) == n_columns:
            return rows
    raise ConfigError(
        f"code.n_messages: {DRAWS} times {n_rows} random messages of weight {weight} did not "
        f"determine {n_columns} segments; take more messages or a larger weight"
    )


def random_signs(n_rows: int, n_columns: int, weight: int, rng: np.random.Generator) -> Matrix:
    """Return rows of ``weight`` equal magnitudes on random columns with random signs."""
    rows = np.zeros((n_rows, n_columns))
    columns = np.argsort(rng.random(rows.shape), axis=1)[:, :weight]
    signs = rng.choice([-1.0, 1.0], size=columns.shape)
    np.put_along_axis(rows, columns, signs / sqrt(weight), axis=1)
    return rows


def gaussian(n_rows: int, n_columns: int, rng: np.random.Generator) -> Matrix:
    """Return independent rows, uniform on the sphere."""
    rows = rng.standard_normal((n_rows, n_columns))
    unit: Matrix = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit
