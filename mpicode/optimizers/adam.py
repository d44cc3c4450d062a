"""Adam and AMSGrad."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ..errors import ConfigError
from .base import Float, Optimizer
from .schedules import Name


class Adam(Optimizer):
    """Steps scaled per parameter by the moments of its gradients.

    ``m <- b1 m + (1 - b1) g``, ``v <- b2 v + (1 - b2) g^2``, then with t = 1, 2, ...
    ``x <- x - a m/(1 - b1^t) / (sqrt(v/(1 - b2^t)) + epsilon)``. With ``amsgrad`` the largest v so
    far takes the place of v, still divided by 1 - b2^t.

    Source: Kingma and Ba, Adam, 2015, algorithm 1; Reddi, Kale and Kumar, On the convergence of
    Adam and beyond, 2018, algorithm 2 (which has no bias correction).
    """

    name = "adam"
    memory = ("first", "second")

    def __init__(
        self,
        *,
        step_size: float,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        amsgrad: bool = False,
        schedule: Name = "constant",
        decay: float = 0.1,
        decay_iterations: int | None = None,
        warmup_iterations: int = 0,
        n_parameters: int,
        dtype: npt.DTypeLike = np.float64,
    ) -> None:
        for key, beta in (("beta1", beta1), ("beta2", beta2)):
            if not 0 <= beta < 1:
                raise ConfigError(f"optimizer.{key}: must be from 0 to below 1, got {beta}")
        if not (math.isfinite(epsilon) and epsilon > 0):
            raise ConfigError(f"optimizer.epsilon: must be positive, got {epsilon}")
        super().__init__(
            step_size=step_size,
            schedule=schedule,
            decay=decay,
            decay_iterations=decay_iterations,
            warmup_iterations=warmup_iterations,
            n_parameters=n_parameters,
            dtype=dtype,
        )
        if amsgrad:
            self._vectors["largest"] = np.zeros(n_parameters, dtype)
        self.beta1, self.beta2, self.epsilon, self.amsgrad = beta1, beta2, epsilon, amsgrad

    def _update(self, x: Float, gradient: Float, step_size: float) -> None:
        t = self.iteration + 1
        first_step = step_size / (1.0 - self.beta1**t)
        correction = 1.0 / math.sqrt(1.0 - self.beta2**t)
        first, second = self._vectors["first"], self._vectors["second"]
        bound = self._vectors["largest"] if self.amsgrad else second
        for x_, g, m, v, bound_, scratch in self._blocks(x, gradient, first, second, bound):
            np.multiply(g, 1.0 - self.beta1, out=scratch)
            m *= self.beta1
            m += scratch
            np.multiply(g, g, out=scratch)
            scratch *= 1.0 - self.beta2
            v *= self.beta2
            v += scratch
            if self.amsgrad:
                np.maximum(bound_, v, out=bound_)
            np.sqrt(bound_, out=scratch)
            scratch *= correction
            scratch += self.epsilon
            np.divide(m, scratch, out=scratch)
            scratch *= first_step
            x_ -= scratch
