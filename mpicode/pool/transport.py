"""What a pool needs of a transport; `mpi.MPIMaster` and `virtual.VirtualMaster` are the two there are."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from .snapshots import Snapshot
from .wire import Bytes


class Arrival(NamedTuple):
    """``buffer`` holds ``n_bytes`` of ``worker``; whoever gets it must hand it back with ``recycle``."""

    worker: int
    buffer: Bytes
    n_bytes: int


class Transport(Protocol):
    """The master's side."""

    n_workers: int
    interrupted: Callable[[], bool]
    """Asked while waiting; True ends the wait with what has arrived."""

    def now(self) -> float:
        """Seconds on this transport's clock."""

    def describe(self, worker: int) -> str:
        """Return how errors name this worker."""

    def new_header(self, n_bytes: int) -> Bytes:
        """Return a buffer for a header that no transfer uses."""

    def post(self, worker: int, header: Bytes, payload: Snapshot | None) -> None:
        """Send a request or notice without waiting; header and snapshot stay untouched until it has left."""

    def reap(self) -> None:
        """Unpin the snapshots, and take back the headers, whose transfers have completed."""

    def wait(self, deadline: float | None = None) -> list[Arrival]:
        """Return what has arrived, waiting for at least one; nothing at ``deadline`` or when interrupted."""

    def recycle(self, buffer: Bytes) -> None:
        """Take a buffer back."""

    def close(self, everyone_left: bool) -> None:
        """Give up what the transport holds; ``everyone_left``: each worker has said goodbye."""
