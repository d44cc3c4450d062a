"""Opening HDF5 files that may be anything, and saying in one line what is wrong with them."""

from __future__ import annotations

import errno
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py

from .errors import DataError
from .seal import see_that_it_opens

# What h5py raises on a damaged file, or on a type that numpy does not have.
_UNREADABLE = (
    *(OSError, RuntimeError, KeyError, ValueError, TypeError, IndexError),
    *(OverflowError, AttributeError, NotImplementedError, MemoryError),
)


def reason(error: BaseException) -> str:
    """Return the part of an HDF5 error that says something: what stands in its parentheses."""
    text = " ".join(str(error).split())
    if isinstance(error, MemoryError):
        return text.lower() or "out of memory"
    if "filter returned failure" in text or "Fletcher32" in text:
        return "damaged, its checksum does not match"
    inner = text.partition("(")[2].rpartition(")")[0]
    return inner or text


@contextmanager
def reading(path: Path, what: str = "") -> Iterator[None]:
    """Turn whatever h5py says about a file into one line that names it, and what was read."""
    try:
        yield
    except DataError:
        raise
    except _UNREADABLE as error:
        label = f"{what}: " if what else ""
        raise DataError(f"{path}: {label}cannot be read: {reason(error)}") from error


def open_file(path: Path) -> h5py.File:
    """Open an HDF5 file to read, without a lock, so that many ranks can on any file system."""
    try:
        if path.exists() and not path.is_file():
            kind = "folder" if path.is_dir() else "device"
            raise DataError(f"{path}: is a {kind}, not an HDF5 file")
        see_that_it_opens(path)
        return h5py.File(path, "r", locking=False)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except PermissionError:
        raise DataError(f"{path}: permission denied") from None
    except (OSError, RuntimeError, MemoryError) as error:
        if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
            raise DataError(f"{path}: file name too long") from None
        raise DataError(f"{path}: not a whole HDF5 file: {reason(error)}") from error


def member(parent: h5py.Group, name: str, path: Path) -> Any:
    """Return a member that lies in this file itself: links may lead anywhere, and in circles."""
    link = parent.get(name, getlink=True)
    if link is not None and not isinstance(link, h5py.HardLink):
        raise DataError(
            f"{path}: {label(parent, name)} is a link to another place, which is not followed"
        )
    return parent.get(name)


def dataset(parent: h5py.Group, name: str, path: Path, n_dimensions: int) -> h5py.Dataset:
    """Return a member that is an array of so many dimensions and wholly in this file.

    A virtual one is, too: its parts are for the caller to look at.
    """
    found = member(parent, name, path)
    called = label(parent, name)
    if not isinstance(found, h5py.Dataset) or found.shape is None:
        raise DataError(f"{path}: {called} is not there or no dataset")
    if found.ndim != n_dimensions:
        raise DataError(f"{path}: {called} has {found.ndim} dimensions, not {n_dimensions}")
    if found.external:
        raise DataError(f"{path}: {called} is stored in other files, which are not read")
    return found


def label(parent: h5py.Group, name: str) -> str:
    """Return what an error calls a member: its path in the file."""
    return f"{parent.name.strip('/')}/{name}".lstrip("/")


def see_all_stored(found: h5py.Dataset, path: Path) -> None:
    """Raise `DataError` unless all that the shape announces is in the file.

    HDF5 would answer for what is not there with fill values, however much that is.
    """
    if found.chunks is None:
        stored, due, unit = found.id.get_storage_size(), found.nbytes, "bytes"
    else:
        stored, due, unit = found.id.get_num_chunks(), math.prod(_chunk_counts(found)), "chunks"
    if stored < due:
        name = found.name.lstrip("/")
        raise DataError(f"{path}: {name} is not all there: {stored} of {due} {unit}")


def rows_stored(found: h5py.Dataset) -> int:
    """Return how many rows of a chunked dataset can be there at most, by the chunks that are."""
    _, *others = _chunk_counts(found)
    most: int = found.id.get_num_chunks() // max(math.prod(others), 1) * found.chunks[0]
    return min(len(found), most)


def _chunk_counts(found: h5py.Dataset) -> list[int]:
    return [-(-length // side) for length, side in zip(found.shape, found.chunks, strict=True)]
