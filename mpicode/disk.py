"""What our files ask of the disk: to refuse in time, and to keep what it was given.

When the disk is full HDF5 cannot close its file any more, and the process dies of a segmentation
fault at its exit (seen with HDF5 2.0 under h5py 3.16). So HDF5 never meets a full disk here: a file
that grows for as long as a run has its room reserved before each write (`reserve`), one that is
filled once is handed over as an object that cannot fail (`Disk`), and one that is small enough is
put together in memory (`replace`).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .errors import DataError


class _NoRoom(OSError):
    """``strerror`` says how much was wanted."""


def lock(path: Path) -> int:
    """Open ``path``, made if need be, for us alone and return the handle that holds the lock.

    HDF5 empties a file before it looks whether another process has locked it. Raises
    ``BlockingIOError`` where one has; where the file system knows no locks, nothing is locked.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise
    except OSError:
        pass
    return handle


def is_locked(path: Path) -> bool:
    """Return whether a process on this host holds the `lock` of a file; False if nobody can tell.

    Asked without taking the lock, which might be in the way of somebody who is about to.
    """
    try:
        inode = str(path.stat().st_ino)
        lines = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return False
    fields = (line.split() for line in lines)
    return any(
        "FLOCK" in each and any(word.rpartition(":")[2] == inode for word in each if ":" in word)
        for each in fields
    )


def reserve(handle: int, used: int, n_bytes: int) -> None:
    """Make sure that the file can grow by ``n_bytes`` beyond ``used``; ``OSError`` if it cannot.

    HDF5 does not survive a failed write (it crashes the process when the file is closed), so the
    disk must refuse before HDF5 begins. What is not needed in the end is cut off by `trim`.
    """
    start = min(os.fstat(handle).st_size, used)
    try:
        os.posix_fallocate(handle, start, used - start + n_bytes)
    except OSError as error:
        raise _NoRoom(error.errno, f"{n_bytes / 1e6:.3g} MB wanted") from None


def trim(handle: int, used: int) -> None:
    """Give back what was reserved beyond ``used`` bytes."""
    if os.fstat(handle).st_size > used:
        os.ftruncate(handle, used)


def replace(path: Path, parts: Iterable[Any]) -> None:
    """Make the file ``path`` of ``parts``, bytes or buffers, so that it is whole or as it was.

    It is written to ``PATH.part``, brought to the disk and moved into place. ``OSError`` where that
    fails, and then nothing is left of it.
    """
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb", buffering=0) as file:
            for each in parts:
                _write(file, each)
            os.fsync(file.fileno())
        part.replace(path)
        sync(path.parent)
    except OSError:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise


def _write(file: Any, data: Any) -> None:
    """Write everything: the system may take less at a time."""
    view = memoryview(data).cast("B")
    done = 0
    while done < len(view):
        done += file.write(view[done:]) or 0


def sync(path: Path) -> None:
    """Wait until a file, or the entries of a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def refusal(path: Path, error: OSError | RuntimeError) -> DataError:
    """Say in one line that ``path`` cannot be written, why, and how much room there is."""
    if isinstance(error, BlockingIOError):
        return DataError(f"{path}: cannot be written: another run is writing it")
    if not isinstance(error, OSError) or error.errno not in (
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EFBIG,
    ):
        return DataError(f"{path}: cannot be written: {' '.join(str(error).split())}")
    wanted = f"{error.strerror}, " if isinstance(error, _NoRoom) else ""
    free = shutil.disk_usage(path.parent).free
    return DataError(
        f"{path}: cannot be written: {os.strerror(error.errno).lower()}: "
        f"{wanted}{free / 1e6:.3g} MB free on that disk"
    )


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
        try:
            if self._error is None:
                _write(self._file, data)
        except OSError as error:
            self._error = error
        return memoryview(data).nbytes

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
            raise refusal(self._name, self._error) from self._error

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
