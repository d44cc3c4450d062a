"""Bringing the virtual clock to where a checkpoint was written.

What workers were busy with at that moment decides which of them answer next, and with that the last
bits of decoded sums. It follows from the configuration alone, not from the numbers computed. So the
iterations before the checkpoint are gone through once more with workers that take their time and
compute nothing.
"""

from __future__ import annotations

import contextlib
import dataclasses
from typing import Any, TypeVar, cast

from numpy.typing import NDArray

from ..config import Checkpoint
from ..pool import WorkerPool
from ..problems import Problem, Rows
from ..problems.base import Number
from ..problems.passed import Passed
from .checkpoints import Due, State
from .common import Common
from .loop import Strategy
from .round import Interrupted


class Paced:
    """A problem whose gradients are left out until ``computing`` is set."""

    def __init__(self, problem: Problem) -> None:
        self.computing = False
        self._problem = problem

    def gradient(
        self, x: NDArray[Any], rows: Rows, weights: NDArray[Any], out: NDArray[Any]
    ) -> float:
        """Do what the problem does, or nothing."""
        return self._problem.gradient(x, rows, weights, out) if self.computing else 0.0

    def coded_gradient(
        self,
        x: NDArray[Any],
        rows: Rows,
        weights: NDArray[Any],
        direction: NDArray[Any],
        out: NDArray[Any],
        mixed: Any = None,
        passed: Passed[Any] | None = None,
    ) -> Number:
        """Do what the problem does, or nothing.

        What is kept for further messages is made all the same: whether there is room for it says
        what they cost.
        """
        if not self.computing and passed is None:
            return 0.0
        return self._problem.coded_gradient(x, rows, weights, direction, out, mixed, passed)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._problem, name)


S = TypeVar("S", bound=Common)


def pace(setup: S) -> tuple[S, Paced]:
    """Return ``setup`` with a problem that can be told to leave gradients out, and that problem."""
    problem = Paced(setup.problem)
    return dataclasses.replace(setup, problem=cast(Problem, problem)), problem


def go_through(
    pool: WorkerPool, strategy: Strategy, problem: Paced, state: State, table: Checkpoint
) -> None:
    """Let the time of the iterations before ``state`` pass; from then on gradients are computed.

    table : when checkpoints were written
    """
    due = Due(table)
    with contextlib.suppress(Interrupted):
        for iteration in range(state.iteration):
            if pool.interrupted():
                break
            if due(iteration, pool.now()):
                strategy.kept()
            strategy.go_through(iteration)
    strategy.begin()
    problem.computing = True
