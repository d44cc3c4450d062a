"""What can be wrong with the arguments of the packing kernels; see `mpicode.kernels.checks`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .checks import apart, array, output, same_shape

Array = NDArray[Any]

# Places for a sign, so that 24 random bits choose among them evenly enough.
MOST_SIGNS = 2**24


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


def exchange_signs(
    signs: object,
    penalties: object,
    scales: object,
    temperatures: object,
    moves: object,
    seed: object,
) -> None:
    """Check the arguments of `exchange_signs`."""
    given = output("signs", signs, ("int8",), (2,))
    if np.abs(given).max(initial=0) > 1:
        raise ValueError("signs: wants -1, 0 and 1")
    if given.size > MOST_SIGNS:
        raise ValueError(f"signs: {given.size} of them, wants at most {MOST_SIGNS}")
    same_shape(
        "penalties", array("penalties", penalties, ("float64",)), (given.shape[1] + 1,), "signs"
    )
    same_shape("scales", array("scales", scales, ("float64",)), given.shape[:1], "signs")
    array("temperatures", temperatures, ("float64",))
    if not isinstance(moves, (int, np.integer)) or moves < 0:
        raise ValueError(f"moves: wants an integer of at least 0, got {moves!r}")
    if not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**64:
        raise ValueError(f"seed: wants an integer from 0 to 2^64 - 1, got {seed!r}")
