"""How a rank waits without burning its core."""

from __future__ import annotations

import ctypes
import os
import sys
import time

_SPINS = 50
_FIRST_SLEEP = 20e-6
_LONGEST_SLEEP = 1e-3
_LONGEST_SLEEP_IDLE = 5e-3
_IDLE_SECONDS = 1.0
_PR_SET_TIMERSLACK = 29


def sharpen_sleep() -> None:
    """Ask Linux not to lengthen this thread's short sleeps by its default slack of 50 us."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1_000, 0, 0, 0)


class Backoff:
    """Call `pause` after each look that found nothing, `reset` after one that did.

    At first it only yields the core, since answers of microseconds must not pay for a sleep; then it
    sleeps, twice as long each time up to 1 ms, and 5 ms once nothing has come for a second.
    """

    __slots__ = ("_idle_since", "_looks", "_sleep")

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Start again at the shortest wait."""
        self._looks = 0
        self._sleep = _FIRST_SLEEP

    def pause(self) -> None:
        """Wait a little, longer each time."""
        self._looks += 1
        if self._looks <= _SPINS:
            os.sched_yield()
            return
        if self._looks == _SPINS + 1:
            self._idle_since = time.monotonic()
        time.sleep(self._sleep)
        longest = _LONGEST_SLEEP
        if self._sleep >= longest and time.monotonic() - self._idle_since > _IDLE_SECONDS:
            longest = _LONGEST_SLEEP_IDLE
        self._sleep = min(2.0 * self._sleep, longest)
