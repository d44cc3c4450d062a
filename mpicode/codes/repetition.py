"""Codes whose workers stand in groups that hold the same blocks and send the same message."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ConfigError
from .base import Decoder, GradientCode
from .checks import blocks_per_part, nearest


class RepetitionCode(GradientCode):
    """Groups of ``size`` workers hold the same blocks; the first answer of each group is used.

    n_blocks : blocks in all, a multiple of the number of groups; None for n_workers
    spread   : False: a group is consecutive workers; True: every n_groups-th worker, so that a
               lost node of consecutive ranks does not take a whole group with it

    All members of a group send bit-identical messages and groups are summed in group order, so the
    decoded sum does not depend on who answered first.
    """

    def __init__(
        self,
        *,
        n_workers: int,
        size: int,
        n_blocks: int | None,
        spread: bool,
        max_stragglers: int | None = None,
    ) -> None:
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
            max_stragglers=max_stragglers,
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

    code: RepetitionCode

    def __init__(self, code: RepetitionCode) -> None:
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


def check_groups(n_workers: int, key: str, value: int, size: int) -> None:
    """Raise `ConfigError` unless groups of ``size`` workers, as ``key`` asks for, fit evenly."""
    if size >= 1 and n_workers % size == 0:
        return
    valid = [d - size + value for d in range(1, n_workers + 1) if n_workers % d == 0]
    told = f"code.{key}: groups of {size} do not divide {n_workers} workers; nearest valid: "
    told += f"{key} {nearest(value, valid)}"
    if size >= 1:
        below = n_workers // size * size
        told += f", or {nearest(n_workers, [n for n in (below, below + size) if n])} workers"
    raise ConfigError(told)
