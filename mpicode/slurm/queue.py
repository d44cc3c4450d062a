"""What the scheduler says of the jobs of a user: those that wait, run, or have ended lately."""

from __future__ import annotations

import datetime
import shutil
from pathlib import Path
from typing import NamedTuple

from ..errors import ConfigError, GaveUp
from .asking import ask

_SECONDS_TO_ANSWER = 30.0
# Names and paths may have spaces and bars; what separates the fields stands in none of them.
_BETWEEN = "\x1f"
_FIELDS = "%i %T %r %e %j %Z %o".replace(" ", _BETWEEN)
_OVER = frozenset(
    {
        *("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL"),
        *("OUT_OF_MEMORY", "PREEMPTED", "REVOKED", "TIMEOUT"),
    }
)


class Queued(NamedTuple):
    """A job, or one element of an array, as the scheduler sees it."""

    number: str
    """``7``, or ``7_2`` for element 2 of an array."""
    state: str
    """SLURM's word, in lower case."""
    reason: str
    """Why it waits, or ended so; empty where there is nothing to say."""
    limit: datetime.datetime | None
    """When its time is up, in local time; None where that is not known yet."""
    name: str
    folder: Path
    """Where it was submitted from."""
    script: Path | None
    """None where it was not submitted by a script."""

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self.state.upper() in _OVER

    @property
    def run_file(self) -> Path | None:
        """The run file, where ``mpicode submit`` has made the script: it stands beside it."""
        if self.script is None:
            return None
        _, _, element = self.number.partition("_")
        return self.script.with_name(self.script.stem + (f"-{element}" if element else "") + ".h5")


def jobs() -> list[Queued] | None:
    """Return the user's jobs, None where there is no SLURM; raises `GaveUp` if it does not answer.

    Jobs that have ended are known to it for some minutes.
    """
    if shutil.which("squeue") is None:
        return None
    options = ("--me", "--noheader", "--array", "--states=all", f"--format={_FIELDS}")
    try:
        return parse(ask("squeue", *options, seconds=_SECONDS_TO_ANSWER))
    except ConfigError as error:
        raise GaveUp(str(error)) from None


def parse(text: str) -> list[Queued]:
    """Read what squeue prints in our format; a line that is none of it is passed over."""
    found = []
    for line in text.split("\n"):
        fields = line.split(_BETWEEN)
        if len(fields) != len(_FIELDS.split(_BETWEEN)):
            continue
        number, state, reason, limit, name, folder, script = (each.strip() for each in fields)
        found.append(
            Queued(
                number,
                state.lower(),
                "" if reason == "None" else reason,
                _time(limit),
                name,
                Path(folder),
                Path(script) if script not in ("", "(null)") else None,
            )
        )
    return found


def _time(text: str) -> datetime.datetime | None:
    try:
        return datetime.datetime.fromisoformat(text)
    except ValueError:
        return None  # N/A, NONE
