"""Stochastic block codes: Charles & Papailiopoulos, arXiv:1805.10378."""

from __future__ import annotations

import numpy as np

from ...errors import ConfigError
from ..assignment import AssignmentCode
from ..checks import check_stragglers
from ..random_assignment import drawn
from ..repetition import check_groups


class StochasticBlock(AssignmentCode):
    """Groups of workers hold most of their own blocks, and few of all others, by independent draws.

    load         : blocks per worker, of n_workers, on average, and the size of a group; must divide
                   n_workers
    probability  : that a worker holds a block of its group; what this leaves of the load is shared
                   evenly by the blocks of the others
    n_stragglers : answers not waited for
    n_blocks     : blocks in all, a multiple of n_workers; default n_workers

    Between `fractional-repetition` (probability 1), which random stragglers hurt least, and
    `bernoulli` (load / n_workers): who wants to choose the stragglers that hurt most must first
    find the groups. For that they are shuffled, by the seed. Blocks that nobody would hold are
    drawn again.
    """

    name = "stochastic-block"

    def __init__(
        self,
        *,
        n_workers: int,
        load: int = 3,
        probability: float = 0.9,
        n_stragglers: int = 1,
        n_blocks: int | None = None,
        seed: int = 0,
    ) -> None:
        check_stragglers(n_workers, n_stragglers)
        check_groups(n_workers, "load", load, load)
        if not 0 < probability <= 1:
            raise ConfigError(f"code.probability: wants more than 0, at most 1, got {probability}")
        elsewhere = load * (1 - probability) / max(1, n_workers - load)
        rng = np.random.default_rng([seed, n_workers, load])
        self.group = rng.permutation(n_workers) // load
        same = self.group[:, None] == np.arange(n_workers) // load
        super().__init__(
            drawn(np.where(same, probability, elsewhere), seed),
            n_stragglers=n_stragglers,
            n_blocks=n_blocks,
        )
