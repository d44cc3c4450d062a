"""A file for HDF5 to write to that never fails under its hands.

When the disk is full HDF5 cannot close its file any more, and the process dies of a segmentation
fault at its exit (seen with HDF5 2.0 under h5py 3.16). So HDF5 is given this object instead of a
file name: it notes the first error, takes every later write without doing it, and lets the caller
raise in order.
"""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import DataError


class Disk:
    """A binary file, as h5py's ``fileobj`` driver wants it; `check` raises what went wrong."""

    def __init__(self, path: Path, name: Path) -> None:
        self._name = name
        self._error: OSError | None = None
        self._file = path.open("w+b", buffering=0)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a byte."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the byte the file stands at."""
        return self._file.tell()

    def read(self, size: int) -> bytes:
        """Return bytes, zeros where nothing was written."""
        found = bytearray()
        while len(found) < size and (more := self._file.read(size - len(found))):
            found += more
        return bytes(found.ljust(size, b"\0"))

    def write(self, data: memoryview) -> int:
        """Write everything, or note why not."""
        view = memoryview(data).cast("B")
        done = 0
        try:
            while self._error is None and done < len(view):
                done += self._file.write(view[done:]) or 0
        except OSError as error:
            self._error = error
        return len(view)

    def truncate(self, size: int) -> int:
        """Set the length of the file, or note why not."""
        try:
            if self._error is None:
                self._file.truncate(size)
        except OSError as error:
            self._error = error
        return size

    def flush(self) -> None:
        """Nothing is held back, so nothing is to be done."""

    def check(self) -> None:
        """Raise `DataError` if anything could not be written."""
        if self._error is not None:
            reason = os.strerror(self._error.errno or 0).lower()
            raise DataError(f"{self._name}: cannot be written: {reason}") from self._error

    def finish(self) -> None:
        """Bring everything to the disk and close."""
        self.check()
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            self._error = error
        self._file.close()
        self.check()

    def close(self) -> None:
        """Close without a word; closing twice does nothing."""
        self._file.close()
