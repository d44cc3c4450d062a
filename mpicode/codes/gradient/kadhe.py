"""Repetition with shorter messages: Kadhe, Koyluoglu & Ramchandran, ISIT 2020, pp. 2634-2639."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ...errors import ConfigError
from ..base import Decoder, GradientCode
from ..checks import blocks_per_part, check_stragglers
from ..per_set import PerSet
from ..repetition import check_groups
from .generators import generator


class Kadhe(GradientCode):
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
        n_groups = n_workers // replication
        share = blocks_per_part(n_workers if n_blocks is None else n_blocks, n_groups, "groups")
        workers = np.arange(n_workers)
        self.n_groups = n_groups
        self.replication = replication
        self.group, self.place = (
            (workers % n_groups, workers // n_groups)
            if spread
            else (workers // replication, workers % replication)
        )
        self.generator = generator(replication, n_segments, seed)
        blocks = np.repeat(np.eye(n_groups)[self.group], share, axis=1)
        rows = self.generator[self.place]
        super().__init__(
            (rows[:, :, None] * blocks[:, None, :]).reshape(n_workers, -1),
            workers,
            n_workers=n_workers,
            n_blocks=n_groups * share,
            n_segments=n_segments,
            max_stragglers=replication - n_segments,
        )
        self._inverses = PerSet(replication, self._inverse)

    def solve(self, arrived: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
        """Invert each group's rows, m of them where a `MDSGroupDecoder` took no more."""
        present = np.zeros((self.n_groups, self.replication), dtype=bool)
        present[self.group, self.place] = arrived
        inverses = np.stack([self._inverses(group) for group in present])
        coefficients: npt.NDArray[Any] = inverses[self.group, :, self.place].T.copy()
        return coefficients

    def decoder(self, kind: str = "gradient") -> Decoder:
        """Return a decoder that counts each group's answers."""
        self.check_kind(kind)
        return MDSGroupDecoder(self)

    def _inverse(self, present: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
        """Return the coefficients of one group, (n_segments, replication)."""
        inverse = np.zeros((self.n_segments, self.replication))
        rows = self.generator[present]
        if len(rows) == self.n_segments:
            inverse[:, present] = np.linalg.inv(rows)
        elif len(rows):
            inverse[:, present] = np.linalg.pinv(rows)
        return inverse


class MDSGroupDecoder(Decoder):
    """Keeps the first n_segments answers of each group; ready when every group has so many."""

    code: Kadhe

    def __init__(self, code: Kadhe) -> None:
        super().__init__(code)
        self._groups: list[int] = code.group.tolist()
        self._missing = [code.n_segments] * code.n_groups
        self._unfinished = code.n_groups

    def reset(self) -> None:
        """Forget all messages and counts: the next round begins."""
        super().reset()
        self._missing[:] = [self.code.n_segments] * self.code.n_groups
        self._unfinished = self.code.n_groups

    def add(self, message: int, payload: npt.NDArray[Any], age: int = 0) -> bool:
        """Take one message; once its group is finished the others count as duplicates."""
        known = 0 <= message < len(self._groups) and not age
        if known and not self._missing[self._groups[message]]:
            self.n_duplicates += 1
            return False
        kept = super().add(message, payload, age)
        if kept:
            group = self._groups[message]
            self._missing[group] -= 1
            self._unfinished -= not self._missing[group]
        return kept

    @property
    def ready(self) -> bool:
        """Whether every group is finished."""
        return not self._unfinished
