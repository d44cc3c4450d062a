"""Repetition with shorter messages: Kadhe, Koyluoglu & Ramchandran, ISIT 2020, pp. 2634-2639."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ...errors import ConfigError
from ..checks import check_stragglers
from ..per_set import PerSet
from ..repetition import RepetitionCode, check_groups
from .generators import generator


class Kadhe(RepetitionCode):
    """Groups of replication workers hold the same blocks; n_segments answers per group do.

    replication : workers per group, d; divides n_workers
    n_segments  : a message is this many times shorter, m, at most d
    n_blocks    : blocks in all, a multiple of the number of groups; default n_workers
    spread      : True: a group is every n_groups-th worker, so that a lost node of consecutive
                  ranks is not a lost group; False: consecutive workers
    seed        : of the generator where d > 12; shorter ones are shipped

    Member r of a group sends ``sum_u V[r, u] * (segment u of its blocks' sum)``; V generates a
    [d, m] MDS code, any m of its rows being independent. So any d - m lost workers are tolerated,
    which is the most at this load and length (Ye & Abbe 2018), and far more as long as no group
    loses more than d - m. A group with r < m answers is decoded by least squares and misses m - r
    for each of its blocks, the least that r answers can. m = 1 is fractional repetition.
    """

    name = "kadhe"

    def __init__(
        self,
        *,
        n_workers: int,
        replication: int = 4,
        n_segments: int = 2,
        n_blocks: int | None = None,
        spread: bool = True,
        seed: int = 0,
    ) -> None:
        check_stragglers(n_workers, 0)
        check_groups(n_workers, "replication", replication, replication)
        if not 1 <= n_segments <= replication:
            raise ConfigError(
                f"code.n_segments: {n_segments} segments cannot be had from groups of "
                f"{replication} workers; wants 1 to {replication}"
            )
        super().__init__(
            generator(replication, n_segments, seed),
            n_workers=n_workers,
            n_blocks=n_blocks,
            spread=spread,
            max_stragglers=replication - n_segments,
        )
        self._inverses = PerSet(replication, self._inverse)

    def solve(self, arrived: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
        """Invert each group's rows, m of them where a decoder took no more."""
        present = np.zeros((self.n_groups, len(self.generator)), dtype=bool)
        present[self.group, self.place] = arrived
        inverses = np.stack([self._inverses(group) for group in present])
        coefficients: npt.NDArray[Any] = inverses[self.group, :, self.place].T.copy()
        return coefficients

    def _inverse(self, present: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
        """Return the coefficients of one group, (n_segments, replication)."""
        inverse = np.zeros((self.n_segments, len(self.generator)))
        rows = self.generator[present]
        if len(rows) == self.n_segments:
            inverse[:, present] = np.linalg.inv(rows)
        elif len(rows):
            inverse[:, present] = np.linalg.pinv(rows)
        return inverse
