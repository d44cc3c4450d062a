"""The training loss, put together from the losses that messages carry."""

from __future__ import annotations

import numpy as np

from .light import Light


class Losses:
    """Estimates the loss over all blocks: the sum of each block's, of the messages since `page`.

    A message carries the loss of its blocks at the parameters it was computed at, under its own
    weights. What it says of several blocks is shared out evenly. For a block of which nothing has
    come since `page` the last that is known counts, and for one never heard of the others' mean.
    """

    def __init__(self, n_blocks: int) -> None:
        self._known = np.full(n_blocks, np.nan)
        self._sums = np.zeros(n_blocks)
        self._counts = np.zeros(n_blocks, dtype=np.int64)

    def page(self) -> None:
        """Begin a new mean."""
        self._sums[:] = 0.0
        self._counts[:] = 0

    def add(self, light: Light, carried: float) -> None:
        """Take the number that a message carries."""
        loss = carried * light.per_loss
        for block in light.blocks:
            self._sums[block] += loss
            self._counts[block] += 1

    @property
    def estimate(self) -> float:
        """The loss over all blocks, NaN before the first message."""
        came = self._counts > 0
        self._known[came] = self._sums[came] / self._counts[came]
        heard = ~np.isnan(self._known)
        if not heard.any():
            return float("nan")
        return float(self._known[heard].sum() * (self._known.size / heard.sum()))
