"""No injected delay: only what the machine itself does."""

from __future__ import annotations

from .base import Delay


class NoDelay(Delay):
    """Nobody sleeps."""

    name = "none"

    def seconds(self, worker: int, iteration: int, now: float, load: float) -> float:
        """Return 0."""
        return 0.0
