"""What workers compute: at first, and once the code was made anew without those lost."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..codes.gradient.lwpd import Lwpd
from ..datasets import open_dataset
from ..pool import Work
from ..pool.background import Cancelled
from .asynchronous.replay import Replayed
from .gradient_work import GradientWork
from .plan import Plan
from .renewal import renew
from .setup import Setup


class Works:
    """Makes the work of one generation of the code after the other, rows read from the files.

    Workers in one process share the rows of a generation. Those of the one before are let go of
    with its work; until then both together keep to ``data.memory_mb``.

    workers : at first, by their numbers in the run, in the order of the code's places
    """

    def __init__(self, setup: Setup, workers: Sequence[int]) -> None:
        self._first = self._setup = setup
        self._workers = workers
        self._blocks = setup.blocks()
        self._plan: list[int] = []

    def first(self, worker: int) -> Work:
        """Return what ``worker`` computes as long as nobody is lost, or by the rows at hand."""
        work = self._setup.work(self._workers.index(worker), self._blocks)
        if self._setup.config.asynchronous.mode is not None:
            return Replayed(work, self._setup)
        return work

    def renewed(
        self, worker: int, numbers: NDArray[np.integer[Any]], cancelled: Cancelled
    ) -> tuple[GradientWork, float]:
        """Return what ``worker`` computes by a `Plan`, and how many rows it needs for that."""
        plan = Plan.of(numbers)
        try:
            if self._plan != numbers.tolist():
                self._begin(plan, cancelled)
                self._plan = numbers.tolist()
            place = plan.workers.index(worker)
            work = self._setup.work(place, self._blocks)
        except BaseException:
            self._plan = []  # what was read so far is not to be taken for all of it
            raise
        blocks = self._setup.code.blocks(place)
        return work, float(self._setup.partition.sizes[blocks].sum())

    def repacked(
        self, worker: int, numbers: NDArray[np.int64], cancelled: Cancelled
    ) -> tuple[Work, float]:
        """Return what ``worker`` computes by other rows, whose bits the numbers are; no cost."""
        told = numbers.tolist()
        if self._plan != told:
            code = self._first.code
            assert isinstance(code, Lwpd)
            rows = numbers.view(np.float64).reshape(code.packed.shape)
            self._setup = dataclasses.replace(self._first, code=code.repacked(rows))
            self._blocks = self._blocks.again()
            self._plan = told
        return self.first(worker), 0.0

    def _begin(self, plan: Plan, cancelled: Cancelled) -> None:
        # files of its own: a file is not read by two threads at once
        dataset = open_dataset(self._first.config.data.path)
        setup = dataclasses.replace(self._first, dataset=dataset)
        self._setup = renew(setup, plan.n_left, plan.attempt)
        self._blocks = self._setup.blocks(beside=self._blocks, cancelled=cancelled)
