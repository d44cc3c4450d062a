"""A full disk, as a fault to be met: from some iteration on no file grows beyond the run file."""

from __future__ import annotations

import contextlib
import resource
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


class FullDisk:
    """A recorder that has the system refuse larger files once an iteration is done."""

    def __init__(self, path: Path, iteration: int) -> None:
        self._path = path
        self._left = iteration + 1

    def iteration(self, columns: Mapping[str, float], workers: Mapping[str, Any]) -> None:
        """Count one iteration."""
        self._left -= 1
        if self._left == 0:
            _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (self._path.stat().st_size, most))


@contextlib.contextmanager
def disk_as_before() -> Iterator[None]:
    """Let files grow again afterwards as they could before."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
