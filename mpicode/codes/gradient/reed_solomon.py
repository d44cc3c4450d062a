"""Reed-Solomon codes: Halbawi, Azizan, Salehi & Hassibi, ISIT 2018 (arXiv:1706.05436)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..checks import blocks_per_part, check_stragglers
from .tight import TightCode


class ReedSolomon(TightCode):
    """Block j's coefficients are a polynomial at the workers' points, 0 at those without it.

    n_stragglers : lost workers tolerated, any of them
    n_blocks     : blocks in all, a multiple of n_workers; default n_workers

    Worker i holds the n_stragglers + 1 blocks from i on, so all hold equally many and no code has
    fewer. Block j's polynomial has its zeros at the points of those who do not hold it, degree
    f - 1 with f = n - s, and leading coefficient 1. A message is thus the value, at the worker's
    point, of a polynomial whose leading coefficient is the sum, and any f values determine it: one
    row of the inverse Vandermonde matrix, f ** 2 operations. The points are the n-th roots of
    unity (on real ones the values differ too much in size), so the code is complex and messages
    take twice the bytes, unless s = n - 1; `cyclic-mds` is real half of the time.
    """

    name = "reed-solomon"

    def __init__(
        self, *, n_workers: int, n_stragglers: int = 1, n_blocks: int | None = None
    ) -> None:
        check_stragglers(n_workers, n_stragglers)
        self._points = np.exp(2j * np.pi / n_workers * np.arange(n_workers))
        self._n_awaited = n_workers - n_stragglers
        values = _values(self._points, n_stragglers)
        super().__init__(
            values,
            n_stragglers=n_stragglers,
            share=blocks_per_part(n_blocks, n_workers, "workers"),
            remedy="fewer stragglers, cyclic or fractional-repetition",
        )
        self._scale = values[0, 0] / self.encoding[0, 0]

    def solve(self, arrived: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
        """Take the leading coefficient of the polynomial through the values that arrived."""
        if arrived.sum() != self._n_awaited:
            return super().solve(arrived)
        points = self._points[arrived]
        gaps = points[:, None] - points
        np.fill_diagonal(gaps, 1.0)
        coefficients = np.zeros((1, self.n_messages), dtype=self.encoding.dtype)
        leading = self._scale / np.prod(gaps, axis=1)
        coefficients[0, arrived] = leading if coefficients.dtype.kind == "c" else leading.real
        return self.completions.refined(coefficients, np.flatnonzero(~arrived))


def _values(points: npt.NDArray[Any], s: int) -> npt.NDArray[Any]:
    """Return the blocks' polynomials at the points, (n_workers, n_workers)."""
    n = len(points)
    values = np.zeros((n, n), dtype=complex)
    for block in range(n):
        held = (block - np.arange(s + 1)) % n
        others = np.delete(points, held)
        values[held, block] = np.prod(points[held][:, None] - others, axis=1)
    # One point is the zero of no polynomial when every worker holds every block.
    return values if s < n - 1 else values.real
