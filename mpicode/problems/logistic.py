"""Logistic regression: two classes."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from . import losses
from .base import Float, Number
from .linear import LinearModel


class Logistic(LinearModel):
    """Loss of a row: ``log(1 + exp(z)) - y z``, y in {0, 1}; class 1 is predicted where z > 0."""

    name = "logistic"
    tasks = ("binary",)

    def _residual(self, z: Float, y: npt.NDArray[Any], weights: Float) -> Number:
        return losses.LOGISTIC.residual(z, y, weights)

    def _correct(self, z: Float, y: npt.NDArray[Any]) -> float:
        return losses.LOGISTIC.correct(z, y)
