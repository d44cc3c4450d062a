"""ErasureHead: Wang, Charles & Papailiopoulos, arXiv:1901.09671."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..base import Decoder
from ..checks import check_stragglers
from ..repetition import GroupDecoder, PlainRepetition, RepetitionCode, check_groups


class ErasureHead(PlainRepetition):
    """Repetition in groups, but only so many answers are waited for; missing groups are made up.

    replication  : workers per group, which hold the same blocks; must divide n_workers
    n_stragglers : answers not waited for: ready after n_workers - n_stragglers answers, or sooner
                   if every group has answered
    n_blocks     : blocks in all, a multiple of the number of groups; default n_workers
    spread       : True: a group is every n_groups-th worker, so that a lost node of consecutive
                   ranks is not a lost group; False: consecutive workers

    With answers from ``g`` groups the coefficients are n_groups / g: if every worker is equally
    likely to be late, the expected estimate is the full sum. (The paper leaves missing groups out,
    which on average falls short.) ``residual`` is then that of n_groups (n_groups - g) / g groups.
    """

    name = "erasure-head"

    def __init__(
        self,
        *,
        n_workers: int,
        replication: int = 2,
        n_stragglers: int = 1,
        n_blocks: int | None = None,
        spread: bool = True,
    ) -> None:
        check_stragglers(n_workers, n_stragglers)
        check_groups(n_workers, "replication", replication, replication)
        self.n_awaited = n_workers - n_stragglers
        super().__init__(n_workers=n_workers, size=replication, n_blocks=n_blocks, spread=spread)

    def solve(self, arrived: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
        """Take the first worker of each group that answered, scaled up for the groups missing."""
        coefficients = super().solve(arrived)
        coefficients *= self.n_groups / max(1, int(np.count_nonzero(coefficients)))
        return coefficients

    def decoder(self, kind: str = "gradient") -> Decoder:
        """Return a decoder that counts groups and answers."""
        self.check_kind(kind)
        return EnoughDecoder(self, self.n_awaited)


class EnoughDecoder(GroupDecoder):
    """Ready when every group has answered, or so many workers have."""

    def __init__(self, code: RepetitionCode, n_awaited: int) -> None:
        super().__init__(code)
        self.n_awaited = n_awaited
        self._heard: set[int] = set()

    def reset(self) -> None:
        """Forget all messages and counts: the next round begins."""
        super().reset()
        self._heard.clear()

    def add(self, message: int, payload: npt.NDArray[Any], age: int = 0) -> bool:
        """Take one message; one that is not kept since its group has answered counts as heard."""
        if not age:
            self._heard.add(message)
        return super().add(message, payload, age)

    @property
    def ready(self) -> bool:
        """Whether every group or enough workers have answered."""
        return super().ready or len(self._heard) >= self.n_awaited
