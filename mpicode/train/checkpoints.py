"""When a run keeps its state, and what of it: enough to go on as if nothing had happened.

What is random here is a function of (seed, iteration, block or worker), and decoders start empty
in each round. So parameters, optimizer and the number of the iteration are the whole state of the
mathematics; the rest of a checkpoint says what it belongs to.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..config import Checkpoint as Table
from ..errors import DataError
from ..optimizers import Optimizer
from ..results import COLUMNS, MISSING, Checkpoint, CheckpointFolder, to_bytes

# By time, checkpoints may take this share of a run at most.
_LARGEST_SHARE = 0.02


@dataclass
class State:
    """Where a run is.

    x         : (n_parameters,) where the next gradient is asked
    optimizer : what has made the steps so far
    iteration : number of the iteration that comes next
    seconds   : run time at its start
    history   : columns of /iterations by name, of the iterations before it
    torn      : a step is being made, and the other fields do not fit together
    more      : what a checkpoint had beside these, by names that begin with "asynchronous."
    remember  : gives what checkpoints are to keep beside these, under the same names
    """

    x: NDArray[np.float64]
    optimizer: Optimizer
    iteration: int = 0
    seconds: float = 0.0
    history: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    torn: bool = False
    more: dict[str, Any] = field(default_factory=dict)
    remember: Callable[[], dict[str, Any]] = dict


@dataclass(frozen=True)
class Identity:
    """What the checkpoints of a run have in common: see `Checkpoint`."""

    created: str
    config: str
    facts: Mapping[str, Any]


class Due:
    """Says at the start of each iteration whether a checkpoint is to be written there.

    table, iteration, seconds : how often, and where the run begins
    """

    def __init__(self, table: Table, iteration: int = 0, seconds: float = 0.0) -> None:
        self._table = table
        self._start = iteration
        self._seconds = seconds
        self._pause = table.seconds

    def __call__(self, iteration: int, seconds: float, by_time: bool = True) -> bool:
        """Return whether it is time; ``by_time``: whether time counts, not the number alone."""
        every = self._table.every
        by_number = every is not None and iteration % every == 0
        late = by_time and seconds >= self._seconds + self._pause
        if iteration <= self._start or not (by_number or late):
            return False
        self._seconds, self._pause = seconds, self._table.seconds
        return True

    def held_up(self, seconds: float) -> None:
        """Take down how long the loop was held up by the last one."""
        self._pause = max(self._table.seconds, seconds / _LARGEST_SHARE)


class Events(Protocol):
    """Whoever keeps a table of events: the run file."""

    def event(self, iteration: int, seconds: float, worker: int, kind: str, detail: str) -> None:
        """Take an event; what was recorded before it is then in the file."""


class NoCheckpoints:
    """Where none are kept."""

    last: Path | None = None
    """The last one written."""

    def iteration(self, columns: Mapping[str, float]) -> None:
        """Take the numbers of an iteration, by the names of `COLUMNS`."""

    def offer(self, state: State) -> bool:
        """Write a checkpoint if it is time to; return whether it was."""
        return False

    def end(self, state: State, outcome: str, complete: bool) -> None:
        """Write the last checkpoint; it is whole when this returns."""


class Checkpoints(NoCheckpoints):
    """Keeps the state of a run every so many iterations or seconds, and at its end.

    Only the copying holds up the loop; hash, disk and clearing away are left to a thread. One
    checkpoint is written at a time: one that is due by time waits for the one before, for one that
    is due by iterations the loop waits. A disk that refuses does not end the run: it is said, and
    the last good checkpoint stays.

    clock  : run time, in seconds
    events : where to note checkpoints, None for nowhere
    say    : takes a line for the user
    start  : the state in which the run begins, or goes on after ``rows``, (iteration, columns)
    exactly : whether one that is due by time waits too, so that when they are written follows from
             the run's own clock
    """

    def __init__(
        self,
        folder: CheckpointFolder,
        table: Table,
        identity: Identity,
        clock: Callable[[], float],
        events: Events | None,
        say: Callable[[str], None],
        start: State,
        rows: NDArray[np.float64] | None = None,
        exactly: bool = False,
    ) -> None:
        self._exactly = exactly
        self._folder = folder
        self._identity = identity
        self._clock = clock
        self._events = events
        self._say = say
        self._noted = start.iteration
        self._due = Due(table, start.iteration, start.seconds)
        self._n_rows = 0 if rows is None else len(rows)
        self._rows = np.empty((max(256, 2 * self._n_rows), len(COLUMNS)))
        if rows is not None:
            self._rows[: len(rows)] = rows
        self._writing: threading.Thread | None = None
        self._failure: DataError | None = None

    def iteration(self, columns: Mapping[str, float]) -> None:
        """Take the numbers of an iteration, by the names of `COLUMNS`."""
        if self._n_rows == len(self._rows):
            self._rows = np.concatenate([self._rows, np.empty_like(self._rows)])
        self._rows[self._n_rows, 0] = columns["iteration"]
        self._rows[self._n_rows, 1:] = [columns.get(key, value) for key, value in MISSING.items()]
        self._n_rows += 1

    def offer(self, state: State) -> bool:
        """Write a checkpoint if it is time to; return whether it was."""
        waits = self._exactly or not self._is_writing()
        if not self._due(state.iteration, state.seconds, by_time=waits):
            return False
        began = self._clock()
        self._write(state, "running", False)
        self._due.held_up(self._clock() - began)
        return True

    def end(self, state: State, outcome: str, complete: bool) -> None:
        """Write the last checkpoint; it is whole when this returns."""
        if not state.torn:
            self._write(state, outcome, complete)
        self._finish()

    def _write(self, state: State, outcome: str, complete: bool) -> None:
        if not np.isfinite(state.x).all():
            return  # whoever went on from here would only diverge again
        self._finish()
        self._noted = state.iteration
        # so the rows up to here are in the run file before the checkpoint is there
        self._note(state.seconds, str(self._folder.path))
        rest = to_bytes(
            Checkpoint(
                created=self._identity.created,
                config=self._identity.config,
                identity=self._identity.facts,
                iteration=state.iteration,
                seconds=state.seconds,
                parameters=state.x,
                optimizer={**state.optimizer.state(copy=False), **state.remember()},
                rows=self._rows[: self._n_rows],
                complete=complete,
                outcome=outcome,
            )
        )
        self._writing = threading.Thread(
            target=self._to_disk, args=(rest,), name="checkpoint", daemon=True
        )
        self._writing.start()

    def _is_writing(self) -> bool:
        return self._writing is not None and self._writing.is_alive()

    def _to_disk(self, rest: memoryview) -> None:
        try:
            self.last = self._folder.write(rest)
        except DataError as error:
            self._failure = error

    def _finish(self) -> None:
        """Wait until the checkpoint that is being written is whole; say if it cannot be."""
        if self._writing is not None:
            self._writing.join()
            self._writing = None
        failure, self._failure = self._failure, None
        if failure is not None:
            self._say(f"no checkpoint at iteration {self._noted}: {failure}")
            self._note(self._clock(), f"not written: {failure}")

    def _note(self, seconds: float, detail: str) -> None:
        """Add a row to the events; a disk that refuses will tell whoever writes the next row."""
        if self._events is not None:
            with contextlib.suppress(DataError):
                self._events.event(self._noted, seconds, -1, "checkpoint", detail)
