"""When each worker was busy, with what request, what became of it, and what waiting that saved."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest

import numpy as np
from numpy.typing import NDArray

from ..outcomes import Outcome
from .reader import RunData

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

    def where(self, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> Intervals:
        """Return the chosen ones, by a mask or by their numbers."""
        return Intervals(
            self.worker[chosen],
            self.iteration[chosen],
            self.began[chosen],
            self.ended[chosen],
            self.outcome[chosen],
        )


def starts_and_ends(run: RunData) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return when each iteration began and ended, (n_iterations,), seconds since the run began.

    Where the file does not say, one iteration is taken to begin when the one before it ends.
    """
    seconds = np.nan_to_num(run.iterations["seconds"])
    started = run.iterations["started"]
    started = np.where(np.isnan(started), np.cumsum(seconds) - seconds, started)
    return started, started + seconds


def intervals(run: RunData) -> Intervals:
    """Return what every worker was busy with."""
    started, ended = starts_and_ends(run)
    messages = run.messages
    rows = _rows(run, messages["parameters_iteration"])
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
    return _with_unanswered(answered, _counted_on(run, started), started, ended)


def waiting_avoided(run: RunData) -> float:
    """Return the seconds that a run waiting for every worker would have waited more, at least.

    For each iteration that is the time from its end until the last of its requests was answered,
    or the run ended. It is a lower bound: withdrawn workers stop early, and those that were still
    busy with an earlier request were not asked.
    """
    _, ended = starts_and_ends(run)
    busy = intervals(run)
    latest = ended.copy()
    np.maximum.at(latest, busy.iteration, busy.ended)
    return float(np.sum(latest - ended))


def _rows(run: RunData, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the row of each iteration number, -1 where the file has no such iteration."""
    known = run.iterations["iteration"]
    if not len(known):
        return np.full(len(numbers), -1)
    order = np.argsort(known, kind="stable")
    place = np.minimum(np.searchsorted(known, numbers, sorter=order), len(known) - 1)
    rows: NDArray[np.int64] = order[place]
    return np.where(known[rows] == numbers, rows, -1)


def lost(run: RunData) -> dict[int, float]:
    """Return when workers were lost for good, seconds since the run began.

    One that answers later was back when the run was resumed.
    """
    last = np.full(run.n_workers, -np.inf)
    np.fmax.at(last, run.messages["worker"], run.messages["seconds"])
    events = [(int(e["worker"]), float(e["seconds"])) for e in run.events if e["kind"] == "lost"]
    return {worker: seconds for worker, seconds in events if last[worker] <= seconds}


def _counted_on(run: RunData, started: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return until when messages were asked of each worker, (n_workers,), seconds.

    That is for ever, or until it was lost, or for ever had no part in the codes that followed.
    """
    until = np.full(run.n_workers, np.inf)
    if any("owner" in code for code in run.codes):
        until[:] = -np.inf
    for code, following in zip_longest(run.codes, run.codes[1:]):
        if "owner" in code:
            owners = np.unique(code["owner"])
            end = np.inf
            if following is not None:
                row = int(_rows(run, np.array([following["iteration"]]))[0])
                end = started[row] if row >= 0 else np.inf
            until[code["workers"][owners] if "workers" in code else owners] = end
    for worker, seconds in lost(run).items():
        until[worker] = min(until[worker], seconds)
    return until


def _with_unanswered(
    answered: Intervals,
    until: NDArray[np.float64],
    started: NDArray[np.float64],
    ended: NDArray[np.float64],
) -> Intervals:
    """Add the requests that were still open when the run ended, one per worker at most.

    until : (n_workers,), when each worker was no longer counted on, which ended its request too
    """
    if not len(started):
        return answered
    free = np.zeros(len(until))
    done = np.full(len(until), -1)
    np.maximum.at(free, answered.worker, answered.ended)
    np.maximum.at(done, answered.worker, answered.iteration)
    # a worker is asked in the first iteration that it has not served and that is not over yet
    following = np.maximum(done + 1, np.searchsorted(ended, free, side="right"))
    silent = np.flatnonzero(following < len(started))
    silent = silent[np.maximum(started[following[silent]], free[silent]) < until[silent]]
    row = following[silent]
    joined = Intervals(
        np.r_[answered.worker, silent],
        np.r_[answered.iteration, row],
        np.r_[answered.began, np.maximum(started[row], free[silent])],
        np.r_[answered.ended, np.minimum(ended[-1], until[silent])],
        np.r_[answered.outcome, np.full(len(silent), UNANSWERED)],
    )
    return joined.where(np.lexsort((joined.began, joined.worker)))
