"""The synchronous way: one coded gradient at the parameters, then one step."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..pool.books import Log
from ..problems import Problem
from .checkpoints import State
from .round import Gradient, Round


class Synchronous:
    """Asks all for the gradient at the state's parameters, and steps along it; see `Strategy`."""

    def __init__(self, gradient: Gradient, problem: Problem, state: State) -> None:
        self._gradient = gradient
        self._problem = problem
        self._state = state

    def gather(self, iteration: int, until: float | None) -> Round:
        """Return the coded gradient."""
        return self._gradient(self._state.x, iteration, until)

    def measure(self, done: Round) -> tuple[float, float]:
        """Add the L2 term to the gradient; return its value, and the norm."""
        penalty = self._problem.regularise(self._state.x, done.gradient)
        return penalty, float(np.linalg.norm(done.gradient))

    def log(self, record: Log) -> Log:
        """Return ``record``: iterations are all that the pool knows."""
        return record

    def answer(self) -> NDArray[np.float64]:
        """Return the parameters before the step."""
        answer = self._state.optimizer.answer(self._state.x)
        return np.asarray(answer, dtype=np.float64)

    def step(self, done: Round) -> None:
        """Let the optimizer step."""
        self._state.optimizer.step(self._state.x, done.gradient)

    def kept(self) -> None:
        """Nothing is under way between iterations."""

    def go_through(self, iteration: int) -> None:
        """Let the time of one iteration pass."""
        self._gradient(self._state.x, iteration)

    def begin(self) -> None:
        """Nothing has to be done between that and the first iteration."""
