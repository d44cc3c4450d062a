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

A job that is to survive the death of a rank (``mpirun --with-ft ulfm``) is watched more closely,
for there mpirun ends nothing by itself: a rank that dies before all are present leaves the others
inside MPI_Init for ever, the death of rank 0 is no failure to it, and a rank that is stopped, or
hangs, holds up the end. `mpicode.watch` says what is seen of the job.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from .errors import ConfigError, GaveUp
from .watch import (
    LOOK_SECONDS,
    STATUS_VARIABLE,
    StartSpoilt,
    Watch,
    end_processes,
    told_by_rank_0,
    was_alone,
    were_all_present,
)

#: The signal that asks rank 0 to save and end. The other ranks have to ignore it.
STOP_SIGNAL = signal.SIGUSR1

_STOP_REQUESTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
#: Where Open MPI's mpirun keeps files of its own; it refuses to be told of two places.
PLACE_VARIABLE = "PRTE_MCA_prte_local_tmpdir_base"
_PLACES = {PLACE_VARIABLE, "PRTE_MCA_prte_tmpdir_base"}

#: How long a job may take to save and end, once it was asked to.
SECONDS_TO_SAVE = 20.0

_SECONDS_TO_TERMINATE = 2.0


def run_job(
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    limit_seconds: float | None = None,
    seconds_to_save: float = SECONDS_TO_SAVE,
    survive: bool = False,
) -> int:
    """Run ``command`` and return the exit code of its rank 0.

    The first SIGINT, SIGTERM, SIGHUP or SIGUSR1 asks the job to save and end; a second one, or
    ``seconds_to_save`` without an end, ends it by force, and then the code is 128 + the number of
    the first signal. SIGUSR1 as the second does nothing: it never means force, and a scheduler that
    signals each process of a job brings it once more. `GaveUp` is raised if the job needs more than
    ``limit_seconds``. When this returns, no process of the job is alive on this host. Dies the
    caller itself, even by SIGKILL, the job is ended too (Linux).

    With ``survive`` the job goes on when a rank dies. One whose start is spoilt by a death is
    started once more; `GaveUp` is raised if that is in vain too, or if rank 0 has died.
    """
    limits = _Limits(limit_seconds, seconds_to_save)
    try:
        return _run_once(command, environment, limits, survive)
    except StartSpoilt as error:
        print(f"mpicode: {error}; starting once more", file=sys.stderr, flush=True)
    return _run_once(command, environment, limits, survive)


class _Limits(NamedTuple):
    """How long a job may take in all, and to save and end once it was asked to."""

    seconds: float | None
    to_save: float


def _run_once(
    command: Sequence[str],
    environment: Mapping[str, str],
    limits: _Limits,
    survive: bool,
) -> int:
    folder = Path(tempfile.mkdtemp(prefix="mpicode-"))
    status = folder / "status"
    watch = Watch(status) if survive else None
    # an mpirun that has to be killed, because a host is out of reach, removes nothing itself; and
    # one that ends takes away the place where another one of ours is about to begin
    ours = {} if _PLACES & environment.keys() else {PLACE_VARIABLE: str(folder)}
    variables = {**environment, **ours, STATUS_VARIABLE: str(status)}
    job = _Job(command, variables, limits, watch)
    try:
        returned = job.run()
        end_processes(str(status))
        told = told_by_rank_0(status)
        job.outlived |= was_alone(status)
        if job.stopped_by is None and told is None and job.outlived:
            raise GaveUp(
                f"{command[0]} ended before the master did, as when it loses a host, and with it "
                "the job; what the master had saved is whole, and the run can be resumed"
            )
        if job.stopped_by is None and watch is not None:
            watch.raise_if_lost(returned)
        if job.stopped_by is None and told is None and job.forced:
            raise GaveUp(f"{command[0]} did not end within {limits.seconds:g} s and was stopped")
        died = returned > 128 or were_all_present(status)
        if job.stopped_by is None and told is None and died:
            raise GaveUp(
                f"a rank died, and with it the job ({Path(command[0]).name} ended with "
                f"{returned}); what the master had saved is whole, and the run can be resumed"
            )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if job.outlived and told is not None:
        error = "error: " * (told != 0)
        print(
            f"mpicode: {error}{command[0]} ended before the master did, as when it loses a host; "
            f"the master's last words are lost: it left with exit code {told}, and the run file "
            "says how it went",
            file=sys.stderr,
            flush=True,
        )
    if job.stopped_by is not None and (job.forced or told is None):
        return 128 + job.stopped_by
    if told is not None:
        return told
    return returned if returned >= 0 else 128 - returned


class _Job:
    """One child and what it takes to end it: ask, then terminate, then kill."""

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        limits: _Limits,
        watch: Watch | None,
    ) -> None:
        self.stopped_by: int | None = None
        self.forced = False
        self.outlived = False  # mpirun has ended, rank 0 has not
        self._command = command
        self._environment = environment
        self._seconds_to_save = limits.to_save
        self._deadline = None if limits.seconds is None else time.monotonic() + limits.seconds
        self._watch = watch
        self._child: subprocess.Popen[bytes]

    def run(self) -> int:
        """Start the child, wait for its end, return its code as `subprocess` tells it."""
        with _signals() as arrived:
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
            while (code := self._child.poll()) is None or self._goes_on():
                for number in arrived(self._next_look()):
                    self._stop(number)
                if self._watch is not None and not self.forced and self._watch.is_over():
                    self._press()
                if self._deadline is not None and time.monotonic() >= self._deadline:
                    self._press()
        return code

    def _goes_on(self) -> bool:
        """Return whether to wait for rank 0 although mpirun has ended: it is saving its state."""
        if self._watch is None or self.forced or not self._watch.outlives_mpirun():
            return False
        if not self.outlived:
            self.outlived = True
            self._deadline = time.monotonic() + self._seconds_to_save
        return True

    def _next_look(self) -> float | None:
        if self._watch is None:
            return self._deadline
        look = time.monotonic() + LOOK_SECONDS
        return look if self._deadline is None else min(look, self._deadline)

    def _stop(self, number: int) -> None:
        if self.stopped_by is not None or self.forced:
            if number != signal.SIGUSR1:
                self._press()
            return
        self.stopped_by = number
        self._send(STOP_SIGNAL, self._seconds_to_save)
        if number == signal.SIGINT:
            os.write(2, b"\nmpicode: saving; press Ctrl-C again to end at once\n")

    def _press(self) -> None:
        """Let mpirun end its ranks and remove its own files; failing that, kill them all."""
        if not self.forced:
            self.forced = True
            self._send(signal.SIGTERM, _SECONDS_TO_TERMINATE)
        else:
            self._send(signal.SIGKILL, _SECONDS_TO_TERMINATE)
            end_processes(self._environment[STATUS_VARIABLE])

    def _send(self, number: int, seconds: float) -> None:
        self._child.send_signal(number)
        self._deadline = time.monotonic() + seconds


@contextlib.contextmanager
def _signals() -> Iterator[Callable[[float | None], list[int]]]:
    """Catch the requests to stop; give a function that waits for the next of them.

    It returns the numbers that have come, none at the deadline or when a child has ended. Signals
    are written to a pipe and handled one after the other, so that no handler interrupts another.
    What is ignored (nohup, a background job) stays ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        raise ConfigError("mpirun can only be started from the main thread of the program")
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    before: dict[int, Any] = {}
    wakeup = signal.set_wakeup_fd(writer)

    def arrived(deadline: float | None) -> list[int]:
        seconds = None if deadline is None else max(deadline - time.monotonic(), 0.0)
        if not select.select([reader], [], [], seconds)[0]:
            return []
        return [number for number in os.read(reader, 256) if number != signal.SIGCHLD]

    try:
        for wanted in (*_STOP_REQUESTS, signal.SIGCHLD):
            if wanted == signal.SIGCHLD or signal.getsignal(wanted) is not signal.SIG_IGN:
                before[wanted] = signal.signal(wanted, lambda number, frame: None)
        yield arrived
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(wakeup)
        os.close(reader)
        os.close(writer)


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
