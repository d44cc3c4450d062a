"""What can be wrong with the arguments of the packing kernels; see `mpicode.kernels.checks`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .checks import apart, array, output, same_shape

Array = NDArray[Any]


def doublings(power: object) -> int:
    """Return q where ``power`` is 2 ** q, q at least 1."""
    if isinstance(power, (int, np.integer)) and 2 <= power <= 2**30:
        count = int(power).bit_length() - 1
        if power == 2**count:
            return count
    raise ValueError(f"power: wants 2, 4, 8 ... up to 2^30, got {power!r}")


def _ranges(name: str, starts: object, size: int, of: str) -> Array:
    edges = array(name, starts, ("int64",))
    if not edges.size or edges[0] != 0 or edges[-1] != size or (np.diff(edges) < 0).any():
        raise ValueError(f"{name}: wants numbers that rise from 0 to the {size} {of}")
    return edges


def frame_energy(
    values: object, starts: object, left: object, right: object, gradient: object
) -> None:
    """Check the arguments of `frame_energy`, save the power."""
    given = array("values", values, ("float64",))
    target = output("gradient", gradient, ("float64",))
    same_shape("gradient", target, given.shape, "values")
    apart("values", given, target)
    first = array("left", left, ("int32",))
    second = array("right", right, ("int32",))
    same_shape("right", second, first.shape, "left")
    _ranges("starts", starts, first.size, "terms")
    for name, places in (("left", first), ("right", second)):
        outside = places[(places < 0) | (places >= given.size)]
        if outside.size:
            raise ValueError(f"{name}: names value {int(outside[0])} of {given.size}")


def sphere_step(
    values: object,
    row_starts: object,
    gradient: object,
    length: object,
    floor: object,
    out: object,
) -> None:
    """Check the arguments of `sphere_step`."""
    given = array("values", values, ("float64",))
    slopes = array("gradient", gradient, ("float64",))
    target = output("out", out, ("float64",))
    same_shape("gradient", slopes, given.shape, "values")
    same_shape("out", target, given.shape, "values")
    apart("values", given, target)
    apart("gradient", slopes, target)
    _ranges("row_starts", row_starts, given.size, "values")
    for name, number in (("length", length), ("floor", floor)):
        if isinstance(number, bool) or not isinstance(number, (int, float, np.number)):
            raise TypeError(f"{name}: wants a number, got {number!r}")
