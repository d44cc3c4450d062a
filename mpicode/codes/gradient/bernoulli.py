"""Bernoulli codes: Charles, Papailiopoulos & Ellenberg, arXiv:1711.06771."""

from __future__ import annotations

import numpy as np

from ..assignment import AssignmentCode
from ..checks import check_stragglers
from ..random_assignment import check_load, drawn


class Bernoulli(AssignmentCode):
    """Every worker holds every block with probability load / n_workers, by independent draws.

    load         : blocks per worker, of n_workers, on average
    n_stragglers : answers not waited for
    n_blocks     : blocks in all, a multiple of n_workers; default n_workers

    A yardstick: workers and blocks differ in their numbers, and every placement that keeps these
    equal misses less. Blocks that nobody would hold are drawn again.
    """

    name = "bernoulli"

    def __init__(
        self,
        *,
        n_workers: int,
        load: int = 3,
        n_stragglers: int = 1,
        n_blocks: int | None = None,
        seed: int = 0,
    ) -> None:
        check_stragglers(n_workers, n_stragglers)
        check_load(load, n_workers)
        probability = np.full((n_workers, n_workers), load / n_workers)
        super().__init__(drawn(probability, seed), n_stragglers=n_stragglers, n_blocks=n_blocks)
