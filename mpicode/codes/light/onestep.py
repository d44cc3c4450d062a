"""One-step decoding: no system is solved."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ...kernels import innovate
from .base import Float, LightDecoder, Matrix, Segments


class OneStep(LightDecoder):
    """Adds up ``a c^T`` over the messages, and scales the sum by one number.

    The number ``g = sum |a_i|^2 / sum_ij <a_i, a_j>^2`` makes ``g A_T^T A_T`` the nearest to the
    identity; for unit rows and segments of independent numbers the mean squared error is then
    ``k - m^2 / |A_T A_T^T|_F^2`` per column. What every other method is to be better than.
    """

    name = "onestep"

    def __init__(self, *, rows: npt.ArrayLike, length: int) -> None:
        super().__init__(rows=rows, length=length)
        self._gram: Matrix = np.zeros((self.n_segments, self.n_segments))
        self._none: Matrix = np.zeros(self.n_segments)
        self._estimate: Matrix = np.zeros_like(self.state)

    def _add(self, row: int, codeword: Float, staleness: int, variance: float) -> Segments:
        a = self.rows[row]
        innovate(self._none, codeword, a, self.state)
        support = self.supports[row]
        self._gram[np.ix_(support, support)] += np.outer(a[support], a[support])
        # the scale is another for all of them
        return np.flatnonzero(self._gram.diagonal())

    def estimate(self) -> Matrix:
        """Return the scaled sum."""
        potential = float(np.vdot(self._gram, self._gram))
        scale = float(np.trace(self._gram)) / potential if potential else 0.0
        return np.multiply(self.state, scale, out=self._estimate)

    def known(self) -> npt.NDArray[np.bool_]:
        """Return False for all: nothing is solved for."""
        return np.zeros(self.n_segments, dtype=bool)

    def reset(self) -> None:
        """Forget everything."""
        super().reset()
        self._gram[:] = 0.0
