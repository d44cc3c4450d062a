"""Methods with momentum."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from ..errors import ConfigError
from .base import Float, Optimizer
from .schedules import Name


class HeavyBall(Optimizer):
    """Polyak's heavy ball: ``v <- m v - a g``, ``x <- x + v``.

    Source: Polyak, Some methods of speeding up the convergence of iteration methods, 1964.
    """

    name = "heavy-ball"
    memory = ("velocity",)

    def __init__(
        self,
        *,
        step_size: float,
        momentum: float = 0.9,
        schedule: Name = "constant",
        decay: float = 0.1,
        decay_iterations: int | None = None,
        warmup_iterations: int = 0,
        n_parameters: int,
        dtype: npt.DTypeLike = np.float64,
    ) -> None:
        super().__init__(
            step_size=step_size,
            schedule=schedule,
            decay=decay,
            decay_iterations=decay_iterations,
            warmup_iterations=warmup_iterations,
            n_parameters=n_parameters,
            dtype=dtype,
        )
        self.momentum = _checked(momentum)

    def _update(self, x: Float, gradient: Float, step_size: float) -> None:
        for x_, g, velocity, change in self._blocks(x, gradient, self._vectors["velocity"]):
            np.multiply(g, step_size, out=change)
            velocity *= self.momentum
            velocity -= change
            x_ += velocity


class Nesterov(Optimizer):
    """Nesterov's accelerated gradient: ``y' = x - a g(x)``, ``x <- y' + m (y' - y)``, ``y <- y'``.

    ``x`` is the look-ahead point, where gradients are asked; y, the main sequence, is the answer
    and starts where x starts. ``momentum`` m is a number, or ``"i/(i+3)"`` in iteration i = 0, 1,
    ..., which comes from the weights theta_i = 2/(i+2): m_i = theta_(i+1) (1/theta_i - 1).

    Source: Nesterov, A method for solving the convex programming problem with convergence rate
    O(1/k^2), 1983; the weights: Tseng, On accelerated proximal gradient methods, 2008.
    """

    name = "nesterov"
    memory = ("main",)

    def __init__(
        self,
        *,
        step_size: float,
        momentum: float | Literal["i/(i+3)"] = "i/(i+3)",
        schedule: Name = "constant",
        decay: float = 0.1,
        decay_iterations: int | None = None,
        warmup_iterations: int = 0,
        n_parameters: int,
        dtype: npt.DTypeLike = np.float64,
    ) -> None:
        super().__init__(
            step_size=step_size,
            schedule=schedule,
            decay=decay,
            decay_iterations=decay_iterations,
            warmup_iterations=warmup_iterations,
            n_parameters=n_parameters,
            dtype=dtype,
        )
        self.momentum = momentum if isinstance(momentum, str) else _checked(momentum)

    def _update(self, x: Float, gradient: Float, step_size: float) -> None:
        i = self.iteration
        momentum = i / (i + 3) if isinstance(self.momentum, str) else self.momentum
        main = self._vectors["main"]
        if i == 0:
            main[...] = x
        for x_, g, main_, forward in self._blocks(x, gradient, main):
            np.multiply(g, step_size, out=forward)
            np.subtract(x_, forward, out=forward)
            np.subtract(forward, main_, out=x_)
            x_ *= momentum
            x_ += forward
            main_[...] = forward

    def answer(self, x: Float) -> Float:
        """Return the main sequence."""
        return self._vectors["main"] if self.iteration else x


def _checked(momentum: float) -> float:
    if not 0 <= momentum < 1:
        raise ConfigError(f"optimizer.momentum: must be from 0 to below 1, got {momentum}")
    return momentum
