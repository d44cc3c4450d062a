"""Faults of a worker's process: by real signals under MPI, by the same words under the clock."""

from __future__ import annotations

import math
import os
import signal
from abc import ABC, abstractmethod
from typing import Any

from .base import Fault, Moment, check_seconds
from .timer import continue_after


class ProcessFault(Fault, ABC):
    """Something that happens to the process as a whole, at any moment of its life.

    away        : seconds until it goes on, infinite if it never does
    found_after : seconds under the virtual clock until the master finds it dead: about what the
                  detection takes under MPI
    detail      : how that shows
    """

    once = True
    away = math.inf
    found_after = 0.05
    detail = "died"

    def __init__(self, *, at: Moment = "compute", **rest: Any) -> None:
        self.at = at
        super().__init__(**rest)

    @abstractmethod
    def strike(self) -> None:
        """Do it to this process."""


class Kill(ProcessFault):
    """SIGKILL: ``kill -9``, or the kernel short of memory."""

    name = "kill"

    def strike(self) -> None:
        """End this process at once."""
        os.kill(os.getpid(), signal.SIGKILL)


class Segfault(ProcessFault):
    """SIGSEGV: a compiled library with a bug."""

    name = "segfault"

    def strike(self) -> None:
        """End this process as a wild pointer would."""
        signal.signal(signal.SIGSEGV, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGSEGV)


class Exit(ProcessFault):
    """The process leaves without a word to anybody; MPI does not notice, the pool looks."""

    name = "exit"
    found_after = 1.0
    detail = "its process has ended"

    def strike(self) -> None:
        """Leave."""
        os._exit(1)


class Stop(ProcessFault):
    """SIGSTOP for ``seconds``: a frozen node, a machine that swaps."""

    name = "stop"

    def __init__(self, *, seconds: float, **rest: Any) -> None:
        super().__init__(**rest)
        self.away = check_seconds(self.key, seconds)

    def strike(self) -> None:
        """Stop this process; the kernel wakes it up."""
        continue_after(self.away)
        os.kill(os.getpid(), signal.SIGSTOP)
