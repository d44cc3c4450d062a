"""When a run keeps its state, and what of it: enough to go on as if nothing had happened.

What is random here is a function of (seed, iteration, block or worker), and decoders start empty
in each round. So parameters, optimizer and the number of the iteration are the whole state of the
mathematics; the rest of a checkpoint says what it belongs to.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..config import Checkpoint as Table
from ..errors import DataError
from ..optimizers import Optimizer
from ..results import COLUMNS, Checkpoint, CheckpointFolder, to_bytes

# Checkpoints by time are further apart than this many times what the loop was held up by the last.
_SECONDS_PER_SECOND = 50.0


@dataclass(frozen=True)
class Identity:
    """What checkpoints of one run have in common; see `Checkpoint`."""

    run: str
    config: str
    facts: Mapping[str, Any]


class Events(Protocol):
    """Whoever keeps a table of events: the run file."""

    def event(self, iteration: int, seconds: float, worker: int, kind: str, detail: str) -> None:
        """Take an event; what was recorded before it is then in the file."""


class NoCheckpoints:
    """Where none are wanted."""

    def offer(
        self, iteration: int, seconds: float, x: NDArray[np.float64], optimizer: Optimizer
    ) -> None:
        """Do nothing."""

    def end(
        self,
        iteration: int,
        seconds: float,
        x: NDArray[np.float64],
        optimizer: Optimizer,
        outcome: str,
        complete: bool,
    ) -> None:
        """Do nothing."""


class Checkpoints(NoCheckpoints):
    """Keeps the state of a run every so many iterations or seconds, and at its end.

    A recorder as well: the numbers of the iterations belong to the state. Only the copying holds
    up the loop; hash, disk and clearing away are left to a thread. One checkpoint is written at a
    time: one that is due by time waits for the one before, one due by iterations makes the loop
    wait. A disk that refuses does not end the run: it is said, and the last good one stays.

    begun  : iteration and run time at which the run begins or goes on
    rows   : (iteration, columns) what a resumed run has recorded, by `COLUMNS`
    events : where to note checkpoints
    say    : takes a line for the user
    """

    def __init__(
        self,
        folder: CheckpointFolder,
        table: Table,
        identity: Identity,
        events: Events | None,
        say: Callable[[str], None],
        begun: tuple[int, float] = (0, 0.0),
        rows: NDArray[np.float64] | None = None,
    ) -> None:
        self._folder = folder
        self._table = table
        self._identity = identity
        self._events = events
        self._say = say
        self._begun, now = begun
        self._due = now + table.seconds
        self._rows = np.empty((max(256, 2 * self._begun), len(COLUMNS)))
        self._n_rows = 0
        if rows is not None:
            self._n_rows = len(rows)
            self._rows[: len(rows)] = rows
        self._writing: threading.Thread | None = None
        self._iteration, self._seconds = begun
        self._failed: DataError | None = None

    def iteration(self, columns: Mapping[str, float], workers: Mapping[str, Any]) -> None:
        """Take the numbers of one iteration."""
        if self._n_rows == len(self._rows):
            self._rows = np.concatenate([self._rows, np.empty_like(self._rows)])
        self._rows[self._n_rows] = [columns.get(name, np.nan) for name in COLUMNS]
        self._n_rows += 1

    def offer(
        self, iteration: int, seconds: float, x: NDArray[np.float64], optimizer: Optimizer
    ) -> None:
        """Write a checkpoint if it is time to; ``iteration`` is about to begin.

        seconds : run time
        x       : (n_parameters,)
        """
        every = self._table.every
        by_number = every is not None and iteration % every == 0 and iteration > self._begun
        if not by_number and (seconds < self._due or self._is_writing()):
            return
        self._write(iteration, seconds, x, optimizer, "running", False)

    def end(
        self,
        iteration: int,
        seconds: float,
        x: NDArray[np.float64],
        optimizer: Optimizer,
        outcome: str,
        complete: bool,
    ) -> None:
        """Write the last checkpoint, whole when this returns; ``iteration`` would come next."""
        self._write(iteration, seconds, x, optimizer, outcome, complete)
        self.finish()

    def finish(self) -> None:
        """Wait until what is being written is whole, and say if it cannot be."""
        if self._writing is None:
            return
        self._writing.join()
        self._writing = None
        if self._failed is None:
            return
        failed, self._failed = self._failed, None
        self._say(f"{failed}; the run goes on, but can be resumed from an earlier iteration only")
        if self._events is not None:
            self._events.event(self._iteration, self._seconds, -1, "checkpoint", f"not: {failed}")

    def _is_writing(self) -> bool:
        return self._writing is not None and self._writing.is_alive()

    def _write(
        self,
        iteration: int,
        seconds: float,
        x: NDArray[np.float64],
        optimizer: Optimizer,
        outcome: str,
        complete: bool,
    ) -> None:
        if not np.isfinite(x).all():
            return  # whoever went on from here would have diverged
        self.finish()
        self._iteration, self._seconds = iteration, seconds
        if self._events is not None:
            # the rows up to here are in the run file before the checkpoint is there
            self._events.event(iteration, seconds, -1, "checkpoint", str(self._folder.path))
        checkpoint = Checkpoint(
            run=self._identity.run,
            config=self._identity.config,
            identity=self._identity.facts,
            iteration=iteration,
            seconds=seconds,
            parameters=x,
            optimizer=optimizer.state(),
            rows=self._rows[: self._n_rows],
            complete=complete,
            outcome=outcome,
        )
        image = to_bytes(checkpoint)
        self._writing = threading.Thread(target=self._to_disk, args=(image,), daemon=True)
        self._writing.start()

    def _to_disk(self, image: memoryview) -> None:
        try:
            self._folder.write(image)
        except DataError as error:
            self._failed = error
