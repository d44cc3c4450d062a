"""What a pool needs of a transport; `mpi` and `virtual` have the two there are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from . import wire
from .background import Job
from .snapshots import Snapshot


class Slot(wire.Frame):
    """A buffer for answers of one worker.

    ``sender`` is how errors name the worker; ``kept`` says that somebody took the buffer over;
    ``handle`` belongs to the transport.
    """

    __slots__ = ("buffer", "handle", "kept", "sender", "worker")

    def __init__(
        self, worker: int, sender: str, buffer: wire.Bytes, length: int, dtype: np.dtype[Any]
    ) -> None:
        super().__init__(buffer, length, dtype)
        self.worker = worker
        self.sender = sender
        self.buffer = buffer
        self.kept = False
        self.handle: Any = None


class Transport(Protocol):
    """The master's side."""

    n_workers: int
    check_seconds: float
    """Time between two looks after those who do not answer."""
    interrupted: Callable[[], bool]
    """Asked while waiting; True ends the wait with what has arrived."""

    def now(self) -> float:
        """Seconds on this transport's clock."""

    def assign(self, worker: int, message: wire.Bytes) -> None:
        """Send the numbers of the messages that the requests after this one ask for."""

    def notify(self, worker: int, message: wire.Bytes) -> None:
        """Send a notice, header only and not to be written again, without waiting."""

    def listen(self, worker: int) -> None:
        """Expect one more answer than the one each request makes expected."""

    def post(self, workers: Sequence[int], request: Snapshot) -> None:
        """Send a request to each of ``workers`` without waiting; it is pinned until it has left."""

    def reap(self) -> None:
        """Unpin the snapshots whose transfers have completed."""

    def drop(self, snapshot: Snapshot) -> None:
        """Let go of what this transport keeps for a snapshot that nobody reads."""

    def wait(self, deadline: float | None = None) -> list[Slot]:
        """Wait for at least one answer; none at ``deadline``, when interrupted or at a death."""

    def losses(self) -> list[tuple[int, str]]:
        """Return the workers that were found dead since the last call, and how that showed."""

    def lose(self, worker: int) -> None:
        """Expect nothing any more of a worker whose process has ended."""

    def start(self, job: Job[Any]) -> None:
        """Do a job of the master's beside its work."""

    def recycle(self, slot: Slot) -> None:
        """Take a slot back that `wait` returned."""

    def close(self, everyone_left: bool) -> None:
        """Give up what the transport holds; ``everyone_left``: each worker has said goodbye."""
