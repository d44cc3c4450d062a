"""Peeling: a codeword with one unknown segment solves it, which may leave another with one."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ...kernels import combine
from .base import Float, LightDecoder, Segments


class Peeling(LightDecoder):
    """Solves segments one at a time, and leaves the others zero; O(weight * L) for each.

    It begins with a message of one segment: a code without such ("packed") it never begins. What is
    solved is exact, up to rounding, and does not depend on the order of arrival; `Orthogonal` knows
    these segments and more.
    """

    name = "peel"
    keeps_codewords = True

    def __init__(self, *, rows: npt.ArrayLike, length: int) -> None:
        super().__init__(rows=rows, length=length)
        self._solved = np.zeros(self.n_segments, dtype=bool)
        self._waiting: dict[int, Float] = {}

    def _add(self, row: int, codeword: Float, staleness: int, variance: float) -> Segments:
        self._waiting[row] = codeword
        solved: list[int] = []
        fresh = [row]
        while fresh:
            segment = self._peel(fresh.pop())
            if segment is not None:
                solved.append(segment)
                fresh += [other for other in self._waiting if self.rows[other, segment] != 0.0]
        return np.array(sorted(solved), dtype=np.intp)

    def _peel(self, row: int) -> int | None:
        """Solve the one segment of a waiting row that is not known; return it."""
        if row not in self._waiting:
            return None
        support = self.supports[row]
        unknown = support[~self._solved[support]]
        if unknown.size > 1:
            return None
        codeword = self._waiting.pop(row)
        if not unknown.size:
            return None
        segment = int(unknown[0])
        a = self.rows[row]
        others = support[support != segment]
        factors = np.concatenate([[1.0], -a[others]]) / a[segment]
        vectors = [codeword.astype(np.float64, copy=False), *self.state[others]]
        combine(factors, vectors, self.state[segment])
        self._solved[segment] = True
        return segment

    def known(self) -> npt.NDArray[np.bool_]:
        """Return which segments are solved."""
        return self._solved.copy()

    def reset(self) -> None:
        """Forget everything, and let go of the codewords."""
        super().reset()
        self._solved[:] = False
        self._waiting.clear()
