"""The plain twins of the packing kernels: the same bits.

`numpy.bincount` and `numpy.cumsum` add one number after the other, as the compiled loops do.
"""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import checks_packing as checks

Array = NDArray[Any]


def frame_energy(
    values: Array, starts: Array, left: Array, right: Array, power: int, gradient: Array
) -> float:
    """Return the energy of the cosines of all pairs, gradient in place; see the package."""
    doublings = checks.doublings(power)
    checks.frame_energy(values, starts, left, right, gradient)
    n_pairs = starts.size - 1
    pair = np.repeat(np.arange(n_pairs), np.diff(starts))
    rho = np.bincount(pair, weights=values[left] * values[right], minlength=n_pairs)
    gradient[:] = 0.0
    largest = float(np.fmax.reduce(np.abs(rho), initial=0.0))
    if not largest > 0.0:
        return 0.0
    with np.errstate(all="ignore"):
        ratio, odd = rho / largest, np.ones(n_pairs)
        for _ in range(doublings):
            odd *= ratio
            ratio *= ratio
        total = root = float(np.cumsum(ratio)[-1])
        for _ in range(doublings):
            root = sqrt(root)
        slopes = ((root / total) * odd)[pair]
        places = np.column_stack([left, right]).ravel()
        terms = np.column_stack([slopes * values[right], slopes * values[left]]).ravel()
        gradient[:] = np.bincount(places, weights=terms, minlength=values.size)
    return largest * root


def sphere_step(
    values: Array, row_starts: Array, gradient: Array, length: float, floor: float, out: Array
) -> float:
    """Go down the gradient along the spheres of the rows; see the package."""
    checks.sphere_step(values, row_starts, gradient, length, floor, out)
    sizes = np.diff(row_starts)
    n_rows = sizes.size
    row = np.repeat(np.arange(n_rows), sizes)

    def sums(numbers: Array) -> Array:
        return np.bincount(row, weights=numbers, minlength=n_rows)

    with np.errstate(all="ignore"):
        out[:] = gradient - sums(values * gradient)[row] * values
        squares = float(np.cumsum(out * out)[-1]) if out.size else 0.0
        slope = sqrt(squares)
        factor = 0.0 if squares == 0.0 else length * sqrt(n_rows) / slope
        out[:] = values - factor * out
        least = float(floor) / np.sqrt(sizes.astype(float))
        frozen = np.zeros(out.size, dtype=bool)
        scale = np.ones(n_rows)
        while True:
            totals = sums(np.where(frozen, 0.0, out * out))
            rest = 1.0 - sums(frozen.astype(float)) * (least * least)
            scale = np.where(totals == 0.0, scale, np.sqrt(rest / totals))
            low = ~frozen & (np.abs(out) * scale[row] < least[row])
            low &= (totals != 0.0)[row]
            if not low.any():
                break
            frozen |= low
        out[:] = np.where(frozen, np.copysign(least[row], out), out * scale[row])
    return slope
