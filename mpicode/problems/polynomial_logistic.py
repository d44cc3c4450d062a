"""Logistic regression whose slope is a polynomial, so that polynomial codes decode it exactly."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ..errors import ConfigError
from .base import Float, Number
from .linear import LinearModel

# Nodes of the quadrature that fits the polynomial; and digits kept of it, so that machines whose
# exponential function differs in the last one have the same.
NODES = 64
DIGITS = 12


class PolynomialLogistic(LinearModel):
    """Slope of a row: ``p(z) - y``, with the polynomial p closest to the logistic function.

    activation_degree : of p, 1 or 3
    within            : p is the best, in the mean square, for z from -within to within

    y is in {0, 1}; the loss is the integral of the slope, log(2) at z = 0, and class 1 is predicted
    where z > 0. With degree 3 the slope turns back a little beyond ``within``: keep z inside by the
    step size, scaled features or l2. The gradient has degree ``activation_degree + 1`` in the data.
    (Polynomials in place of the logistic function: So, Guler & Avestimehr, "CodedPrivateML".)
    """

    name = "polynomial-logistic"
    tasks = ("binary",)
    degree = 4

    def __init__(
        self,
        *,
        activation_degree: Literal[1, 3] = 3,
        within: float = 5.0,
        l2: float = 0.0,
        intercept: bool = True,
        n_features: int,
        n_classes: int = 0,
        task: str,
        dtype: npt.DTypeLike = np.float64,
    ) -> None:
        if not (math.isfinite(within) and within > 0):
            raise ConfigError(f"problem.within: must be positive, got {within}")
        super().__init__(
            l2=l2,
            intercept=intercept,
            n_features=n_features,
            n_classes=n_classes,
            task=task,
            dtype=dtype,
        )
        self.degree = activation_degree + 1
        self._linear, self._cubic = fitted(activation_degree, within)

    def slope(self, z: Any, y: Any) -> Any:
        """See `LinearModel.slope`."""
        odd = z * self._linear
        if self._cubic:
            odd = odd + z * z * z * self._cubic
        return odd + (0.5 - y)

    def _residual(self, z: Float, y: npt.NDArray[Any], weights: Float) -> Number:
        square = z * z
        loss = math.log(2) + (0.5 - y) * z
        loss += square * (self._linear / 2 + self._cubic / 4 * square)
        total = weights @ loss.astype(np.result_type(z, np.float64), copy=False)
        z *= self._linear + self._cubic * square
        z += 0.5 - y
        z *= weights
        return total.item()

    def _correct(self, z: Float, y: npt.NDArray[Any]) -> float:
        return float(np.count_nonzero((z > 0) == y))


@lru_cache(maxsize=8)
def fitted(degree: int, within: float) -> tuple[float, float]:
    """Return a and b of ``1/2 + a z + b z^3``, closest to 1 / (1 + exp(-z)) for |z| <= within.

    The square of the difference is integrated; b is 0 for degree 1.
    """
    nodes, quadrature = np.polynomial.legendre.leggauss(NODES)
    z = within * nodes
    powers = np.stack([nodes, nodes**3][: (degree + 1) // 2], axis=1)
    root = np.sqrt(quadrature)
    found = np.linalg.lstsq(root[:, None] * powers, root * np.tanh(z / 2) / 2, rcond=None)[0]
    linear, cubic = np.round([*found, 0.0][:2], DIGITS).tolist()
    return linear / within, cubic / within**3
