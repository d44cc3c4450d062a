"""What a way forward and back through a model leaves, kept for more than one message."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any, Generic, NamedTuple, Protocol, Self, TypeVar

import numpy as np
import numpy.typing as npt


class Left(Protocol):
    """Something that a way left; `own` is the same in memory that nobody else writes to."""

    def own(self) -> Self: ...  # noqa: D102
    @property
    def n_bytes(self) -> int: ...  # noqa: D102


L = TypeVar("L", bound=Left)


class Passed(Generic[L]):
    """Keeps what the way forward and back left, for further messages.

    They must be of the same rows and weights at the same parameters: what is kept says nothing of
    the three.

    most_bytes : more is not kept: then it stays empty, and every message goes its own way
    complete   : whether the whole way is kept
    n_bytes    : that it takes, beside the rows themselves
    """

    def __init__(self, most_bytes: float = math.inf) -> None:
        self.complete = False
        self.n_bytes = 0
        self._most_bytes = most_bytes
        self._kept: list[L] = []

    def along(self, way: Iterable[L]) -> Iterator[L]:
        """Yield what is kept; before that, what comes along the way, kept in passing."""
        if self.complete:
            yield from self._kept
            return
        self._forget()
        for left in way:
            if self.n_bytes <= self._most_bytes:
                left = left.own()
                self._kept.append(left)
                self.n_bytes += left.n_bytes
            yield left
        self.complete = self.n_bytes <= self._most_bytes
        if not self.complete:
            self._forget()

    def _forget(self) -> None:
        self._kept.clear()
        self.n_bytes = 0


class Whole(NamedTuple):
    """The whole gradient (n_segments * length,) in the order of the slices, and the loss."""

    loss: float
    gradient: npt.NDArray[np.floating[Any]]

    def own(self) -> Whole:
        """Return it as it is: nobody writes to it."""
        return self

    @property
    def n_bytes(self) -> int:
        """What it takes."""
        return self.gradient.nbytes
