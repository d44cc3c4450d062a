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


def exchange_signs(
    signs: Array, penalties: Array, scales: Array, temperatures: Array, moves: int, seed: int
) -> Array:
    """Search for signs and columns with less penalty, in place; see the package."""
    checks.exchange_signs(signs, penalties, scales, temperatures, moves, seed)
    if signs.any():
        search = _Search(signs, penalties.tolist(), scales.tolist(), int(seed))
        for temperature in temperatures.tolist():
            search.stage(temperature, int(moves))
        signs[:] = search.signs
    return signs


class _Search:
    """The state of `exchange_signs`, in lists: single numbers are slow to get out of an array."""

    def __init__(
        self, signs: Array, penalties: list[float], scales: list[float], seed: int
    ) -> None:
        wide = signs.astype(np.int64)
        self.signs: list[list[int]] = wide.tolist()
        self._penalties = penalties
        self._scales = scales
        self._products: list[list[int]] = (wide @ wide.T).tolist()
        rows, columns = np.nonzero(signs)
        self._row_of: list[int] = rows.tolist()
        self._column_of: list[int] = columns.tolist()
        self._members: list[list[int]] = [np.flatnonzero(each).tolist() for each in signs.T]
        self._random = seed

    def _draw(self) -> int:
        """Return 64 random bits: splitmix64."""
        mask = 2**64 - 1
        self._random = (self._random + 0x9E3779B97F4A7C15) & mask
        z = self._random
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        return z ^ (z >> 31)

    def _threshold(self) -> float:
        bits = max(self._draw() >> 11, 1)
        halvings = 53 - bits.bit_length()
        return 0.6931471805599453 * (halvings + (2.0 - (bits << halvings) / 4503599627370496.0))

    def stage(self, temperature: float, moves: int) -> None:
        """Try so many moves at one temperature."""
        n = len(self._row_of)
        for _ in range(moves):
            bits = self._draw()
            first = ((bits >> 32) * n) >> 32
            if bits & 1:
                self._flip(first, temperature)
            else:
                second = (((bits >> 8) & 0xFFFFFF) * n) >> 24
                self._exchange(
                    first, second, 1 if bits & 2 else -1, 1 if bits & 4 else -1, temperature
                )

    def _cost(self, row: int, changes: list[tuple[int, int]]) -> float:
        """Return what the penalties of a row's products change by; changes: other row, by."""
        products, penalties, scales = self._products[row], self._penalties, self._scales
        cost = 0.0
        for other, by in changes:
            before = products[other]
            cost += scales[other] * (penalties[abs(before + by)] - penalties[abs(before)])
        return scales[row] * cost

    def _apply(self, row: int, changes: list[tuple[int, int]]) -> None:
        for other, by in changes:
            self._products[row][other] += by
            self._products[other][row] += by

    def _flip(self, entry: int, temperature: float) -> None:
        signs, a, x = self.signs, self._row_of[entry], self._column_of[entry]
        twice = -2 * signs[a][x]
        changes = [(j, twice * signs[j][x]) for j in self._members[x] if j != a]
        if self._cost(a, changes) > temperature * self._threshold():
            return
        self._apply(a, changes)
        signs[a][x] = -signs[a][x]

    def _exchange(
        self, first: int, second: int, a_sign: int, b_sign: int, temperature: float
    ) -> None:
        signs, a, x = self.signs, self._row_of[first], self._column_of[first]
        b, y = self._row_of[second], self._column_of[second]
        if a == b or signs[b][x] or signs[a][y]:
            return
        of_a, of_b = signs[a][x], signs[b][y]
        # every other row on either column, those on x first
        others = [j for j in self._members[x] if j != a]
        others += [j for j in self._members[y] if j != b and not signs[j][x]]
        of_first = [(j, a_sign * signs[j][y] - of_a * signs[j][x]) for j in others]
        of_second = [(j, b_sign * signs[j][x] - of_b * signs[j][y]) for j in others]
        cost = self._cost(a, of_first) + self._cost(b, of_second)
        if cost > temperature * self._threshold():
            return
        self._apply(a, of_first)
        self._apply(b, of_second)
        for column, old, new in ((x, a, b), (y, b, a)):
            rows = self._members[column]
            rows[rows.index(old)] = new
        signs[a][x] = signs[b][y] = 0
        signs[a][y], signs[b][x] = a_sign, b_sign
        self._column_of[first], self._column_of[second] = y, x
