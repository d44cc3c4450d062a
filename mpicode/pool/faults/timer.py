"""A SIGCONT that comes for certain: from a timer of the kernel, not from a process that may die."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

from ...errors import ConfigError

_CLOCK_MONOTONIC = 1
_SIGEV_SIGNAL = 0


class _Event(ctypes.Structure):
    """``struct sigevent``; its union is as long as the kernel's 64 bytes ask for."""

    _fields_ = (
        ("value", ctypes.c_void_p),
        ("signo", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("rest", ctypes.c_byte * 48),
    )


class _Times(ctypes.Structure):
    """``struct itimerspec``."""

    _fields_ = (
        ("interval", ctypes.c_long * 2),
        ("value", ctypes.c_long * 2),
    )


def continue_after(seconds: float) -> None:
    """Have the kernel send SIGCONT to this process, stopped or not, in ``seconds``."""
    if not sys.platform.startswith("linux"):
        raise ConfigError("faults.inject: 'stop' needs the timers of Linux")
    library = _library()
    event = _Event(None, int(signal.SIGCONT), _SIGEV_SIGNAL)
    timer = ctypes.c_void_p()
    _check(library.timer_create(_CLOCK_MONOTONIC, ctypes.byref(event), ctypes.byref(timer)))
    whole = int(seconds)
    times = _Times((0, 0), (whole, max(1, int((seconds - whole) * 1e9))))
    _check(library.timer_settime(timer, 0, ctypes.byref(times), None))


def _library() -> ctypes.CDLL:
    library = ctypes.CDLL(None, use_errno=True)
    if hasattr(library, "timer_create"):
        return library
    return ctypes.CDLL("librt.so.1", use_errno=True)  # before glibc 2.34


def _check(result: int) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
