"""How far a run has come, and how long it will take yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..results import RunData, starts_and_ends
from .labels import tables_of

# What is to come is judged by so many iterations before it.
_RECENT = 100


@dataclass(frozen=True)
class Headway:
    """A number is None where the run does not tell.

    iteration            : iterations done, of ``iterations``
    loss                 : the last that is known
    seconds_per_iteration : mean of the last ones, with what lies between them
    seconds_left         : at most, until ``run.iterations`` or ``run.max_seconds``
    """

    iteration: int
    iterations: int | None
    loss: float | None
    seconds_per_iteration: float | None
    seconds_left: float | None


def headway(run: RunData) -> Headway:
    """Return how far ``run`` has come."""
    table = tables_of(run.config).get("run", {})
    table = table if isinstance(table, dict) else {}
    numbers = run.iterations["iteration"]
    done = int(numbers[-1]) + 1 if len(numbers) else 0
    losses = run.iterations["loss"]
    losses = losses[np.isfinite(losses)]
    total = _number(table.get("iterations"), int)
    pace = _pace(run)
    left = None
    if pace is not None and total is not None:
        left = pace * max(total - done, 0)
        most = _number(table.get("max_seconds"), (int, float))
        if most is not None:
            left = min(left, max(most - float(starts_and_ends(run)[1][-1]), 0.0))
    return Headway(done, total, float(losses[-1]) if len(losses) else None, pace, left)


def _pace(run: RunData) -> float | None:
    """Return the mean time from the end of one iteration to that of the next, of the last ones.

    The mean, for it is a sum that is foretold: stragglers and evaluations come once in a while.
    """
    started, ended = starts_and_ends(run)
    if not len(ended):
        return None
    first = max(len(ended) - _RECENT, 0)
    before = float(ended[first - 1]) if first else float(started[0])
    pace = (float(ended[-1]) - before) / (len(ended) - first)
    return pace if np.isfinite(pace) else None


def _number(value: Any, kinds: Any) -> Any:
    return value if isinstance(value, kinds) and not isinstance(value, bool) else None
