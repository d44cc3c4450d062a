"""Where samples lie in the blocks of a data code, and which of them an iteration looks at."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError

# A stream of random numbers of its own.
_SLOTS = 0x636F6465


class Slots:
    """``n_blocks`` blocks of ``n_slots`` places each.

    The samples in slot ``r``, one per block, are a group, coded together. ``n_padding`` places hold
    none; their label columns are zeros. Of several classes these count nothing, wherever they are;
    else they are in the last slot, and their features are zeros, too. (A worker need not know.)
    """

    def __init__(
        self, n_slots: int, n_blocks: int, batch_size: int | None, seed: int, n_padding: int = 0
    ) -> None:
        n_places = n_slots * n_blocks
        if batch_size is not None and not n_blocks <= batch_size <= n_places:
            raise ConfigError(
                f"run.batch_size: {batch_size} is not between the {n_blocks} blocks "
                f"and the {n_places} places of rows to train on"
            )
        self.n_slots = n_slots
        self.n_blocks = n_blocks
        self.n_padding = n_padding
        self._n_drawn = n_slots if batch_size is None else batch_size // n_blocks
        self._seed = seed

    @classmethod
    def of(cls, n_samples: int, n_blocks: int, batch_size: int | None, seed: int) -> Slots:
        """Return as few slots as so many samples need."""
        if n_samples < n_blocks:
            raise ConfigError(
                f"code.n_blocks: {n_blocks} blocks, but only {n_samples} rows to train on"
            )
        n_slots = -(-n_samples // n_blocks)
        return cls(n_slots, n_blocks, batch_size, seed, n_slots * n_blocks - n_samples)

    def draw(self, iteration: int) -> NDArray[np.int64] | None:
        """Return the slots of a mini-batch, ascending; None: all of them.

        They follow from (seed, iteration) alone: the same in every coded block.
        """
        if self._n_drawn == self.n_slots:
            return None
        rng = np.random.default_rng([self._seed, _SLOTS, iteration])
        return np.sort(rng.choice(self.n_slots, size=self._n_drawn, replace=False))

    @property
    def note(self) -> str | None:
        """What to tell where the samples do not fill the blocks evenly; None where they do."""
        if not self.n_padding:
            return None
        n_samples = self.n_slots * self.n_blocks - self.n_padding
        return (
            f"{n_samples} rows do not fill {self.n_blocks} blocks of {self.n_slots}: "
            f"{self.n_padding} places hold none"
        )

    @property
    def weight(self) -> float:
        """What workers count each row: all places looked at together count 1."""
        return 1.0 / (self._n_drawn * self.n_blocks)

    @property
    def scale(self) -> float:
        """What makes the sum over all places the mean over the samples, or an estimate of it.

        Without bias: a slot is drawn as often as any other.
        """
        n_places = self.n_slots * self.n_blocks
        return n_places / (n_places - self.n_padding)

    def padding(self, slots: NDArray[np.int64] | None) -> int:
        """Return how many places without a sample are in the last slot, if ``slots`` has that."""
        has_last = slots is None or (slots.size > 0 and slots[-1] == self.n_slots - 1)
        return self.n_padding if has_last else 0
