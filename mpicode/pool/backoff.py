"""How a rank waits without burning its core."""

from __future__ import annotations

import ctypes
import sys
import time

_SPIN_SECONDS = 1e-3
_SHORTEST = 20e-6
_LONGEST = 5e-3
_SHARE = 0.02
_PR_SET_TIMERSLACK = 29

_clock = time.perf_counter
_sleep = time.sleep


def sharpen_sleep() -> None:
    """Ask Linux not to lengthen this thread's short sleeps by its default slack of 50 us."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1_000, 0, 0, 0)


class Backoff:
    """Call `pause` after each look that found nothing, `reset` after one that did.

    For 1 ms it returns at once: answers of microseconds must not pay for a sleep, and where ranks
    share cores, MPI yields the core in each look by itself (to yield once more would let every
    other waiting rank look twice). Then it sleeps for 2 % of the time waited so far, so that no
    wait becomes longer by more than that; at least 20 us, at most 5 ms.
    """

    __slots__ = ("_since",)

    def __init__(self) -> None:
        self._since = 0.0

    def reset(self) -> None:
        """Start again at the shortest wait."""
        self._since = 0.0

    def pause(self) -> None:
        """Wait a little, longer each time."""
        now = _clock()
        if self._since == 0.0:
            self._since = now
            return
        waited = now - self._since
        if waited < _SPIN_SECONDS:
            return
        _sleep(min(max(_SHARE * waited, _SHORTEST), _LONGEST))
