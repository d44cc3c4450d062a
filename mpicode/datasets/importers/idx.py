"""IDX, the format of MNIST and Fashion-MNIST: a header of big-endian numbers, then the array.

Format: https://yann.lecun.com/exdb/mnist/, "The IDX file format". Files may be packed by gzip.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ...errors import DataError
from .arrays import ArraySource, StreamArray
from .labels import Labels
from .stream import opened

DTYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
BYTE_SCALE = 1 / 255


def idx_array(path: Path) -> StreamArray:
    """Return the array of one IDX file."""
    with opened(path) as file:
        magic = file.stream.read(4)
        if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in DTYPES or magic[3] == 0:
            raise DataError(f"{path}: not an IDX file: starts with {magic.hex(' ')}")
        sizes = file.stream.read(4 * magic[3])
        if len(sizes) < 4 * magic[3]:
            raise DataError(f"{path}: cut short inside its header")
    offset = 4 + len(sizes)

    @contextmanager
    def data() -> Iterator[BinaryIO]:
        with opened(path) as file:
            file.stream.read(offset)
            yield file.stream

    shape = struct.unpack(f">{magic[3]}I", sizes)
    return StreamArray(path, data, shape, np.dtype(DTYPES[magic[2]]))


def idx_source(images: Path, label_path: Path, labels: Labels) -> ArraySource:
    """Import images and labels; bytes stay bytes, read as 0 to 1."""
    return ArraySource(idx_array(images), idx_array(label_path), labels, BYTE_SCALE)
