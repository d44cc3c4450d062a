"""What the master says while it trains: a bar on a terminal, else a line every few seconds."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Mapping
from typing import Any

_SECONDS_BETWEEN_LINES = 5.0


class Progress:
    """A recorder that shows iteration, loss and waiting on stderr."""

    def __init__(self, iterations: int, n_workers: int) -> None:
        self._n_workers = n_workers
        self._iterations = iterations
        self._done = 0
        self._n_lost = 0
        self._accuracy = ""
        self._bar: Any = None
        self._next_line = time.monotonic() + _SECONDS_BETWEEN_LINES
        # under mpirun stderr is a pipe; the launcher says whether a terminal is at its end
        if sys.stderr.isatty() or os.environ.get("MPICODE_TTY") == "1":
            from tqdm import tqdm

            self._bar = tqdm(
                total=iterations, unit="it", dynamic_ncols=True, mininterval=0.2, file=sys.stderr
            )

    def iteration(self, columns: Mapping[str, float], workers: Mapping[str, Any]) -> None:
        """Show one iteration, if it is time to."""
        self._done = int(columns["iteration"]) + 1
        if columns["test_accuracy"] == columns["test_accuracy"]:
            self._accuracy = f", test accuracy {columns['test_accuracy']:.4f}"
        if self._bar is not None:
            if self._bar.n == 0:
                self._bar.initial = self._bar.n = self._done - 1  # of a resumed run
            self._bar.update(self._done - self._bar.n)
            self._bar.set_postfix_str(self._text(columns), refresh=False)
        elif time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + _SECONDS_BETWEEN_LINES
            done = f"iteration {self._done} of {self._iterations}"
            self._say(f"mpicode: {done}, {self._text(columns)}")

    def event(self, iteration: int, seconds: float, worker: int, kind: str, detail: str) -> None:
        """Say what happened to a worker, or to all, and how many were lost."""
        self._n_lost += kind == "lost"
        first = detail.partition("\n")[0]
        who = f"worker {worker} (rank {worker + 1}) " if worker >= 0 else ""
        self._say(f"mpicode: iteration {iteration}: {who}{kind}: {first}")

    def _say(self, line: str) -> None:
        if self._bar is not None:
            self._bar.write(line, file=sys.stderr)
        else:
            print(line, file=sys.stderr, flush=True)

    def say(self, line: str) -> None:
        """Print a line of its own."""
        if self._bar is not None:
            self._bar.clear()
        print(f"mpicode: {line}", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Leave the terminal tidy."""
        if self._bar is not None:
            self._bar.close()

    def _text(self, columns: Mapping[str, float]) -> str:
        arrived = f"{columns['n_arrived']}/{self._n_workers} used"
        if self._n_lost:
            arrived += f", {self._n_lost} lost"
        loss, about = columns["loss"], ""
        if math.isnan(loss):
            loss, about = columns.get("estimated_loss", math.nan), "about "
        return f"loss {about}{loss:.5g}{self._accuracy}, {arrived}, wait {columns['wait']:.3g} s"
