"""Linear regression."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .base import Float
from .linear import LinearModel


class LeastSquares(LinearModel):
    """Loss of a row: ``1/2 (z - y)^2``."""

    name = "least-squares"
    tasks = ("regression",)

    def _residual(self, z: Float, y: npt.NDArray[Any], weights: Float) -> float:
        z -= y
        weighted = weights * z
        # In double precision whatever the data: stop rules compare losses.
        loss = 0.5 * float(weighted.astype(np.float64, copy=False) @ z)
        z[...] = weighted
        return loss
