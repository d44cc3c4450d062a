"""Runs that are struck by faults: started by `mpicode run`, watched, and searched for remains."""

from __future__ import annotations

import contextlib
import os
import runpy
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
DIGITS = runpy.run_path(str(ROOT / "tests" / "mpi" / "digits.py"))

_MARK = "MPICODE_FAULTY"
_RANK = b"OMPI_COMM_WORLD_RANK="
_SECONDS_TO_LEAVE = 10.0  # of processes that have nothing left to do


class Scratch:
    """Folders that one job has to itself, so that what it leaves there is known to be its own."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="mpicode-faulty-"))
        self.temporary = self.folder / "tmp"
        self.temporary.mkdir()
        # Open MPI keeps what its ranks share in /dev/shm, unless told another place
        self.shared = Path(tempfile.mkdtemp(prefix="mpicode-faulty-", dir="/dev/shm"))

    def remains(self) -> list[str]:
        """Return the files that are left in either place."""
        return [str(path) for place in (self.temporary, self.shared) for path in place.rglob("*")]

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.rmtree(self.shared, ignore_errors=True)


class Job:
    """One `mpicode run CONFIG`, and what can be seen of it from outside.

    before    : the start of a command that runs it, elsewhere
    variables : what its environment has beside ours
    """

    def __init__(
        self,
        config: Path,
        scratch: Scratch,
        *arguments: str,
        before: Sequence[str] = (),
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self._scratch = scratch
        self._mark = uuid.uuid4().hex
        self.started = time.monotonic()
        self.lines: list[tuple[float, str]] = []
        self._rest = b""
        environment = {
            **os.environ,
            _MARK: self._mark,
            "TMPDIR": str(scratch.temporary),
            "OMPI_MCA_btl_sm_backing_directory": str(scratch.shared),
            "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))),
            **(variables or {}),
        }
        self.process = subprocess.Popen(
            [*before, sys.executable, "-u", "-m", "mpicode", "run", str(config), *arguments],
            cwd=scratch.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def listen(self, seconds: float) -> bool:
        """Read what the job says for so long; return whether it still runs."""
        assert self.process.stderr is not None
        deadline = time.monotonic() + seconds
        while True:
            left = max(0.0, deadline - time.monotonic())
            if select.select([self.process.stderr], [], [], left)[0]:
                read = os.read(self.process.stderr.fileno(), 65536)
                if not read:
                    self.process.wait()
                    return False
                *lines, self._rest = (self._rest + read).split(b"\n")
                now = time.monotonic()
                self.lines += [(now, line.decode(errors="replace")) for line in lines]
            if left <= 0.0:
                return True

    def ranks(self) -> dict[int, int]:
        """Return the process number of each rank that lives."""
        return {rank: pid for pid, rank in self.processes().items() if rank is not None}

    def processes(self) -> dict[int, int | None]:
        """Return all processes of the job with their ranks; zombies carry no mark."""
        mark = f"{_MARK}={self._mark}".encode()
        found: dict[int, int | None] = {}
        for process in Path("/proc").iterdir():
            if not process.name.isdigit():
                continue
            with contextlib.suppress(OSError):
                variables = (process / "environ").read_bytes().split(b"\0")
                if mark in variables:
                    rank = next((v for v in variables if v.startswith(_RANK)), None)
                    number = None if rank is None else int(rank.removeprefix(_RANK))
                    found[int(process.name)] = number
        return found

    def wait(self, limit: float) -> int | None:
        """Return the exit code, None if the job does not end within ``limit`` of its start."""
        while self.listen(0.1):
            if time.monotonic() - self.started > limit:
                return None
        return self.process.returncode

    def remains(self) -> list[str]:
        """Return the processes and files that the ended job has left behind."""
        deadline = time.monotonic() + _SECONDS_TO_LEAVE
        while self.processes() and time.monotonic() < deadline:
            time.sleep(0.02)
        left = [f"process {pid} (rank {rank})" for pid, rank in self.processes().items()]
        return left + self._scratch.remains()

    def kill(self) -> None:
        """End whatever is left of it."""
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()

    @property
    def text(self) -> str:
        return "\n".join(line for _, line in self.lines)


def reference(config: Path, iterations: int | None = None) -> np.ndarray:
    """Return the parameters of the same run without faults, in this process.

    ``iterations``: after so many of them
    """
    import mpicode
    from mpicode.config import Config

    clean = Config.load(config, ["faults.inject=[]"]).replace("output", path=None)
    if iterations is not None:
        clean = clean.replace("run", iterations=iterations)
    result = mpicode.run(clean)
    return result.parameters


def distance(parameters: np.ndarray, wanted: np.ndarray) -> float:
    """Return the relative distance; infinite if the shapes differ."""
    if parameters.shape != wanted.shape:
        return np.inf
    return float(np.linalg.norm(parameters - wanted) / max(np.linalg.norm(wanted), 1e-300))
