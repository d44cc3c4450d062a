"""Steps along messages of which some come more often than others, with no bias for those."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...codes.light import Stepper
from .descents import Direct
from .kept import counts, numbers

# A step is at most so many times as long as the message's steps must be on average.
_LONGEST = 2.0


class Even(Direct):
    """`Direct`, where the steps along a message are the longer the more seldom it comes.

    Workers with messages of their own send them as often as they are fast, so that the mean step is
    ``sum_i p_i a_i a_i^T G`` with the share p_i of the messages that are message i. Here, of n
    messages, the steps of message i are 1 / (n p_i) times as long, with p_i as counted so far; then
    the mean is that of messages in turn. So that it is so to the end, however p_i moves, each
    message gets what it is still owed: all steps so far / n, less its own. A message that was away
    gets no more than twice its average at a time.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._counts = np.zeros(len(self.messages), dtype=np.int64)
        self._given = np.zeros(len(self.messages))
        self._n_taken = 0

    def _steps(self) -> Stepper:
        step = super()._steps()

        def take(message: int, codeword: NDArray[Any], step_size: float, age: int) -> float:
            share = self._share(message)
            square = step(message, codeword, step_size * share, age)
            if not math.isnan(square):
                self._took(message, share)
            return square

        return take

    def _share(self, message: int) -> float:
        turns = (self._n_taken + 1) / self._counts.size
        owed = turns - float(self._given[message])
        return min(owed, _LONGEST * turns / (int(self._counts[message]) + 1))

    def _took(self, message: int, share: float) -> None:
        self._n_taken += 1
        self._counts[message] += 1
        self._given[message] += share

    def state(self) -> dict[str, NDArray[Any]]:
        """Return what each message has got, too."""
        return {**super().state(), "counts": self._counts, "given": self._given}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state`."""
        super().restore(state)
        self._counts[:] = counts(state, "counts", self._counts.shape)
        self._given[:] = numbers(state, "given", self._given.shape)
        self._n_taken = int(self._counts.sum())
