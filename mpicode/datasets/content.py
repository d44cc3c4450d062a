"""A hash of the rows that does not depend on how they are split into blocks, chunks or shards."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt


def _little(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the array contiguous and little-endian, as it stands in the file."""
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))


class ContentHash:
    """SHA-256 of rows as they pass by, one running hash for each array of the file.

    Dense rows enter as their stored bytes; CSR rows as row lengths, column numbers and values. Two
    files have the same hash exactly when they hold the same rows, in the same order and types.
    """

    def __init__(self, sparse: bool) -> None:
        names = ("lengths", "indices", "data", "y") if sparse else ("X", "y")
        self._hashes = {name: hashlib.sha256() for name in names}

    def update(self, **arrays: npt.NDArray[Any]) -> None:
        """Take in the next rows, by the names of the arrays."""
        for name, array in arrays.items():
            self._hashes[name].update(_little(array).data)

    def hexdigest(self) -> str:
        """Return the hash of everything so far."""
        whole = hashlib.sha256()
        for name, part in self._hashes.items():
            whole.update(f"{name} {part.hexdigest()}\n".encode())
        return whole.hexdigest()
