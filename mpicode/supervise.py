"""Run one parallel job to its end: let it save when asked to stop, and leave no process behind.

What the mpiruns of the two wheels do, measured with three ranks on one host:

=================== ================================== ===================================
to mpirun           Open MPI 5.0.11                    MPICH 5.0.2 (hydra)
=================== ================================== ===================================
SIGINT, SIGTERM     ranks get SIGCONT at once, SIGTERM forwarded to the ranks, nothing more
                    after 0.25 s, SIGKILL after 0.5 s
SIGUSR1             forwarded to the ranks             forwarded to the ranks
SIGKILL             ranks live on                      ranks are killed
``Abort(4)``        4                                  4
rank exits with 4   4                                  4, or other ranks' signals mixed in: 9
rank is SIGKILLed   137                                9
sessions            ranks share mpirun's session       every rank has its own
=================== ================================== ===================================

A quarter of a second is not enough to save a run, so a first SIGINT or SIGTERM goes to the job as
SIGUSR1: rank 0 takes it as "save and end", the others ignore it. Since sessions do not tell which
processes belong to the job, an environment variable does; and since mpirun's exit codes are not all
ours, rank 0 writes its own beside them.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from .errors import ConfigError, GaveUp

#: Path of the file in which rank 0 leaves its exit code. Every process of a job carries this
#: variable with the same, unique value, and so can be found.
STATUS_VARIABLE = "MPICODE_STATUS"

#: The signal that asks rank 0 to save and end. The other ranks have to ignore it.
STOP_SIGNAL = signal.SIGUSR1

_STOP_REQUESTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
_SECONDS_TO_SAVE = 20.0
_SECONDS_TO_TERMINATE = 2.0


def run_job(
    command: Sequence[str], environment: Mapping[str, str], *, limit_seconds: float | None = None
) -> int:
    """Run ``command`` and return the exit code of its rank 0.

    The first SIGINT, SIGTERM or SIGHUP asks the job to save and end; a second one, or 20 s without
    an end, ends it by force, and then the code is 128 + the number of the first signal. `GaveUp` is
    raised if the job needs more than ``limit_seconds``. When this returns, no process of the job is
    alive on this host. Dies the caller itself, even by SIGKILL, the job is ended too (Linux).
    """
    folder = Path(tempfile.mkdtemp(prefix="mpicode-"))
    status = folder / "status"
    job = _Job(command, {**environment, STATUS_VARIABLE: str(status)}, limit_seconds)
    try:
        returned = job.run()
        _end_processes(str(status))
        if job.stopped_by is None and job.forced:
            raise GaveUp(f"{command[0]} did not end within {limit_seconds:g} s and was stopped")
        told = _told(status)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if job.stopped_by is not None and (job.forced or told is None):
        return 128 + job.stopped_by
    if told is not None:
        return told
    return returned if returned >= 0 else 128 - returned


def _told(status: Path) -> int | None:
    try:
        return int(status.read_text())
    except (FileNotFoundError, ValueError):
        return None  # rank 0 died, or runs on another host


class _Job:
    """One child and what it takes to end it: ask, then terminate, then kill."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], limit_seconds: float | None
    ) -> None:
        self.stopped_by: int | None = None
        self.forced = False
        self._command = command
        self._environment = environment
        self._limit = limit_seconds
        self._child: subprocess.Popen[bytes] | None = None

    def run(self) -> int:
        """Start the child, wait for its end, return its code as `subprocess` tells it."""
        with _handlers(self._on_stop_request, self._on_alarm):
            try:
                self._child = subprocess.Popen(
                    self._command,
                    env=self._environment,
                    stdin=subprocess.DEVNULL,
                    start_new_session=True,  # a Ctrl-C at the terminal is for us alone
                    preexec_fn=_die_with_parent(),
                )
            except OSError as error:
                raise ConfigError(f"{self._command[0]}: cannot be started: {error}") from None
            if self.stopped_by is not None:  # it came while the child was being made
                self._terminate()
            elif self._limit is not None:
                signal.setitimer(signal.ITIMER_REAL, self._limit)
            return self._child.wait()

    def _on_stop_request(self, signum: int, frame: FrameType | None) -> None:
        if self.stopped_by is None:
            self.stopped_by = signum
            if self._child is not None:
                self._ask()
        elif self._child is not None:
            self._on_alarm(signum, frame)

    def _on_alarm(self, signum: int, frame: FrameType | None) -> None:
        if self.forced:
            self._kill()
        else:
            self._terminate()

    def _ask(self) -> None:
        if self.stopped_by == signal.SIGINT:
            os.write(2, b"\nmpicode: saving; press Ctrl-C again to end at once\n")
        self._signal(STOP_SIGNAL)
        signal.setitimer(signal.ITIMER_REAL, _SECONDS_TO_SAVE)

    def _terminate(self) -> None:
        """Let mpirun end its ranks and remove its own files."""
        self.forced = True
        self._signal(signal.SIGTERM)
        signal.setitimer(signal.ITIMER_REAL, _SECONDS_TO_TERMINATE)

    def _kill(self) -> None:
        self._signal(signal.SIGKILL)
        _end_processes(self._environment[STATUS_VARIABLE])

    def _signal(self, signum: int) -> None:
        assert self._child is not None
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._child.pid, signum)


@contextlib.contextmanager
def _handlers(
    on_stop_request: Callable[[int, FrameType | None], None],
    on_alarm: Callable[[int, FrameType | None], None],
) -> Iterator[None]:
    """Put the handlers in place; what is ignored (nohup, a background job) stays ignored."""
    if threading.current_thread() is not threading.main_thread():
        raise ConfigError("mpirun can only be started from the main thread of the program")
    before: dict[int, Any] = {}
    try:
        for stop_request in _STOP_REQUESTS:
            if signal.getsignal(stop_request) is not signal.SIG_IGN:
                before[stop_request] = signal.signal(stop_request, on_stop_request)
        before[signal.SIGALRM] = signal.signal(signal.SIGALRM, on_alarm)
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


def _die_with_parent() -> Callable[[], None] | None:
    """Return what a child calls before it becomes mpirun, to get a SIGTERM when its parent dies."""
    if sys.platform != "linux":
        return None
    parent = os.getpid()
    prctl = ctypes.CDLL(None).prctl  # looked up before the fork: little is safe after it
    set_parent_death_signal = 1

    def arrange() -> None:
        prctl(set_parent_death_signal, int(signal.SIGTERM), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return arrange


def _end_processes(status: str) -> None:
    """Kill the processes of the job until none is left; the ranks may outlive their mpirun."""
    deadline = time.monotonic() + _SECONDS_TO_TERMINATE
    while (pids := list(_processes(status))) and time.monotonic() < deadline:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)


def _processes(status: str) -> Iterator[int]:
    """Yield the processes of the job on this host (Linux); zombies carry no variables."""
    mark = f"{STATUS_VARIABLE}={status}".encode()
    for entry in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark in entry.read_bytes().split(b"\0"):
                yield int(entry.parent.name)
        except OSError:
            continue  # gone meanwhile, or somebody else's
