"""What decoders share that correct their estimate by what it did not foretell."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from ...kernels import innovate, innovate_step
from .base import Float, LightDecoder, Matrix, Segments

# The estimate is kept up to a factor, which is multiplied in before it leaves the range of numbers.
_SMALLEST_SCALE = 1e-100


class Correcting(LightDecoder):
    """Adds ``gain (c - a^T G)^T`` to its estimate G; a method is its choice of the gain (k,).

    unforeseen : squared norm of ``c - a^T G`` at the last codeword that did not come by a `stepper`
    """

    unforeseen: float = 0.0
    _scale: float = 1.0  # the estimate is this times the state

    def estimate(self) -> Matrix:
        """Return the estimate."""
        if self._scale != 1.0:
            self.state *= self._scale
            self._scale = 1.0
        return self.state

    def reset(self) -> None:
        """Forget everything."""
        super().reset()
        self._scale = 1.0
        self.unforeseen = 0.0

    @abstractmethod
    def _weigh(self, row: int, staleness: int, variance: float) -> tuple[Matrix, Matrix]:
        """Return what the codeword measures, (k,), and its gain; and take it for used.

        A gain of zero: it tells nothing new.
        """

    def _shrink(self, factor: float) -> None:
        """Multiply the estimate by ``factor``."""
        self._scale *= factor
        if self._scale < _SMALLEST_SCALE:
            self.estimate()

    def _add(self, row: int, codeword: Float, staleness: int, variance: float) -> Segments:
        measured, gain = self._weigh(row, staleness, variance)
        self.unforeseen = innovate(self._scale * measured, codeword, gain / self._scale, self.state)
        return np.flatnonzero(gain)

    def _add_and_step(
        self,
        row: int,
        codeword: Float,
        x: Matrix,
        step_size: float,
        staleness: int,
        variance: float,
    ) -> None:
        measured, gain = self._weigh(row, staleness, variance)
        self.unforeseen = innovate_step(
            self._scale * measured,
            codeword,
            gain / self._scale,
            self.state,
            self._move(row, gain) / self._scale,
            self._scale * step_size,
            x,
        )

    def _move(self, row: int, gain: Matrix) -> Matrix:
        """Return how much of ``c - a^T G`` a step adds to the estimate before: that after it."""
        return gain
