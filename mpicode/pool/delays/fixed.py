"""The same workers are slow all the time, by the same amount."""

from __future__ import annotations

from .base import Delay, check_at_least_zero, check_workers


class Fixed(Delay):
    """``slow_workers`` sleep ``seconds`` in every iteration, the others never."""

    name = "fixed"

    def __init__(self, *, slow_workers: list[int], seconds: float, n_workers: int) -> None:
        self._slow = check_workers("slow_workers", slow_workers, n_workers)
        self._seconds = check_at_least_zero("seconds", seconds)

    def seconds(self, worker: int, iteration: int, now: float, load: float) -> float:
        """Return the fixed delay for a slow worker, else 0."""
        return self._seconds if worker in self._slow else 0.0
