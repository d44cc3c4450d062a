"""Linear regression."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from . import losses
from .base import Float, Number
from .linear import LinearModel


class LeastSquares(LinearModel):
    """Loss of a row: ``1/2 (z - y)^2``."""

    name = "least-squares"
    tasks = ("regression",)
    degree = 2

    def slope(self, z: Any, y: Any) -> Any:
        """See `LinearModel.slope`."""
        return z - y

    def _residual(self, z: Float, y: npt.NDArray[Any], weights: Float) -> Number:
        return losses.SQUARED.residual(z, y, weights)
