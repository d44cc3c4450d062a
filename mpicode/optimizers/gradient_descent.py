"""Plain gradient descent."""

from __future__ import annotations

import numpy as np

from .base import Float, Optimizer


class GradientDescent(Optimizer):
    """``x <- x - a g``, with step size a."""

    name = "gradient-descent"

    def _update(self, x: Float, gradient: Float, step_size: float) -> None:
        for x_, g, change in self._blocks(x, gradient):
            np.multiply(g, step_size, out=change)
            x_ -= change
