"""What is seen of a job from outside: its processes, and what its rank 0 writes down.

Rank 0 writes two files into a folder made for the job: one when all ranks are present, with its
process number, and one at its end, with its exit code.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from .errors import GaveUp

#: Path of the file in which rank 0 leaves its exit code. Every process of a job carries this
#: variable with the same, unique value, and so can be found.
STATUS_VARIABLE = "MPICODE_STATUS"

#: Time between two looks at a job.
LOOK_SECONDS = 0.1

# What started this process: on a rank mpirun, or its daemon on this host.
_STARTER = os.getppid()

# Beside the exit code of a rank 0 that has outlived its mpirun, and so spoke to nobody.
_ALONE = "alone"

_RANK_VARIABLE = b"OMPI_COMM_WORLD_RANK="
_SECONDS_TO_KILL = 2.0
_SECONDS_TO_START = 120.0
# Once a rank has vanished, or rank 0 is done, the others have so long to leave by themselves.
_SECONDS_TO_FOLLOW = 5.0
# Ranks that fail by themselves leave with 1 to 4; see `mpicode.errors`.
_LAST_OF_OURS = GaveUp.exit_code


class StartSpoilt(GaveUp):
    """A rank died before all were present."""


def status_of_job() -> Path | None:
    """Return the path of that file for the job this process is in.

    None where nobody has started one, or did on another host.
    """
    told = os.environ.get(STATUS_VARIABLE)
    return Path(told) if told and Path(told).parent.is_dir() else None


def told_by_rank_0(status: Path) -> int | None:
    """Return the exit code that rank 0 left, None if it left none."""
    try:
        return int(status.read_text().removesuffix(_ALONE))
    except (FileNotFoundError, ValueError):
        return None  # rank 0 died, or runs on another host


def was_alone(status: Path) -> bool:
    """Return whether rank 0 was without its mpirun when it left its exit code."""
    return status.exists() and status.read_text().endswith(_ALONE)


def tell_exit_code(status: Path, exit_code: int) -> None:
    """Have rank 0 leave its exit code."""
    status.write_text(f"{exit_code} {_ALONE}" if orphaned() else f"{exit_code}")


def orphaned() -> bool:
    """Return whether the mpirun of this rank, or its daemon here, has ended: the job is ending.

    It does when it has lost its daemon on another host. Open MPI 5.0.11 leaves ranks a second.
    """
    return os.getppid() != _STARTER


def tell_all_present() -> None:
    """Have rank 0 say that every rank has come through MPI's start-up."""
    status = status_of_job()
    if status is not None:
        beside = status.with_name("present.part")
        beside.write_text(f"{socket.gethostname()} {os.getpid()}\n")
        beside.rename(_present(status))


def were_all_present(status: Path) -> bool:
    """Return whether rank 0 has said that every rank has come through MPI's start-up."""
    return _present(status).exists()


def tell_start_spoilt() -> None:
    """Have any rank say that another died before all were present."""
    status = status_of_job()
    if status is not None:
        _spoilt(status).touch()


def wait_for_rank_0() -> None:
    """Have another rank stay until rank 0, on the same host, has said all it has to say.

    Its output goes through mpirun, which may end too early; see `Watch.outlives_mpirun`.
    """
    deadline = time.monotonic() + _SECONDS_TO_FOLLOW
    while (
        (status := status_of_job()) is not None
        and told_by_rank_0(status) is None
        and time.monotonic() < deadline
    ):
        time.sleep(0.005)


def _spoilt(status: Path) -> Path:
    return status.with_name("spoilt")


def _present(status: Path) -> Path:
    return status.with_name("present")


class Watch:
    """Tells when a job that survives deaths is over although mpirun does not end it."""

    def __init__(self, status: Path) -> None:
        self._status = status
        self._started = time.monotonic()
        self._seen: set[int] = set()
        self._waiting_since: float | None = None
        self._ended = False

    def is_over(self) -> bool:
        """Look at the job; return whether what is left of it is to be ended."""
        why = self._reason()
        if why is None:
            self._waiting_since = None
            return False
        now = time.monotonic()
        if self._waiting_since is None:
            self._waiting_since = now
        self._ended = now - self._waiting_since >= _SECONDS_TO_FOLLOW
        return self._ended

    def outlives_mpirun(self) -> bool:
        """Return whether rank 0 is still at work here: then the job is not over yet.

        Open MPI 5.0.11 counts a rank that leaves with an error code twice among those that have
        ended, so that its mpirun ends before the last ranks do. Their output is lost then.
        """
        if told_by_rank_0(self._status) is not None:
            return False
        host, pid = self._rank_0()
        return host == socket.gethostname() and Path(f"/proc/{pid}").exists()

    def _rank_0(self) -> tuple[str, str]:
        """Return host and process number of rank 0, empty until all ranks are present."""
        try:
            host, pid = _present(self._status).read_text().split()
        except FileNotFoundError:
            return "", ""
        return host, pid

    def raise_if_lost(self, returned: int) -> None:
        """Raise what made the job fail, if rank 0 could not say it.

        returned : by mpirun. A death inside MPI_Init can make the other ranks' MPI end them, with
                   codes that are not ours: 14 where Open MPI finds a rank out of reach
        """
        reason = self._reason()
        if isinstance(reason, StartSpoilt):
            if self._ended or _spoilt(self._status).exists() or returned > _LAST_OF_OURS:
                raise reason
        elif isinstance(reason, GaveUp):
            raise reason

    def _reason(self) -> GaveUp | str | None:
        """Return why the job should be ending, None if it should not."""
        if told_by_rank_0(self._status) is not None:
            return "rank 0 is done"
        host, pid = self._rank_0()
        if not host:
            return self._start_spoilt()
        if host == socket.gethostname() and not Path(f"/proc/{pid}").exists():
            return GaveUp(
                "the master (rank 0) died; what it had saved is whole, and the run can be resumed"
            )
        return None

    def _start_spoilt(self) -> GaveUp | None:
        carriers = set(_processes(str(self._status), _RANK_VARIABLE))
        # what a rank starts itself may come and go
        ranks = {pid for pid in carriers if (parent := _parent(pid)) and parent not in carriers}
        self._seen |= ranks
        gone = self._seen - ranks
        if gone:
            return StartSpoilt(f"{len(gone)} of the ranks died while the job started")
        if time.monotonic() - self._started > _SECONDS_TO_START:
            return StartSpoilt(f"not all ranks were present within {_SECONDS_TO_START:g} s")
        return None


def end_processes(status: str) -> None:
    """Kill the processes of the job until none is left; the ranks may outlive their mpirun."""
    deadline = time.monotonic() + _SECONDS_TO_KILL
    while (pids := list(_processes(status))) and time.monotonic() < deadline:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)


def _processes(status: str, also: bytes = b"") -> Iterator[int]:
    """Yield the processes of the job on this host (Linux); zombies carry no variables.

    ``also``: only those that carry a variable which begins so.
    """
    mark = f"{STATUS_VARIABLE}={status}".encode()
    # not by a glob of paths: it fails where a process ends while it looks
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            variables = (process / "environ").read_bytes().split(b"\0")
        except OSError:
            continue  # gone meanwhile, or somebody else's
        if mark in variables and (not also or any(v.startswith(also) for v in variables)):
            yield int(process.name)


def _parent(pid: int) -> int:
    """Return the process number of a process's parent, 0 where it is gone meanwhile."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    return int(stat.rpartition(")")[2].split()[1])
