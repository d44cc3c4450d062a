"""The checkpoints of one run: a folder in which the newest few are kept."""

from __future__ import annotations

import fcntl
import os
import re
import weakref
from pathlib import Path

from ..disk import refusal, replace
from ..errors import DataError
from .checkpoint import Checkpoint, front, read_checkpoint

_NAME = re.compile(r"checkpoint-(\d{6,})\.h5")


class CheckpointFolder:
    """Checkpoints by rising number, the newest ``keep`` of a run.

    A checkpoint is there whole or not at all, and an older one goes only when a newer one is there.
    What another run has left, or is damaged, stays until the first of this run is there.

    Raises `DataError` where there can be no such folder, or it cannot be looked into.
    """

    def __init__(self, path: Path, keep: int = 2) -> None:
        self.path = path
        self.keep = keep
        self._own: list[Path] = []  # newest first
        try:
            self._number = max((number for number, _ in self._numbered()), default=0)
        except OSError as error:
            raise refusal(path, error) from None

    def claim(self) -> None:
        """Make the folder, and keep other runs from writing to it for as long as this one lives.

        Raises `DataError` where it cannot be made or another run has it.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise refusal(self.path, error) from None
        self.release = weakref.finalize(self, os.close, handle)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self.release()
            raise refusal(self.path, error) from None
        except OSError:
            pass  # a file system that knows no locks

    def files(self) -> list[Path]:
        """Return the files, newest first."""
        return [path for _, path in sorted(self._numbered(), reverse=True)]

    def newest(self) -> tuple[Path, Checkpoint, list[DataError]] | None:
        """Return the newest one that is whole, and what is wrong with those after it.

        None where there are none. Raises `DataError` where all are damaged.
        """
        damaged: list[DataError] = []
        for path in self.files():
            try:
                return path, read_checkpoint(path), damaged
            except DataError as error:
                damaged.append(error)
        if damaged:
            raise DataError(
                f"{damaged[0]}; {len(damaged)} of {len(damaged)} checkpoints cannot be read"
            )
        return None

    def adopt(self, path: Path) -> None:
        """Treat a checkpoint as this run's own, since it goes on from there."""
        self._own = [path]

    def write(self, rest: memoryview) -> Path:
        """Bring a checkpoint, as `to_bytes` gave it, to the disk and return where it is.

        `DataError` if the disk refuses; those that were there are then as they were.
        """
        path = self.path / f"checkpoint-{self._number + 1:06d}.h5"
        try:
            replace(path, (front(rest), rest))
            self._number += 1
            self._own = [path, *self._own][: self.keep]
            for old in set(self.files()) - set(self._own):
                old.unlink(missing_ok=True)
        except OSError as error:
            raise refusal(path, error) from None
        return path

    def _numbered(self) -> list[tuple[int, Path]]:
        found = []
        if self.path.is_dir():
            for path in self.path.iterdir():
                match = _NAME.fullmatch(path.name)
                if match:
                    found.append((int(match[1]), path))
        return found
