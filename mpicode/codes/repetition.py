"""Codes whose workers stand in groups that hold the same blocks."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ConfigError
from .base import Decoder, GradientCode
from .checks import blocks_per_part, nearest


class RepetitionCode(GradientCode):
    """Groups of equally many workers hold the same blocks; the first answers of each are used.

    generator : (size, n_segments), what the members of a group weight the segments of their blocks'
                sum by; any n_segments rows are independent
    n_blocks  : blocks in all, a multiple of the number of groups; None for n_workers
    spread    : True: a group is every n_groups-th worker, so that a lost node of consecutive ranks
                is not a lost group; False: consecutive workers

    ``group`` and ``place`` tell where a worker stands, ``n_groups`` how many groups there are.
    Messages are summed in the order of their groups. Where all members of a group send the same
    bits, the decoded sum does not depend on who answered first.
    """

    def __init__(
        self,
        generator: npt.NDArray[np.float64],
        *,
        n_workers: int,
        n_blocks: int | None,
        spread: bool,
        max_stragglers: int | None = None,
    ) -> None:
        size, n_segments = map(int, generator.shape)
        n_groups = n_workers // size
        share = blocks_per_part(n_workers if n_blocks is None else n_blocks, n_groups, "groups")
        workers = np.arange(n_workers)
        self.n_groups = n_groups
        self.group: npt.NDArray[np.intp]
        self.place: npt.NDArray[np.intp]
        self.generator = generator
        self.group, self.place = (
            (workers % n_groups, workers // n_groups) if spread else np.divmod(workers, size)
        )
        blocks = np.repeat(np.eye(n_groups)[self.group], share, axis=1)
        super().__init__(
            (generator[self.place][:, :, None] * blocks[:, None, :]).reshape(n_workers, -1),
            workers,
            n_workers=n_workers,
            n_blocks=n_groups * share,
            n_segments=n_segments,
            max_stragglers=max_stragglers,
        )

    def decoder(self, kind: str = "gradient") -> Decoder:
        """Return a decoder that counts each group's answers."""
        self.check_kind(kind)
        return GroupDecoder(self)


class PlainRepetition(RepetitionCode):
    """All members of a group send the sum of its blocks; one answer of each group is enough.

    size : workers per group
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
        super().__init__(
            np.ones((size, 1)),
            n_workers=n_workers,
            n_blocks=n_blocks,
            spread=spread,
            max_stragglers=max_stragglers,
        )

    def solve(self, arrived: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
        """Take the first worker of each group that answered."""
        rows = np.flatnonzero(arrived)
        _, first = np.unique(self.group[rows], return_index=True)
        coefficients = np.zeros((1, self.n_messages))
        coefficients[0, rows[first]] = 1.0
        return coefficients


class GroupDecoder(Decoder):
    """Keeps the first n_segments answers of each group; ready when every group has so many."""

    code: RepetitionCode

    def __init__(self, code: RepetitionCode) -> None:
        super().__init__(code)
        self._groups: list[int] = code.group.tolist()
        self._missing = [code.n_segments] * code.n_groups

    def reset(self) -> None:
        """Forget all messages and counts: the next round begins."""
        super().reset()
        self._missing[:] = [self.code.n_segments] * self.code.n_groups

    def add(self, message: int, payload: npt.NDArray[Any], age: int = 0) -> bool:
        """Take one message; once its group has enough the others count as duplicates."""
        known = 0 <= message < len(self._groups) and not age
        if known and not self._missing[self._groups[message]]:
            self.n_duplicates += 1
            return False
        kept = super().add(message, payload, age)
        if kept:
            self._missing[self._groups[message]] -= 1
        return kept

    @property
    def ready(self) -> bool:
        """Whether every group has enough."""
        return len(self._arrivals) == self.code.n_groups * self.code.n_segments

    def order(self, messages: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
        """Return ``messages`` in the order of their groups, whoever answered for them."""
        ordered: npt.NDArray[np.intp] = messages[
            np.argsort(self.code.group[messages], kind="stable")
        ]
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
