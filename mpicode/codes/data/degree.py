"""Whether a function is a polynomial of the degree it says: tried along random lines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import comb
from typing import Any

import numpy as np
import numpy.typing as npt

from ...errors import ConfigError

Array = npt.NDArray[Any]

LINES = 3

# What rounding leaves of a difference that should vanish, relative to the values it is made of.
VANISHING_SINGLE = 1e-5
VANISHING_DOUBLE = 1e-9


def probe_degree(
    f: Callable[..., npt.ArrayLike],
    shapes: Sequence[tuple[int, ...]],
    degree: int,
    rng: np.random.Generator,
    *,
    dtype: npt.DTypeLike = np.float64,
) -> None:
    """Raise `ConfigError` if ``f`` is no polynomial of ``degree`` in all its arguments together.

    f      : takes one array of each of the shapes, returns an array
    degree : the largest that is allowed

    At equally spaced points of a line, the differences of order degree + 1 of a polynomial of at
    most that degree vanish, and hardly those of any other function. A function that is one only
    near 0, where the lines lie, passes.
    """
    order = degree + 1
    signs = np.array([(-1) ** k * comb(order, k) for k in range(order + 1)], dtype=np.float64)
    for _ in range(LINES):
        start, step = ([rng.standard_normal(shape) for shape in shapes] for _ in range(2))
        values = [
            np.asarray(f(*((a + t * b).astype(dtype) for a, b in zip(start, step, strict=True))))
            for t in np.linspace(-1, 1, order + 1)
        ]
        if not all(np.isfinite(value).all() for value in values):
            raise ConfigError("code.degree: the function is not finite everywhere near 0")
        size = max(float(np.abs(value).max(initial=0.0)) for value in values)
        together = np.stack(values).astype(np.result_type(*values, np.float64))
        left = np.abs(np.tensordot(signs, together, axes=1))
        share = float(left.max(initial=0.0)) / (2**order * size or 1.0)
        single = np.float32 in (values[0].dtype, np.dtype(dtype))
        if share > (VANISHING_SINGLE if single else VANISHING_DOUBLE):
            raise ConfigError(
                f"code.degree: the function is no polynomial of degree {degree}: its differences "
                f"of order {order} are {share:.1g} of its values, wants 0"
            )
