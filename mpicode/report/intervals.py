"""When each worker was busy, with what request, and what became of its answer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..outcomes import Outcome
from ..results import RunData, rows_of, starts_and_ends

# What became of a request, from its messages: the first of these that any of them has.
_PRECEDENCE = (
    Outcome.CORRUPT,
    Outcome.USED,
    Outcome.STALE_USED,
    Outcome.DUPLICATE,
    Outcome.STALE_DROPPED,
    Outcome.DROPPED,
)
UNANSWERED = -1


@dataclass(frozen=True)
class Intervals:
    """One entry per request that a worker was busy with, sorted by worker, then by time.

    worker      : (n,) int
    iteration   : (n,) row in /iterations, not the iteration's number
    began       : (n,) seconds since the run began; a worker is asked when the iteration begins, or
                  when it has finished its request before
    ended       : (n,) seconds, when its last message landed
    outcome     : (n,) an `Outcome`, or ``UNANSWERED`` (until the run ended)
    """

    worker: NDArray[np.int64]
    iteration: NDArray[np.int64]
    began: NDArray[np.float64]
    ended: NDArray[np.float64]
    outcome: NDArray[np.int64]

    def where(self, chosen: NDArray[np.bool_]) -> Intervals:
        """Return the chosen ones."""
        return Intervals(
            self.worker[chosen],
            self.iteration[chosen],
            self.began[chosen],
            self.ended[chosen],
            self.outcome[chosen],
        )


def intervals(run: RunData) -> Intervals:
    """Return what every worker was busy with."""
    started, ended = starts_and_ends(run)
    messages = run.messages
    rows = rows_of(run, messages["parameters_iteration"])
    order = np.lexsort((messages["seconds"], messages["worker"]))
    order = order[(rows[order] >= 0) & np.isfinite(messages["seconds"][order])]
    worker = messages["worker"][order].astype(np.int64)
    rows, landed = rows[order], messages["seconds"][order]
    first = np.r_[True, (np.diff(worker) != 0) | (np.diff(rows) != 0)][: len(order)]
    last = np.r_[first[1:], True][: len(order)]

    rank = np.full(len(Outcome), len(_PRECEDENCE))
    rank[list(_PRECEDENCE)] = np.arange(len(_PRECEDENCE))
    ranks = rank[messages["outcome"][order]]
    best = np.minimum.reduceat(ranks, np.flatnonzero(first)) if len(order) else ranks

    began, finished = started[rows[first]], landed[last]
    same = np.r_[False, np.diff(worker[first]) == 0][: len(began)]
    began[same] = np.maximum(began[same], finished[:-1][same[1:]])
    answered = Intervals(
        worker[first],
        rows[first],
        np.minimum(began, finished),
        finished,
        np.array(_PRECEDENCE, dtype=np.int64)[best],
    )
    return _with_unanswered(answered, run.n_workers, started, ended)


def _with_unanswered(
    answered: Intervals,
    n_workers: int,
    started: NDArray[np.float64],
    ended: NDArray[np.float64],
) -> Intervals:
    """Add the requests that were still open when the run ended, one per worker at most."""
    if not len(started):
        return answered
    free = np.zeros(n_workers)
    done = np.full(n_workers, -1)
    np.maximum.at(free, answered.worker, answered.ended)
    np.maximum.at(done, answered.worker, answered.iteration)
    # asked at the first moment that it was free and an iteration it had not served was open
    following = np.maximum(done + 1, np.searchsorted(ended, free, side="right"))
    silent = np.flatnonzero(following < len(started))
    row = following[silent]
    joined = Intervals(
        np.r_[answered.worker, silent],
        np.r_[answered.iteration, row],
        np.r_[answered.began, np.maximum(started[row], free[silent])],
        np.r_[answered.ended, np.full(len(silent), ended[-1])],
        np.r_[answered.outcome, np.full(len(silent), UNANSWERED)],
    )
    order = np.lexsort((joined.began, joined.worker))
    return joined.where(order)  # type: ignore[arg-type]
