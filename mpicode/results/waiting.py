"""What a run would have waited for, had it waited for every worker."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .reader import RunData


def starts_and_ends(run: RunData) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return when each iteration began and ended, (n_iterations,), seconds since the run began.

    Where the file does not say, one iteration is taken to begin when the one before it ends.
    """
    seconds = run.iterations["seconds"]
    elapsed = np.cumsum(np.nan_to_num(seconds))
    started = run.iterations["started"]
    started = np.where(np.isnan(started), elapsed - np.nan_to_num(seconds), started)
    return started, started + np.nan_to_num(seconds)


def rows_of(run: RunData, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the row of each iteration number, -1 where the file has no such iteration."""
    known = run.iterations["iteration"]
    if not len(known):
        return np.full(len(numbers), -1)
    order = np.argsort(known, kind="stable")
    place = np.minimum(np.searchsorted(known, numbers, sorter=order), len(known) - 1)
    rows: NDArray[np.int64] = order[place]
    return np.where(known[rows] == numbers, rows, -1)


def waiting_avoided(run: RunData) -> float:
    """Return the seconds that a run waiting for every worker would have waited more, at least.

    For each iteration that is the time from its end to the landing of the last answer to its
    requests. It is a lower bound: withdrawn workers stop early, those asked late or never are not
    counted, and answers that land after the end of the run are unknown.
    """
    _, ends = starts_and_ends(run)
    rows = rows_of(run, run.messages["parameters_iteration"])
    known = (rows >= 0) & np.isfinite(run.messages["seconds"])
    latest = ends.copy()
    np.maximum.at(latest, rows[known], run.messages["seconds"][known])
    return float(np.sum(latest - ends))
