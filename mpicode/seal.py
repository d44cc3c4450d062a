"""A seal for HDF5 files: a checksum of all that HDF5's own checksums leave open.

HDF5 checks the chunks of a dataset (fletcher32) but not, in its usual format, the headers, indices
and heaps that lead to them. A flipped bit there can turn rows into fill values without an error,
and HDF5 itself has been seen to loop for ever or to crash on damaged heaps (2.0). So a finished
file ends, behind what HDF5 looks at, with a list of all ranges of bytes that are no checked chunk
and their SHA-256, which is compared before HDF5 opens the file. Who changes the file by HDF5 cuts
the seal off, and so makes it a file like any other program's.

A file without a seal is first opened by a process of its own (`mpicode.probe`).
"""

from __future__ import annotations

import hashlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from .errors import DataError

_LINE = b"mpicode seal %020d %s\n"
_PATTERN = re.compile(rb"mpicode seal (\d{20}) ([0-9a-f]{64})\n")
_LINE_BYTES = len(_LINE % (0, b"0" * 64))
_PIECE = 1 << 20
# Of processor time: a damaged file can make HDF5 loop for ever, and a busy machine is no damage.
PROBE_SECONDS = 3
_LONGEST_PROBE = 120.0

Ranges = NDArray[np.int64]


class Raw(Protocol):
    """The bytes of a file that HDF5 has closed."""

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int: ...  # noqa: D102
    def read(self, size: int) -> bytes: ...  # noqa: D102
    def write(self, data: Any) -> Any: ...  # noqa: D102


def checked_chunks(file: Any) -> Ranges:
    """Return the bytes from, to of all chunks under fletcher32, (n, 2), of an open `h5py.File`.

    They must have been flushed, so that they stay where they are.
    """
    found: list[tuple[int, int]] = []

    def chunk(info: Any) -> None:
        if info.filter_mask == 0:
            found.append((info.byte_offset, info.byte_offset + info.size))

    def look(name: str, item: Any) -> None:
        if getattr(item, "fletcher32", False):
            item.id.chunk_iter(chunk)

    file.visititems(look)
    return np.array(sorted(found), np.int64).reshape(-1, 2)


def seal(raw: Raw, chunks: Ranges) -> None:
    """Append the seal to a file whose checked chunks are ``chunks``, as `checked_chunks` gave."""
    size = raw.seek(0, os.SEEK_END)
    ends = np.r_[0, chunks[:, 1]], np.r_[chunks[:, 0], size]
    ranges = np.column_stack(ends)
    ranges = ranges[ranges[:, 1] > ranges[:, 0]]
    digest = _digest(raw, ranges)
    raw.seek(size)
    raw.write(ranges.astype("<i8").tobytes() + _LINE % (size, digest.encode()))


def is_sealed(path: Path) -> bool:
    """Return whether a file has a seal; `DataError` where it is broken."""
    with path.open("rb") as raw:
        size = raw.seek(0, os.SEEK_END)
        raw.seek(max(size - _LINE_BYTES, 0))
        match = _PATTERN.fullmatch(raw.read(_LINE_BYTES))
        if match is None:
            return False
        if not _holds(raw, int(match[1]), size - _LINE_BYTES, match[2].decode()):
            raise DataError(f"{path}: damaged, the checksum of its headers does not match")
    return True


def _holds(raw: BinaryIO, start: int, stop: int, digest: str) -> bool:
    """Return whether the ranges listed between two bytes of a file have a digest."""
    if start > stop or (stop - start) % 16:
        return False
    raw.seek(start)
    ranges = np.frombuffer(raw.read(stop - start), "<i8").reshape(-1, 2)
    bounds = ranges.reshape(-1)
    if not len(bounds) or bounds[0] < 0 or bounds[-1] > start or (np.diff(bounds) < 0).any():
        return False
    return _digest(raw, ranges) == digest


def _digest(raw: Raw, ranges: Ranges) -> str:
    """Return the SHA-256 of the list and of what it lists."""
    digest = hashlib.sha256(ranges.astype("<i8").tobytes())
    for start, stop in ranges.tolist():
        raw.seek(start)
        for at in range(start, stop, _PIECE):
            digest.update(raw.read(min(_PIECE, stop - at)))
    return digest.hexdigest()


def see_that_it_opens(path: Path) -> None:
    """Raise `DataError` for a file with a broken seal, or without one if HDF5 fails on it.

    Under MPI, where no process may be started, files without a seal are taken as they are.
    """
    if is_sealed(path) or "mpi4py.MPI" in sys.modules:
        return
    probe = Path(__file__).with_name("probe.py")
    try:
        done = subprocess.run(
            [sys.executable, "-P", str(probe), str(path), str(PROBE_SECONDS)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            timeout=_LONGEST_PROBE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise DataError(f"{path}: HDF5 is not done opening it after {_LONGEST_PROBE:g} s") from None
    if done.returncode == -signal.SIGXCPU:
        raise DataError(f"{path}: damaged, HDF5 is not done opening it after {PROBE_SECONDS} s")
    if done.returncode == 1:
        raise DataError(f"{path}: damaged: {' '.join(done.stderr.split())}")
    if done.returncode < 0:
        raise DataError(f"{path}: damaged, HDF5 crashes on it (signal {-done.returncode})")
