"""Who of the workers can still be counted on, and what has changed about it."""

from __future__ import annotations

import math
import os
import socket
from typing import NamedTuple

LOST, SILENT, RETURNED, CORRUPT = "lost", "silent", "returned", "corrupt"
REASSIGNED, REFUSED, NOT_RESTORED = "reassigned", "refused", "not restored"
CODE = "code"


class Change(NamedTuple):
    """A worker was lost, fell silent, returned or sent what is damaged, or a code was made anew.

    ``seconds`` is the pool's clock; ``worker`` is -1 where it is about no one worker.
    """

    seconds: float
    worker: int
    kind: str
    detail: str


class Members:
    """The workers of a pool.

    dead   : their process is gone
    failed : their work raised an exception; they wait for the end
    silent : they have not answered for ``silent_seconds``, and are counted on again when they do
    hosts  : where they run, empty until they have said so
    """

    def __init__(self, n_workers: int, silent_seconds: float = math.inf) -> None:
        self.silent_seconds = silent_seconds
        self.dead = [False] * n_workers
        self.failed = [False] * n_workers
        self.silent = [False] * n_workers
        self.active = list(range(n_workers))  # neither dead nor failed
        self.hosts = [""] * n_workers
        self._pids = [0] * n_workers
        self._changes: list[Change] = []

    def introduce(self, worker: int, text: str) -> None:
        """Take down what a worker says of itself: process number and host."""
        pid, _, self.hosts[worker] = text.partition(" ")
        self._pids[worker] = int(pid)

    def has_ended(self, worker: int) -> bool:
        """Return whether the worker's process is seen to be gone, which MPI does not always see."""
        if self.hosts[worker] != socket.gethostname():
            return False
        try:
            os.kill(self._pids[worker], 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            pass
        return False

    def lose(self, seconds: float, worker: int, detail: str, *, dead: bool) -> None:
        """Strike a worker out for good."""
        (self.dead if dead else self.failed)[worker] = True
        self.silent[worker] = False
        self.active = [other for other in self.active if other != worker]
        self._changes.append(Change(seconds, worker, LOST, detail))

    def fall_silent(self, seconds: float, worker: int) -> None:
        """Do without a worker until it answers."""
        self.silent[worker] = True
        detail = f"no answer for {self.silent_seconds:g} s"
        self._changes.append(Change(seconds, worker, SILENT, detail))

    def come_back(self, seconds: float, worker: int) -> None:
        """Count on a silent worker again."""
        self.silent[worker] = False
        self._changes.append(Change(seconds, worker, RETURNED, "answers again"))

    def blame(self, seconds: float, worker: int, detail: str) -> None:
        """Take down that a worker's message was damaged; the worker is counted on as before."""
        self._changes.append(Change(seconds, worker, CORRUPT, detail))

    def note(self, seconds: float, kind: str, detail: str, worker: int = -1) -> None:
        """Take down what else has changed, for all or for one worker."""
        self._changes.append(Change(seconds, worker, kind, detail))

    @property
    def n_lost(self) -> int:
        """The workers struck out for good."""
        return len(self.dead) - len(self.active)

    @property
    def n_missing(self) -> int:
        """The workers that nobody waits for."""
        return self.n_lost + sum(self.silent)

    def __str__(self) -> str:
        lost = [w for w in range(len(self.dead)) if self.dead[w] or self.failed[w]]
        silent = [w for w in range(len(self.dead)) if self.silent[w]]
        parts = [f"lost: {lost}"] * bool(lost) + [f"silent: {silent}"] * bool(silent)
        return "workers " + ", ".join(parts)

    def take_changes(self) -> list[Change]:
        """Return what has changed since the last call."""
        changes, self._changes = self._changes, []
        return changes
