"""Now and then a worker sleeps for a fixed time."""

from __future__ import annotations

from .base import Delay, check_at_least_zero, check_probability, check_seed, uniform


class Bernoulli(Delay):
    """Each request is delayed by ``seconds`` with ``probability``, independently of all others.

    The experiments of Lagrange coded computing (Yu et al., AISTATS 2019) use 0.5 s and 0.05.
    """

    name = "bernoulli"

    def __init__(self, *, seconds: float, probability: float, seed: int) -> None:
        self._seconds = check_at_least_zero("seconds", seconds)
        self._probability = check_probability("probability", probability)
        self._seed = check_seed(seed)

    def seconds(self, worker: int, iteration: int, now: float, load: float) -> float:
        """Return ``seconds`` with the given probability, else 0."""
        slow = uniform(self._seed, worker, iteration) < self._probability
        return self._seconds if slow else 0.0
