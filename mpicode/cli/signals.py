"""Signals that ask a run to end: before it begins at once, then when the training loop asks."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn

from ..errors import Stopped

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


class StopRequest:
    """Call it to ask whether a signal has come.

    Who asks for the first time has begun something, and can save it. A signal before that finds a
    set-up, which may take long, deep in a computation that hears nothing: then ``leave`` is called,
    from a thread of its own, to end this process.

    A Ctrl-C after the first signal is no longer held back. SIGTERM and SIGUSR1 are: a scheduler
    that ends a job signals each process of it, and the launcher that hands on what it got does so
    once more.

    also_ignored : listen to signals, too, that this process was started to ignore
    """

    def __init__(self, leave: Callable[[], NoReturn], *, also_ignored: bool = False) -> None:
        self._leave = leave
        self._signal: int | None = None
        self._has_begun = False
        self._deciding = threading.Lock()
        # whoever has the interpreter, a signal gets into this pipe
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        self._handlers: dict[int, Any] = {}
        self._wakeup = signal.set_wakeup_fd(self._writer)
        for number in ENDING:
            if also_ignored or signal.getsignal(number) is not signal.SIG_IGN:
                self._handlers[number] = signal.signal(number, self._remember)
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def __call__(self) -> bool:
        """Return whether a signal has come."""
        if not self._has_begun:
            self._begin()
        return self._signal is not None

    def close(self) -> None:
        """Have signals do again what they did before."""
        self._begin()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup)

    def _begin(self) -> None:
        with self._deciding:
            if self._has_begun:
                return
            self._has_begun = True
        signal.set_wakeup_fd(-1)
        os.close(self._writer)  # the end of what the listener reads
        self._listener.join()

    def _listen(self) -> None:
        while numbers := os.read(self._reader, 64):
            with self._deciding:
                if not self._has_begun and any(number in self._handlers for number in numbers):
                    self._leave()
        os.close(self._reader)

    def _remember(self, number: int, frame: FrameType | None) -> None:
        self._signal = number
        if signal.SIGINT in self._handlers:
            signal.signal(signal.SIGINT, signal.SIG_DFL)


def leave_with(code: int) -> Callable[[], NoReturn]:
    """Return what ends this process with an exit code before anything has begun."""

    def leave() -> NoReturn:
        say_nothing_began()
        os._exit(code)

    return leave


def say_nothing_began() -> None:
    """Say that a signal has ended a set-up."""
    from . import say_error

    say_error(Stopped("interrupted by a signal before anything had begun; nothing is lost"))
    sys.stderr.flush()


def ignore() -> None:
    """Leave these signals to the master: it tells the workers to stop once everything is saved."""
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)
