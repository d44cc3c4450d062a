"""One forked child for each case: what it breaks stays its own, and starting it costs nothing."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ALLOWED = (0, 2, 3, 4)
SILENT_CHANGE = 99
SPOILT = 98
ADDRESS_SPACE = 1 << 30


@dataclass(frozen=True)
class Verdict:
    """How a case ended: ``code`` is that of waitpid, ``fault`` empty if it may end like this."""

    code: int
    seconds: float
    peak_mb: float
    damage: str
    said: str
    fault: str


def judge(
    damage: Callable[[], str], act: Callable[[], int], folder: Path, limit_seconds: float
) -> Verdict:
    """Damage files and act on them in a child inside ``folder``; say whether it ended well.

    ``act`` returns an exit code of ``mpicode``, or ``SILENT_CHANGE``.
    """
    out, told = folder / "said", folder / "damage"
    sys.stdout.flush()
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        _be_child(damage, act, folder, out, told)
    code, peak = _wait(child, began + limit_seconds)
    seconds = time.monotonic() - began
    said = out.read_text(errors="replace")
    done = told.read_text(errors="replace") if told.exists() else "(while damaging)"
    fault = _fault(code, said, limit_seconds)
    return Verdict(code, seconds, peak / 1024, done, said, fault)


def _be_child(
    damage: Callable[[], str], act: Callable[[], int], folder: Path, out: Path, told: Path
) -> None:
    """Never returns."""
    code = 1
    try:
        os.setpgid(0, 0)
        os.chdir(folder)
        for number, (path, flags) in enumerate(
            [(os.devnull, os.O_RDONLY), (out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)]
        ):
            os.dup2(os.open(path, flags, 0o600), number)
        os.dup2(1, 2)
        try:
            told.write_text(damage())
        except Exception:
            traceback.print_exc()
            code = SPOILT
        else:
            resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
            resource.setrlimit(resource.RLIMIT_FSIZE, (ADDRESS_SPACE, ADDRESS_SPACE))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            code = act()
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _wait(child: int, until: float) -> tuple[int, int]:
    """Return the exit code (minus the signal that ended it) and the peak memory in kB."""
    pause = 0.001
    while True:
        found, status, usage = os.wait4(child, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status), usage.ru_maxrss
        if time.monotonic() > until:
            # the child is the leader of its group; it may not have become that yet
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            _, _, usage = os.wait4(child, 0)
            return -signal.SIGALRM, usage.ru_maxrss
        time.sleep(pause)
        pause = min(pause * 1.3, 0.02)


def _fault(code: int, said: str, limit_seconds: float) -> str:
    if code == -signal.SIGALRM:
        return f"not done after {limit_seconds:g} s"
    if code < 0:
        return f"crashed: {signal.Signals(-code).name}"
    if code == SILENT_CHANGE:
        return "a changed value, and nothing was said"
    if code == SPOILT:
        return "the fuzzer itself failed"
    if code not in ALLOWED:
        return f"exit code {code}"
    if "Traceback" in said:
        return "a traceback"
    if "Warning:" in said:
        return "a warning of a library"
    errors = [line for line in said.splitlines() if line.startswith("mpicode: error: ")]
    if len(errors) != (code != 0):
        return f"exit code {code} with {len(errors)} error lines"
    if errors and said.splitlines()[-1] != errors[0]:
        return "the error is not the last line"
    return ""
