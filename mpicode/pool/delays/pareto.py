"""A heavy tail: most answers are prompt, a few are extremely late."""

from __future__ import annotations

import math

from .base import Delay, check_positive, check_seed, uniform

#: About 31 years. No operating system sleeps for ever, and a tiny ``shape`` overflows a double.
_LONGEST = 1e9


class Pareto(Delay):
    """P(delay > t) = (scale / t)**shape for t >= ``scale`` seconds, independent in each iteration.

    The mean is infinite for ``shape`` <= 1 and the variance for ``shape`` <= 2. With ``times_load``
    the delay is multiplied by the worker's load, as for `ShiftedExponential`.
    """

    name = "pareto"

    def __init__(self, *, scale: float, shape: float, times_load: bool = False, seed: int) -> None:
        self._scale = check_positive("scale", scale)
        self._shape = check_positive("shape", shape)
        self._times_load = times_load
        self._seed = check_seed(seed)

    def seconds(self, worker: int, iteration: int, now: float, load: float) -> float:
        """Return ``scale * U**(-1/shape) * (load if times_load else 1)``, at most 1e9."""
        exponent = -math.log1p(-uniform(self._seed, worker, iteration)) / self._shape
        exponent += math.log(self._scale)
        delay = math.exp(exponent) if exponent < math.log(_LONGEST) else _LONGEST
        return delay * (load if self._times_load else 1.0)
