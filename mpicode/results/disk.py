"""What the run file asks of the disk: room beforehand, and to keep what it was given."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from pathlib import Path

from ..errors import DataError


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


def reserve(handle: int, used: int, n_bytes: int) -> None:
    """Make sure that the file can grow by ``n_bytes`` beyond ``used``; ``OSError`` if it cannot.

    HDF5 does not survive a failed write (it crashes the process when the file is closed), so the
    disk must refuse before HDF5 begins. What is not needed in the end is cut off by `trim`.
    """
    start = min(os.fstat(handle).st_size, used)
    try:
        os.posix_fallocate(handle, start, used - start + n_bytes)
    except OSError as error:
        raise OSError(error.errno, f"{n_bytes / 1e6:.3g} MB wanted") from None


def trim(handle: int, used: int) -> None:
    """Give back what was reserved beyond ``used`` bytes."""
    if os.fstat(handle).st_size > used:
        os.ftruncate(handle, used)


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
    free = shutil.disk_usage(path.parent).free
    return DataError(
        f"{path}: cannot be written: {os.strerror(error.errno).lower()}: "
        f"{error.strerror}, {free / 1e6:.3g} MB free on that disk"
    )
