"""Signals that ask a run to end: remembered here, acted upon by the training loop."""

from __future__ import annotations

import signal
from types import FrameType

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


class StopRequest:
    """Call it to ask whether a signal has come.

    A Ctrl-C after that is no longer held back. SIGTERM and SIGUSR1 are: a scheduler that ends a job
    signals each process of it, and the launcher that hands on what it got does so once more.
    """

    def __init__(self) -> None:
        self._signal: int | None = None
        for number in ENDING:
            signal.signal(number, self._remember)

    def __call__(self) -> bool:
        """Return whether a signal has come."""
        return self._signal is not None

    def _remember(self, number: int, frame: FrameType | None) -> None:
        self._signal = number
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def ignore() -> None:
    """Leave these signals to the master: it tells the workers to stop once everything is saved."""
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)
