"""What a run writes."""

from __future__ import annotations

from dataclasses import dataclass

from .checks import within


@dataclass(frozen=True)
class Output:
    """``[output]``: where the run file goes."""

    path: str | None = None
    """Run file; absent: none is written by the Python call, ``NAME.h5`` by the command line."""
    flush_seconds: float = 1.0
    """Most run time that a crash may cost the run file."""

    def __post_init__(self) -> None:
        within("output.flush_seconds", self.flush_seconds, 0.0)


@dataclass(frozen=True)
class Checkpoint:
    """``[checkpoint]``: how often the state is kept, from which ``--resume`` goes on.

    It is also kept when the run ends, for whatever reason it can be told.
    """

    path: str | None = None
    """Folder; absent: ``NAME.checkpoints`` beside the run file ``NAME.h5``."""
    every: int | None = None
    """Iterations from one to the next; absent: by ``seconds`` alone."""
    seconds: float = 60.0
    """Run time from one to the next; inf: by ``every`` alone."""
    keep: int = 2
    """How many of a run are kept; 0: none is written."""

    def __post_init__(self) -> None:
        if self.every is not None:
            within("checkpoint.every", self.every, 1)
        within("checkpoint.seconds", self.seconds, 0.0)
        within("checkpoint.keep", self.keep, 0)
