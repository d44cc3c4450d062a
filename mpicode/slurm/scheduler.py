"""What is asked of the scheduler: what it has, to take a job, and how that stands."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from ..errors import ConfigError, GaveUp
from .asking import ask

# Between two looks at a job, from a short one to a long one.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 10.0

# Words for jobs that will not run again by themselves: ended by their script, and otherwise.
_BY_ITSELF = ("COMPLETED", "FAILED")
_ENDED = (
    "BOOT_FAIL",
    "CANCELLED",
    "DEADLINE",
    "NODE_FAIL",
    "OUT_OF_MEMORY",
    "PREEMPTED",
    "TIMEOUT",
)


class Ended(NamedTuple):
    """How a job, or one element of an array, stands."""

    job: str
    """Its number; ``7_2`` for an element."""
    state: str
    """SLURM's word for it."""
    code: int
    """Exit code of its script; 128 + N where signal N ended that."""
    reason: str
    """Why it is in that state, in SLURM's words."""

    @property
    def is_over(self) -> bool:
        """Whether it will not run again by itself."""
        return self.state in (*_BY_ITSELF, *_ENDED)


def partitions() -> list[str]:
    """Return the names of the partitions."""
    return sorted(set(ask("sinfo", "--all", "--noheader", "--format=%R").split()))


def mpi_types() -> list[str]:
    """Return the kinds of MPI that srun can start here."""
    # some versions tell it on stderr, each line with their name in front
    told = ask("srun", "--mpi=list", errors_too=True).replace("srun: ", "")
    return [line.strip() for line in told.splitlines() if re.fullmatch(r"\s*\w+\s*", line)]


def submit(path: Path, environment: Mapping[str, str]) -> str:
    """Hand the script at ``path`` to the scheduler; return the number of the job.

    Raises `ConfigError` with what sbatch says where it refuses.
    """
    try:
        told = ask("sbatch", "--parsable", str(path), environment=environment)
    except GaveUp as error:
        raise GaveUp(f"{error}; it may have taken {path} all the same: see squeue") from None
    # on a site of several clusters: NUMBER;CLUSTER
    number = told.strip().splitlines()[-1].partition(";")[0] if told.strip() else ""
    if not number.isdigit():
        raise GaveUp(f"sbatch took {path}, but told no job number: {told.strip()!r}")
    return number


def look(job: str) -> list[Ended]:
    """Return how a job stands; all elements of an array, all parts of a heterogeneous job.

    Raises `GaveUp` where the scheduler does not know the job, or not any more.
    """
    try:
        told = ask("scontrol", "--oneliner", "show", "job", job)
    except ConfigError as error:
        raise GaveUp(f"job {job}: {error}; its run file says how it went") from None
    return [_stand(line) for line in told.splitlines() if line.startswith("JobId=")]


def wait(job: str, say: Callable[[str], None]) -> int:
    """Wait until a job is over and return its exit code, of several elements the largest.

    ``say`` is told each change. Raises `GaveUp` where the job was ended, or can never begin.
    """
    pause, said = _FIRST_PAUSE, ""
    while True:
        parts = look(job)
        states = ", ".join(sorted({part.state.lower() for part in parts}))
        if states != said:
            say(f"job {job}: {states}")
            said, pause = states, _FIRST_PAUSE
        if all(part.is_over for part in parts):
            return _code(parts)
        for part in parts:
            if part.reason == "DependencyNeverSatisfied":
                raise GaveUp(
                    f"job {part.job} can never begin: the jobs it depends on did not end as it "
                    f"wants; 'scancel {job}' takes it out of the queue"
                )
        time.sleep(pause)
        pause = min(1.2 * pause, _LONGEST_PAUSE)


def _code(parts: list[Ended]) -> int:
    for part in parts:
        if part.state not in _BY_ITSELF:
            raise GaveUp(f"job {part.job} ended as {part.state.lower()} ({part.reason})")
    return max((part.code for part in parts), default=0)


def _stand(line: str) -> Ended:
    """Read a line of ``scontrol --oneliner show job``."""
    known = dict(re.findall(r"(?:^| )(\w+)=(\S*)", line))
    code, _, number = known.get("ExitCode", "0:0").partition(":")
    job = known["JobId"]
    if "ArrayTaskId" in known:
        job = f"{known.get('ArrayJobId', job)}_{known['ArrayTaskId']}"
    by_signal = int(number or 0)
    return Ended(
        job,
        known.get("JobState", "UNKNOWN"),
        128 + by_signal if by_signal else int(code),
        known.get("Reason", "None"),
    )
