"""Bursts: a worker is slow for a while, each worker on its own."""

from __future__ import annotations

from .base import Delay, check_at_least_zero
from .two_state import TwoState


class Markov(Delay):
    """A worker sleeps ``seconds`` before each request that reaches it in its bad state.

    Good spells last ``good_seconds`` on average, bad ones ``bad_seconds``; they run in seconds of
    run time, whatever is asked of the worker meanwhile. It is the Gilbert-Elliott model with which
    Krishnan, Ebrahimi & Khisti, "Sequential gradient coding for straggler mitigation" (ICLR 2023),
    describe the bursts they saw on AWS Lambda.
    """

    name = "markov"

    def __init__(
        self, *, good_seconds: float, bad_seconds: float, seconds: float, seed: int
    ) -> None:
        self._state = TwoState(good_seconds=good_seconds, bad_seconds=bad_seconds, seed=seed)
        self._seconds = check_at_least_zero("seconds", seconds)

    def seconds(self, worker: int, iteration: int, now: float, load: float) -> float:
        """Return ``seconds`` if the worker is in a bad spell at ``now``, else 0."""
        return self._seconds if self._state.is_bad(worker, now) else 0.0
