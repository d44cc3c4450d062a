"""The bytes of a message: a header of 64 bytes, the payload, and a canary behind it.

Requests go out as a header message (with the numbers of the wanted messages behind it) followed, if
there is one, by the payload as a message of its own: the payload is one snapshot that all workers
share, the header differs from worker to worker. Answers are one message each: header, payload, canary.

=========  ========  =====================================================================
bytes      type      field
=========  ========  =====================================================================
0-7        uint64    canary
8          uint8     kind
9          uint8     dtype of the payload
10-11      uint16    flags (``LAST``: the worker has finished this request)
12-15      uint32    n_messages: how many message numbers follow (requests)
16-23      int64     iteration
24-27      int32     round
28-31      int32     message (answers); exit code (``FAILED``)
32-39      int64     length of the payload, in elements
40-47      float64   seconds computed (answers)
48-55      float64   seconds slept by an injected delay (answers)
56-63      uint64    reserved, 0
=========  ========  =====================================================================

All numbers are little-endian.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import MpicodeError

Bytes = NDArray[np.uint8]

CANARY = 0x6D7069636F646531
HEADER_BYTES = 64
TRAILER_BYTES = 8
LAST = 1

_HEADER = struct.Struct("<QBBHIqiiqddQ")
_TRAILER = struct.Struct("<Q")
assert _HEADER.size == HEADER_BYTES

DTYPES: tuple[np.dtype, ...] = tuple(  # type: ignore[type-arg]
    np.dtype(name) for name in ("float32", "float64", "complex128", "int64", "uint8")
)
_DTYPE_NUMBER = {dtype: number for number, dtype in enumerate(DTYPES)}


class Kind(IntEnum):
    """What a message asks for or answers."""

    GRADIENT = 1
    STOP = 2
    WITHDRAW = 3
    DROPPED = 4
    READY = 5
    FAILED = 6
    GOODBYE = 7


class BadMessage(MpicodeError):
    """A message whose header or canary is damaged."""


class Header(NamedTuple):
    """One parsed header; the fields are those of the table above."""

    kind: int
    dtype: int
    flags: int
    n_messages: int
    iteration: int
    round: int
    message: int
    length: int
    compute_seconds: float
    delay_seconds: float

    @property
    def payload_dtype(self) -> np.dtype:  # type: ignore[type-arg]
        """The dtype of the payload."""
        return DTYPES[self.dtype]


def dtype_number(dtype: np.dtype) -> int:  # type: ignore[type-arg]
    """Return the number that stands for ``dtype`` on the wire."""
    return _DTYPE_NUMBER[dtype]


def pack(
    buffer: Bytes,
    kind: int,
    *,
    dtype: int = 1,
    flags: int = 0,
    n_messages: int = 0,
    iteration: int = -1,
    round: int = 0,
    message: int = -1,
    length: int = 0,
    compute_seconds: float = 0.0,
    delay_seconds: float = 0.0,
) -> None:
    """Write a header into the first 64 bytes of ``buffer``."""
    _HEADER.pack_into(
        buffer, 0, CANARY, kind, dtype, flags, n_messages, iteration, round, message, length,
        compute_seconds, delay_seconds, 0,
    )  # fmt: skip


def seal(buffer: Bytes, payload_bytes: int) -> int:
    """Write the canary behind the payload and return the length of the whole message in bytes."""
    _TRAILER.pack_into(buffer, HEADER_BYTES + payload_bytes, CANARY)
    return HEADER_BYTES + payload_bytes + TRAILER_BYTES


def parse(buffer: Bytes, sender: str) -> Header:
    """Read the header; `BadMessage` names ``sender`` if it is not one of ours."""
    canary, *fields, _ = _HEADER.unpack_from(buffer)
    if canary != CANARY:
        raise BadMessage(f"{sender}: header begins with {canary:#x}, wants {CANARY:#x}")
    header = Header(*fields)
    if header.dtype >= len(DTYPES) or header.length < 0:
        raise BadMessage(f"{sender}: dtype {header.dtype} or length {header.length} is impossible")
    return header


def check_answer(buffer: Bytes, header: Header, received: int, sender: str) -> int:
    """Check length and closing canary of an answer; return the bytes of its payload."""
    payload_bytes = header.length * DTYPES[header.dtype].itemsize
    wanted = HEADER_BYTES + payload_bytes + TRAILER_BYTES
    if wanted > len(buffer) or received != wanted:
        raise BadMessage(f"{sender}: message has {received} bytes, its header says {wanted}")
    (canary,) = _TRAILER.unpack_from(buffer, HEADER_BYTES + payload_bytes)
    if canary != CANARY:
        raise BadMessage(f"{sender}: message ends with {canary:#x}, wants {CANARY:#x}")
    return payload_bytes


def answer_bytes(length: int, dtype: np.dtype) -> int:  # type: ignore[type-arg]
    """Return the size of an answer with ``length`` elements, in bytes."""
    return HEADER_BYTES + length * dtype.itemsize + TRAILER_BYTES


def new_buffer(n_bytes: int) -> Bytes:
    """Return an uninitialised byte buffer that starts on a 64-byte boundary."""
    raw = np.empty(n_bytes + 64, dtype=np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + n_bytes]
