"""Redundancy restored while a run goes on: a fresh code over the workers that are left.

To hand the messages of a lost worker to others would keep the sum exact, but a survivor with two
messages is two losses when it dies. So the scheme is made anew for the survivors, with the data
cut anew into its blocks. The parts of this take time and are done beside the iterations, which go
on under the old code: the master makes the code, then the survivors read their rows. When all are
ready, the next iteration begins with the new code.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ConfigError
from ..pool import WorkerPool
from ..pool.background import Cancelled, Job
from ..pool.members import NOT_RESTORED, REASSIGNED, REFUSED
from .placement import place
from .plan import Plan
from .precision import check_precision
from .renewal import attempts, renew
from .setup import Setup
from .shrinkage import Shrinkage, estimate


@dataclass(frozen=True)
class Scheme:
    """A code at work: over which ``workers`` of the run, and what its sums are divided by.

    Those of ``workers``, by their numbers in the run, are workers 0, 1, ... of the code.
    """

    setup: Setup
    shrinkage: Shrinkage
    workers: Sequence[int]

    def arrays(self) -> dict[str, Any]:
        """Return what a run file keeps of it."""
        code = self.setup.code
        arrays: dict[str, Any] = {"encoding": code.encoding, "owner": code.owner}
        if self.shrinkage.late is not None:
            arrays["shrinkage"] = self.shrinkage.late
        if list(self.workers) != list(range(self.setup.config.run.n_workers)):
            arrays["workers"] = np.array(self.workers)
        return arrays


def shrinkage_for(setup: Setup) -> Shrinkage:
    """Return what decoded sums are to be divided by; refuse what rounding would spoil.

    Raises `ConfigError`. The master alone asks: both take many decodings.
    """
    config = setup.config
    check_precision(setup.rules, setup.dtype, config.decoding.max_error)
    return estimate(setup.rules, config.run.seed) if config.decoding.correct_step else Shrinkage()


class _Found:
    """A scheme that can be made for those who are left, and the plan that says so."""

    def __init__(self, scheme: Scheme, plan: Plan) -> None:
        self.scheme = scheme
        self.plan = plan


class Restoration:
    """Watches for lost workers and makes the code anew without them; `step` does what is next.

    Those who are silent when a code is made have no part in it; back again, they have one in the
    next. One that falls silent or dies while they get ready, cannot read its rows, or takes longer
    than a worker may be silent, has it begun again without.

    scheme : at first the one all workers have a part in, then always the one at work
    nodes  : (n_workers,) where each worker is, as `place` wants it
    record : called with the arrays of each code and the iteration it begins with
    """

    def __init__(self, scheme: Scheme, pool: WorkerPool, nodes: Sequence[str]) -> None:
        self.record: Callable[[dict[str, Any], int], None] = lambda arrays, iteration: None
        self.scheme = scheme
        self._setup = scheme.setup
        self._pool = pool
        self._nodes = nodes
        self._generation = 0
        self._left: list[int] = []  # those whom the one under way counts on
        self._hopeless: list[int] | None = None  # a code for these there is none
        self._n_lost = 0
        self._refused: set[int] = set()
        self._job: Job[_Found | None] | None = None
        self._found: _Found | None = None
        self._asked_at = 0.0

    @property
    def is_under_way(self) -> bool:
        """Whether a code is being made, or workers get ready for one."""
        return self._job is not None or self._found is not None

    def step(self, iteration: int) -> Scheme | None:
        """Do what can be done without waiting; return the scheme ``iteration`` is to begin with.

        None: the one there is.
        """
        if not self._is_due():
            return None
        if self._job is not None and self._job.done:
            self._ask(self._job.result())
        if self._found is not None and not self._pool.unprepared:
            return self._change_over(iteration)
        return None

    def _is_due(self) -> bool:
        """Return whether there is anything to do; begin if somebody is missing."""
        members = self._pool.members
        if self.is_under_way:
            for worker, why in self._pool.refusals.items() if self._found is not None else ():
                if worker not in self._refused:
                    self._refused.add(worker)
                    members.note(self._pool.now(), REFUSED, why, worker)
            left = self._reliable()
            if not set(left) >= set(self._left):
                self._begin(left)
            return True
        if members.n_lost == self._n_lost and self._hopeless is None:
            return False
        if members.n_lost != self._n_lost:
            self._n_lost = members.n_lost
            self._refused.clear()
        if set(members.active) >= set(self.scheme.workers) or self._reliable() == self._hopeless:
            return False  # only the idle were lost, or nothing is new
        self._begin(self._reliable())
        return True

    def _reliable(self) -> list[int]:
        pool, members = self._pool, self._pool.members
        late = self._refused
        if self._found is not None and pool.now() - self._asked_at >= members.silent_seconds:
            late = late | pool.unprepared
        return [w for w in members.active if not members.silent[w] and w not in late]

    def _begin(self, left: list[int]) -> None:
        if self._job is not None:
            self._job.cancel()
        self._left, self._found, self._hopeless = left, None, None
        self._job = Job(lambda cancelled: _find(self._setup, left, self._nodes, cancelled))
        self._pool.start_job(self._job)

    def _ask(self, found: _Found | None) -> None:
        """Have the survivors get ready for what was found."""
        self._job, self._found = None, found
        if found is None:
            self._hopeless, left = self._left, len(self._left)
            code = self._setup.code.name
            self._note(NOT_RESTORED, f"{code!r} cannot be made for the {left} workers left")
            return
        self._generation += 1
        self._left = found.plan.workers
        self._asked_at = self._pool.now()
        self._pool.prepare(self._generation, found.plan.workers, found.plan.numbers)

    def _change_over(self, iteration: int) -> Scheme:
        assert self._found is not None
        found, self._found = self._found, None
        self.scheme = scheme = found.scheme
        self._pool.change_over()
        self.record(scheme.arrays(), iteration)
        self._note(REASSIGNED, self._story(found))
        return scheme

    def _story(self, found: _Found) -> str:
        """Return what has changed: who has a part in the code, and what it is worth."""
        setup, plan, run = found.scheme.setup, found.plan, self._setup
        code = setup.code
        n_workers = f"{code.n_workers} of {self._pool.n_workers} workers"
        text = f"generation {self._generation}, {code.name!r} on {n_workers}"
        if code.max_stragglers is not None:
            tolerated = f"any {code.max_stragglers}" if code.max_stragglers else "none"
            text += f", of which {tolerated} may be lost"
        if plan.n_left > code.n_workers:
            text += f"; {plan.n_left - code.n_workers} idle"
        given = run.config.code.parameters
        _, parameters = next(
            itertools.islice(attempts(run.config, plan.n_left), plan.attempt, None)
        )
        for key in sorted({**given, **parameters}):
            if parameters.get(key) != given.get(key):
                text += f"; {key} is {parameters.get(key, 'its own')} now"
        return f"{text}: {list(plan.workers)}"

    def _note(self, kind: str, detail: str) -> None:
        self._pool.members.note(self._pool.now(), kind, detail)


def _find(
    setup: Setup, left: list[int], nodes: Sequence[str], cancelled: Cancelled
) -> _Found | None:
    """Return the first attempt that can be made, None if none can."""
    for number, attempt in enumerate(attempts(setup.config, len(left))):
        if cancelled():
            return None
        try:
            renewed = renew(setup, len(left), number)
            shrinkage = shrinkage_for(renewed)
        except ConfigError:
            continue
        workers = place(setup.config, renewed.code, nodes, left[: attempt.n_workers])
        return _Found(Scheme(renewed, shrinkage, workers), Plan(len(left), number, workers))
    return None
