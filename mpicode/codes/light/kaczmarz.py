"""Kaczmarz's method: each codeword is made true, at the least change of the estimate."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ...errors import ConfigError
from ...kernels import LightSteps
from .base import Float, Matrix, Stepper
from .correcting import Correcting


class Kaczmarz(Correcting):
    """Projects the estimate on what the codeword says: changes the segments of its row alone.

    relaxation : r, between 0 and 2: the way to the projection is gone r times. The squared error
                 falls by ``r (2 - r) |c - a^T G|^2 / |a|^2``; below 1 noise is averaged

    The newest codeword counts most, so a gradient that moves is followed, whatever is lost. For
    rows drawn with probability |a|^2 / |A|^2 and a gradient that stands still the squared error
    shrinks by 1 - r (2 - r) lambda_min(A^T A) / |A|^2 per codeword, on average (Strohmer and
    Vershynin, "A randomized Kaczmarz algorithm with exponential convergence", 2009).
    """

    name = "kaczmarz"
    accepts_stale = True

    def __init__(self, *, rows: npt.ArrayLike, length: int, relaxation: float = 1.0) -> None:
        super().__init__(rows=rows, length=length)
        if not 0.0 < relaxation < 2.0:
            raise ConfigError(f"decoder.relaxation: must be between 0 and 2, got {relaxation}")
        self.relaxation = relaxation
        self._gains: Matrix = self.rows * (relaxation / self.squares)[:, np.newaxis]
        self._moves: Matrix = self._gains  # what a step adds to the estimate before: that after it
        self._exact = (relaxation == 1.0) & (np.count_nonzero(self.rows, axis=1) == 1)
        self._known = np.zeros(self.n_segments, dtype=bool)

    def _weigh(self, row: int, staleness: int, variance: float) -> tuple[Matrix, Matrix]:
        self._note(row)
        return self.rows[row], self._gains[row]

    def _move(self, row: int, gain: Matrix) -> Matrix:
        move: Matrix = self._moves[row]
        return move

    def stepper(self, x: Matrix) -> Stepper:
        """See `LightDecoder.stepper`: one call of a kernel per message."""
        self._check_step(x, 0.0)
        step = LightSteps(x, self._moves, self.state, self.rows, self._gains).take
        seen, note = self.seen, self._note if self._exact.any() else None

        def take(row: int, codeword: Float, step_size: float, staleness: int) -> float:
            square = step(row, codeword, step_size)
            if square == square:
                seen[row] = True
                if note is not None:
                    note(row)
            return square

        return take

    def _note(self, row: int) -> None:
        """Take down which segments are known once the row was used."""
        self._known[self.supports[row]] = self._exact[row]

    def known(self) -> npt.NDArray[np.bool_]:
        """Return which segments were last changed by a message of that segment alone."""
        return self._known.copy()

    def reset(self) -> None:
        """Forget everything."""
        super().reset()
        self._known[:] = False


class Sega(Kaczmarz):
    """As `Kaczmarz`, but steps go along an unbiased estimate.

    The step is along ``G + k a (c - a^T G)`` with the estimate G before the codeword. Its mean over
    all rows of a tight code (A^T A = n / k, unit rows) is the gradient, whatever the estimate; so
    its noise vanishes as the estimate becomes right. (SEGA: Hanzely, Mishchenko and Richtarik,
    NeurIPS 2018.)
    """

    name = "sega"

    def __init__(self, *, rows: npt.ArrayLike, length: int, relaxation: float = 1.0) -> None:
        super().__init__(rows=rows, length=length, relaxation=relaxation)
        # where all rows are of one length, (k / |a|^2) a
        scale = self.n_segments * self.n_rows / float(self.squares.sum())
        self._moves = scale * self.rows
