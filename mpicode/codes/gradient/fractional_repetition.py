"""Fractional repetition: Tandon, Lei, Dimakis & Karampatziakis, "Gradient Coding", ICML 2017."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ...errors import ConfigError
from ..base import Decoder, GradientCode
from ..checks import blocks_per_part, check_stragglers


class FractionalRepetition(GradientCode):
    """Groups of n_stragglers + 1 workers hold the same blocks; one answer per group is enough.

    n_stragglers : lost workers tolerated, any of them; n_stragglers + 1 must divide n_workers
    n_blocks     : blocks in all, a multiple of the number of groups; default n_workers
    spread       : False: a group is consecutive workers; True: every n_groups-th worker, so that a
                   lost node of consecutive ranks does not take a whole group with it

    All members of a group send bit-identical messages and groups are summed in group order, so the
    decoded sum does not depend on who answered first.
    """

    name = "fractional-repetition"

    def __init__(
        self,
        *,
        n_workers: int,
        n_stragglers: int = 1,
        n_blocks: int | None = None,
        spread: bool = False,
    ) -> None:
        check_stragglers(n_workers, n_stragglers)
        size = n_stragglers + 1
        if n_workers % size:
            valid = [d - 1 for d in range(1, n_workers + 1) if n_workers % d == 0]
            nearest = sorted(sorted(valid, key=lambda v: abs(v - n_stragglers))[:2])
            below = n_workers // size * size
            raise ConfigError(
                f"code.n_stragglers: groups of {size} do not divide {n_workers} workers; nearest "
                f"valid: n_stragglers {' or '.join(map(str, nearest))}, "
                f"or {below} or {below + size} workers"
            )
        n_groups = n_workers // size
        share = blocks_per_part(n_workers if n_blocks is None else n_blocks, n_groups, "groups")
        workers = np.arange(n_workers)
        self.n_groups = n_groups
        self.group = workers % n_groups if spread else workers // size
        super().__init__(
            np.repeat(np.eye(n_groups)[self.group], share, axis=1),
            workers,
            n_workers=n_workers,
            n_blocks=n_groups * share,
            max_stragglers=n_stragglers,
        )

    def solve(self, arrived: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
        """Take the first worker of each group that answered."""
        rows = np.flatnonzero(arrived)
        _, first = np.unique(self.group[rows], return_index=True)
        coefficients = np.zeros((1, self.n_messages))
        coefficients[0, rows[first]] = 1.0
        return coefficients

    def decoder(self, kind: str = "gradient") -> Decoder:
        """Return a decoder that counts groups."""
        self.check_kind(kind)
        return GroupDecoder(self)


class GroupDecoder(Decoder):
    """Keeps the first answer of each group; ready when every group has answered."""

    code: FractionalRepetition

    def __init__(self, code: FractionalRepetition) -> None:
        super().__init__(code)
        self._groups: list[int] = code.group.tolist()
        self._answered = [False] * code.n_groups

    def reset(self) -> None:
        """Forget all messages and counts: the next round begins."""
        super().reset()
        self._answered[:] = [False] * self.code.n_groups

    def add(self, message: int, payload: npt.NDArray[Any], age: int = 0) -> bool:
        """Take one message; after the first of its group the others count as duplicates."""
        if 0 <= message < len(self._groups) and not age:
            group = self._groups[message]
            if self._answered[group]:
                self.n_duplicates += 1
                return False
            self._answered[group] = True
        return super().add(message, payload, age)

    @property
    def ready(self) -> bool:
        """Whether every group has answered."""
        return len(self._arrivals) == self.code.n_groups

    def order(self, messages: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
        """Return ``messages`` in the order of their groups, whoever answered for them."""
        ordered: npt.NDArray[np.intp] = messages[np.argsort(self.code.group[messages])]
        return ordered
