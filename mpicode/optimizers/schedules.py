"""How the step size changes from iteration to iteration.

All schedules share three parameters:

``decay_iterations``
    T, counted from the end of the warm-up.
``decay``
    The fraction of ``step_size`` that is left when T iterations have passed.
``warmup_iterations``
    w; the first w steps grow linearly, step t is (t + 1) / w of ``step_size``.

With t iterations since the warm-up and d the decay, the step is ``step_size`` times

============== ====================================== =========
constant       1
inverse-time   1 / (1 + (1/d - 1) t/T)                0 < d <= 1
inverse-sqrt   1 / sqrt(1 + (1/d^2 - 1) t/T)          0 < d <= 1
exponential    d^(t/T)                                0 < d <= 1
step           d^floor(t/T)                           0 < d <= 1
linear         1 - (1 - d) min(t/T, 1)                0 <= d <= 1
cosine         d + (1 - d) (1 + cos(pi min(t/T, 1)))/2   0 <= d <= 1
============== ====================================== =========

The c1 / (t + c2) of many papers is ``inverse-time`` with step_size = c1/c2, decay = 0.5 and
decay_iterations = c2.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

from ..errors import ConfigError

Name = Literal[
    "constant", "inverse-time", "inverse-sqrt", "exponential", "step", "linear", "cosine"
]

# Each maps (t/T, d) to the fraction of the step size.
_FRACTIONS: dict[str, Callable[[float, float], float]] = {
    "constant": lambda time, decay: 1.0,
    "inverse-time": lambda time, decay: 1.0 / (1.0 + (1.0 / decay - 1.0) * time),
    "inverse-sqrt": lambda time, decay: 1.0 / math.sqrt(1.0 + (decay**-2 - 1.0) * time),
    "exponential": lambda time, decay: decay**time,
    "step": lambda time, decay: decay ** math.floor(time),
    "linear": lambda time, decay: 1.0 - (1.0 - decay) * min(time, 1.0),
    "cosine": lambda time, decay: (
        decay + (1.0 - decay) * 0.5 * (1.0 + math.cos(math.pi * min(time, 1.0)))
    ),
}
_MAY_END_AT_ZERO = ("linear", "cosine")


class Schedule:
    """The step size of iteration t, ``schedule(t)``; t counts from 0."""

    def __init__(
        self,
        step_size: float,
        schedule: Name,
        decay: float,
        decay_iterations: int | None,
        warmup_iterations: int,
    ) -> None:
        if not (math.isfinite(step_size) and step_size > 0):
            raise ConfigError(f"optimizer.step_size: must be positive, got {step_size}")
        if warmup_iterations < 0:
            raise ConfigError(
                f"optimizer.warmup_iterations: must be zero or positive, got {warmup_iterations}"
            )
        if schedule == "constant":
            if decay_iterations is not None:
                raise ConfigError(
                    "optimizer.decay_iterations: the schedule is 'constant', which does not decay"
                )
        elif decay_iterations is None:
            raise ConfigError(f"optimizer.decay_iterations: missing, {schedule!r} needs it")
        elif decay_iterations < 1:
            raise ConfigError(
                f"optimizer.decay_iterations: must be at least 1, got {decay_iterations}"
            )
        above_zero = decay >= 0 if schedule in _MAY_END_AT_ZERO else decay > 0
        if not (above_zero and decay <= 1):
            low = "from 0" if schedule in _MAY_END_AT_ZERO else "above 0 and up"
            raise ConfigError(f"optimizer.decay: must be {low} to 1, got {decay}")
        self._step_size = step_size
        self._fraction = _FRACTIONS[schedule]
        self._decay = decay
        self._decay_iterations = decay_iterations or 1
        self._warmup = warmup_iterations

    def __call__(self, iteration: int) -> float:
        """Return the step size of iteration t = 0, 1, ..."""
        if iteration < self._warmup:
            return self._step_size * (iteration + 1) / self._warmup
        time = (iteration - self._warmup) / self._decay_iterations
        return self._step_size * self._fraction(time, self._decay)
