"""What a run does about lost workers and damaged messages."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from ..errors import ConfigError


@dataclass(frozen=True)
class Faults:
    """``[faults]``: what becomes of a run that loses workers."""

    survive: bool = True
    """Start mpirun so that the others go on when a worker dies, where this MPI can do that."""
    when_lost: Literal["restore", "approximate", "stop"] = "restore"
    """What to do about lost workers: make the code anew over those left, which read their new rows
    while the iterations go on; nothing; or, as soon as those left cannot give the exact sum, stop
    with exit code 4. Until then, and with nothing done, the best estimate is taken."""
    on_error: Literal["stop", "lose"] = "stop"
    """What an exception in a worker means: the end of the run, or the loss of that worker."""
    silent_seconds: float = 300.0
    """A worker that has not answered for so long is not waited for until it answers again."""
    inject: list[dict[str, Any]] = field(default_factory=list)
    """Faults that the run is to meet: a ``kind`` each, and its parameters."""

    def __post_init__(self) -> None:
        if not self.silent_seconds > 0.0:
            raise ConfigError(f"faults.silent_seconds: must be above 0, got {self.silent_seconds}")


@dataclass(frozen=True)
class Wire:
    """``[wire]``: the messages between master and workers."""

    checksum: bool = False
    """Hold each answer against a checksum; done anyway where corruption is injected."""
