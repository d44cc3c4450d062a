"""What writes something whole or not at all."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from ..errors import DataError
from ..hdf5 import reason


class WrittenWholly(ABC):
    """A context manager that finishes ``path`` at its end or, on an error, removes its traces."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @abstractmethod
    def _begin(self) -> None:
        """Open what is written to, beside ``path``."""

    @abstractmethod
    def _finish(self) -> None:
        """Bring everything to the disk and move it into place."""

    @abstractmethod
    def _close(self) -> None:
        """Close what is open, as it is."""

    @abstractmethod
    def _discard(self) -> None:
        """Remove everything beside ``path``, of now or of a run that crashed."""

    @contextmanager
    def _reported(self) -> Iterator[None]:
        """Turn what the operating system or HDF5 says into one line that names the path."""
        try:
            yield
        except OSError as error:
            raise DataError(f"{self.path}: cannot be written: {reason(error)}") from error

    def __enter__(self) -> Self:
        with self._reported():
            self._discard()
            try:
                self._begin()
            except BaseException:
                self._abandon()
                raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                with self._reported():
                    self._finish()
        except BaseException as raised:
            error = raised
            raise
        finally:
            if error is not None:
                self._abandon()

    def _abandon(self) -> None:
        self._close()
        self._discard()
