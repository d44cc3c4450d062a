"""The training loss, put together from the losses that messages carry."""

from __future__ import annotations

import math

from .light import Light


class Losses:
    """Estimates the loss over all blocks: the sum of each block's, of the messages since `page`.

    A message carries the loss of its blocks at the parameters it was computed at, under its own
    weights. What it says of several blocks is shared out evenly. For a block of which nothing has
    come since `page` the last that is known counts, and for one never heard of the others' mean.
    """

    def __init__(self, n_blocks: int) -> None:
        # of each block; lists, because numbers come one by one
        self._known: list[float | None] = [None] * n_blocks
        self._sums = [0.0] * n_blocks
        self._counts = [0] * n_blocks

    def page(self) -> None:
        """Begin a new mean."""
        self._sums[:] = [0.0] * len(self._sums)
        self._counts[:] = [0] * len(self._counts)

    def add(self, light: Light, carried: float) -> None:
        """Take the number that a message carries."""
        loss = carried * light.per_loss
        for block in light.blocks:
            self._sums[block] += loss
            self._counts[block] += 1

    @property
    def estimate(self) -> float:
        """The loss over all blocks, NaN before the first message."""
        known = self._known
        for block, count in enumerate(self._counts):
            if count:
                known[block] = self._sums[block] / count
        heard = [loss for loss in known if loss is not None]
        return math.fsum(heard) * (len(known) / len(heard)) if heard else math.nan
