"""Softmax (multinomial logistic) regression."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy.typing as npt

from . import losses
from .base import Float, Number
from .linear import LinearModel


class Softmax(LinearModel):
    """Loss of a row: ``log(sum_c exp(z_c)) - z_y``; the class of the largest z is predicted.

    Every class has its own column of weights, also where there are only two.
    """

    name = "softmax"
    tasks = ("multiclass", "binary")
    one_output: ClassVar[bool] = False

    def _residual(self, z: Float, y: npt.NDArray[Any], weights: Float) -> Number:
        return losses.SOFTMAX.residual(z, y, weights)

    def _correct(self, z: Float, y: npt.NDArray[Any]) -> float:
        return losses.SOFTMAX.correct(z, y)
