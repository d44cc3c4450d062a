"""A floor plus an exponential tail, the model most coded-computing papers reason with."""

from __future__ import annotations

import math

from .base import Delay, check_at_least_zero, check_seed, uniform


class ShiftedExponential(Delay):
    """``shift`` seconds plus an exponential of mean ``mean``, independent in each iteration.

    With ``times_load`` the sum is multiplied by the worker's load: this is the model of Lee, Lam,
    Pedarsani, Papailiopoulos & Ramchandran, "Speeding up distributed machine learning using codes"
    (IEEE Trans. Inf. Theory 2018), in which twice the work takes twice as long. ``shift`` and
    ``mean`` are then those of a worker that holds everything. Without it the delay is additive, as
    in the experiments of ErasureHead (``shift = 0``, ``mean = 0.5``).
    """

    name = "shifted-exponential"

    def __init__(
        self, *, mean: float, shift: float = 0.0, times_load: bool = False, seed: int
    ) -> None:
        self._mean = check_at_least_zero("mean", mean)
        self._shift = check_at_least_zero("shift", shift)
        self._times_load = times_load
        self._seed = check_seed(seed)

    def seconds(self, worker: int, iteration: int, now: float, load: float) -> float:
        """Return ``(shift + Exp(mean)) * (load if times_load else 1)``."""
        tail = -self._mean * math.log1p(-uniform(self._seed, worker, iteration))
        return (self._shift + tail) * (load if self._times_load else 1.0)
