"""How a rank waits without burning its core."""

from __future__ import annotations

import ctypes
import os
import sys
import time

_SPINS = 50
_SHORTEST = 20e-6
_LONGEST = 1e-3
_LONGEST_IDLE = 5e-3
_IDLE_SECONDS = 1.0
_SHARE = 0.05
_PR_SET_TIMERSLACK = 29

_yield_core = os.sched_yield
_clock = time.perf_counter


def sharpen_sleep() -> None:
    """Ask Linux not to lengthen this thread's short sleeps by its default slack of 50 us."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1_000, 0, 0, 0)


class Backoff:
    """Call `pause` after each look that found nothing, `reset` after one that did.

    At first it only yields the core, since answers of microseconds must not pay for a sleep. Then it
    sleeps for a twentieth of the time waited so far, so that no wait becomes longer by more than that;
    at least 20 us, at most 1 ms, and 5 ms once nothing has come for a second.
    """

    __slots__ = ("_looks", "_since")

    def __init__(self) -> None:
        self._looks = 0
        self._since = 0.0

    def reset(self) -> None:
        """Start again at the shortest wait."""
        self._looks = 0

    def pause(self) -> None:
        """Wait a little, longer each time."""
        looks = self._looks = self._looks + 1
        if looks <= _SPINS:
            if looks == 1:
                self._since = _clock()
            _yield_core()
            return
        waited = _clock() - self._since
        if waited > _IDLE_SECONDS:
            time.sleep(_LONGEST_IDLE)
        else:
            time.sleep(min(max(_SHARE * waited, _SHORTEST), _LONGEST))
