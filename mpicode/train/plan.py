"""What workers are told of a code made anew."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# What stands in a plan before the workers.
PLAN_HEAD = 2


class Plan:
    """A code made anew, in numbers: the workers left, the attempt, and who has which place in it.

    Those of ``workers``, by their numbers in the run, are workers 0, 1, ... of the code.
    """

    def __init__(self, n_left: int, attempt: int, workers: list[int]) -> None:
        self.n_left = n_left
        self.attempt = attempt
        self.workers = workers

    @classmethod
    def of(cls, numbers: NDArray[np.integer[Any]]) -> Plan:
        """Return the plan that was sent as ``numbers``."""
        n_left, attempt, *workers = numbers.tolist()
        return cls(n_left, attempt, workers)

    @property
    def numbers(self) -> NDArray[np.int64]:
        """The plan as it is sent."""
        return np.array([self.n_left, self.attempt, *self.workers], dtype=np.int64)
