"""The bytes of a message: a header of 64 bytes, the payload, and a canary behind it.

All messages have this form, in both directions. A request is the same for every worker, so that all
of them are sent from one snapshot; what differs from worker to worker, the numbers of the messages
it is to compute, is told beforehand (``ASSIGN``) and holds until told otherwise. Where it differs
from request to request too, and is one message, the request itself says so: to one worker in its
header, to several (``NUMBERED``) behind the payload, as one int32 for each worker there is, -1 for
those who go by what they were assigned. These count in the length.

=========  ========  =====================================================================
bytes      type      field
=========  ========  =====================================================================
0-7        uint64    canary
8          uint8     kind
9          uint8     dtype of the payload
10-11      uint16    flags (``LAST``: the worker has finished this request; ``NUMBERED``)
12-15      int32     message (answers; requests, or -1); exit code (``FAILED``)
16-23      int64     iteration
24-27      int32     round
28-31      uint32    generation of the code: 0, and one more each time it was made anew
32-39      int64     length of the payload, in elements
40-47      float64   seconds computed (answers); run time of the master (requests)
48-55      float64   seconds slept by an injected delay (answers)
56-63      uint64    checksum (answers, where it is asked for), else 0
=========  ========  =====================================================================

All numbers are little-endian.
"""

from __future__ import annotations

import struct
import zlib
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import MpicodeError

Bytes = NDArray[np.uint8]
Buffer = Bytes | memoryview

CANARY = 0x6D7069636F646531
HEADER_BYTES = 64
TRAILER_BYTES = 8
LAST = 1
NUMBERED = 2

_HEADER = struct.Struct("<QBBHiqiIqddQ")
_TRAILER = _CHECKSUM = struct.Struct("<Q")
_CHECKSUM_AT = HEADER_BYTES - _CHECKSUM.size
_CHECKED = 1 << 32  # above the 32 bits of the CRC: tells a checksum from none
assert _HEADER.size == HEADER_BYTES

# looked up once: these run for every message
_pack = _HEADER.pack_into
_unpack = _HEADER.unpack_from
_unpack_trailer = _TRAILER.unpack_from
_new = tuple.__new__

DTYPES: tuple[np.dtype[Any], ...] = tuple(
    np.dtype(name) for name in ("float32", "float64", "complex128", "int64", "uint8")
)
_ITEMSIZE = tuple(dtype.itemsize for dtype in DTYPES)
_DTYPE_NUMBER = {dtype: number for number, dtype in enumerate(DTYPES)}
_BYTE = _DTYPE_NUMBER[np.dtype(np.uint8)]
_NUMBER = np.dtype(np.int32)


class Kind(IntEnum):
    """What a message asks for or answers."""

    GRADIENT = 1
    STOP = 2
    WITHDRAW = 3
    ASSIGN = 4
    DROPPED = 5
    READY = 6
    FAILED = 7
    GOODBYE = 8
    HELLO = 9
    PREPARE = 10
    PREPARED = 11
    MAP = 12
    UPDATE = 13


class BadMessage(MpicodeError):
    """A message that is damaged: its header, a canary, its checksum, or what it answers."""


Fields = tuple[int, int, int, int, int, int, int, int, int, float, float, int]
"""The numbers of a header, in the order of the table."""


class Header(NamedTuple):
    """One parsed header; the fields are those of the table above."""

    kind: int
    dtype: int
    flags: int
    message: int
    iteration: int
    round: int
    length: int
    seconds: float
    delay_seconds: float
    generation: int


def dtype_number(dtype: np.dtype[Any]) -> int:
    """Return the number that stands for ``dtype`` on the wire."""
    return _DTYPE_NUMBER[dtype]


def pack(
    buffer: Bytes | memoryview,
    kind: int,
    dtype: int = 1,
    length: int = 0,
    iteration: int = -1,
    round: int = 0,
    message: int = -1,
    flags: int = 0,
    seconds: float = 0.0,
    delay_seconds: float = 0.0,
    generation: int = 0,
) -> int:
    """Write header and canary around the payload in ``buffer``; return the bytes in all."""
    _pack(
        buffer, 0, CANARY, kind, dtype, flags, message, iteration, round, generation, length,
        seconds, delay_seconds, 0,
    )  # fmt: skip
    end = HEADER_BYTES + length * _ITEMSIZE[dtype]
    _TRAILER.pack_into(buffer, end, CANARY)
    return end + TRAILER_BYTES


def parse(message: Bytes | memoryview, sender: str) -> Header:
    """Read the header of the message at the start of ``message``; a damaged one is a `BadMessage`.

    The length is that of the header; whether so much has come is seen by the canary behind it.
    """
    canary, kind, dtype, flags, number, iteration, round, generation, length, seconds, delay, _ = (
        _unpack(message)
    )
    if canary != CANARY:
        raise BadMessage(f"{sender}: header begins with {canary:#x}, wants {CANARY:#x}")
    if dtype >= len(DTYPES):
        raise BadMessage(f"{sender}: dtype {dtype} is not one of {len(DTYPES)}")
    end = HEADER_BYTES + length * _ITEMSIZE[dtype]
    room = len(message)
    if length < 0 or end + TRAILER_BYTES > room:
        raise BadMessage(
            f"{sender}: header says {end + TRAILER_BYTES} bytes, no message has more than {room}"
        )
    (canary,) = _unpack_trailer(message, end)
    if canary != CANARY:
        raise BadMessage(f"{sender}: message ends with {canary:#x}, wants {CANARY:#x}")
    return _new(
        Header,
        (kind, dtype, flags, number, iteration, round, length, seconds, delay, generation),
    )


class Frame:
    """A buffer as long as the message that recurs in it; ``values``, (length,), is its payload.

    `read` and `pack` do for this message what `parse` and the function `pack` do for any. They run
    between the arrival of a vector, which has swept the caches, and the next thing that somebody
    waits for; so what counts is how little memory they touch. ``n_bytes`` is the size of the
    message that was read last.
    """

    __slots__ = (
        "_dtype_number", "_end", "_length", "_trailer", "full_bytes", "n_bytes", "values", "view"
    )  # fmt: skip

    def __init__(self, buffer: Bytes, length: int, dtype: np.dtype[Any]) -> None:
        self.view = memoryview(buffer)
        self.values = payload(buffer, length, dtype)
        self.full_bytes = message_bytes(length, dtype)
        self._length = length
        self._end = self.full_bytes - TRAILER_BYTES
        self._dtype_number = dtype_number(dtype)
        self.n_bytes = 0
        self._trailer = self.view[self._end : self.full_bytes].cast("Q")
        self._trailer[0] = 0

    def read(self, sender: str) -> Fields:
        """Return the header of the message that has come; a damaged one is a `BadMessage`.

        The closing canary is wiped out as it is read, so that the one found there next time can
        only have come with a whole message: MPI need not be asked how long it was.
        """
        fields = _unpack(self.view)
        trailer = self._trailer
        if (
            trailer[0] == CANARY
            and fields[0] == CANARY
            and fields[8] == self._length
            and fields[2] == self._dtype_number
        ):
            trailer[0] = 0
            self.n_bytes = self.full_bytes
        else:
            try:
                header = parse(self.view, sender)
            except BadMessage:
                trailer[0] = 0
                raise
            end = HEADER_BYTES + header.length * _ITEMSIZE[header.dtype]
            self.n_bytes = end + TRAILER_BYTES
            _TRAILER.pack_into(self.view, end, 0)
        return fields

    def seal(self) -> None:
        """Write the closing canary, which stays until something longer is written to the buffer."""
        self._trailer[0] = CANARY

    def pack(
        self,
        kind: int,
        iteration: int,
        round: int,
        message: int,
        flags: int,
        seconds: float,
        delay_seconds: float,
        generation: int,
    ) -> None:
        """Write the header of a full message; the closing canary is there already."""
        _pack(
            self.view, 0, CANARY, kind, self._dtype_number, flags, message, iteration, round,
            generation, self._length, seconds, delay_seconds, 0,
        )  # fmt: skip

    def stamp(self) -> None:
        """Write the checksum of a full message into its header."""
        _CHECKSUM.pack_into(self.view, _CHECKSUM_AT, self._checksum())

    def check(self, sender: str) -> None:
        """Raise `BadMessage` if the full message that was read last misses its checksum."""
        (found,) = _CHECKSUM.unpack_from(self.view, _CHECKSUM_AT)
        if self.n_bytes != self.full_bytes or (not found and self.view[9] == _BYTE):
            return  # a few words, not numbers
        wanted = self._checksum()
        if found != wanted:
            raise BadMessage(f"{sender}: checksum is {found:#x}, wants {wanted:#x}")

    def _checksum(self) -> int:
        """Return the CRC-32 of header and payload, without the checksum's own place."""
        crc = zlib.crc32(self.view[:_CHECKSUM_AT])
        return _CHECKED | zlib.crc32(self.view[HEADER_BYTES : self._end], crc)


def payload(buffer: Bytes, length: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return the payload of a message as a view, (length,)."""
    return buffer[HEADER_BYTES : HEADER_BYTES + length * dtype.itemsize].view(dtype)


def numbers_room(n_workers: int, dtype: np.dtype[Any]) -> int:
    """Return how many elements behind a payload hold a number for each worker."""
    return -(-n_workers * _NUMBER.itemsize // dtype.itemsize)


def split_numbers(values: NDArray[Any], n_workers: int) -> tuple[NDArray[Any], NDArray[np.int32]]:
    """Return payload and numbers, (n_workers,), of a ``NUMBERED`` message, as views."""
    length = len(values) - numbers_room(n_workers, values.dtype)
    return values[:length], values[length:].view(_NUMBER)[:n_workers]


def message_bytes(length: int, dtype: np.dtype[Any]) -> int:
    """Return the size of a message with ``length`` elements, in bytes."""
    return HEADER_BYTES + length * dtype.itemsize + TRAILER_BYTES


def new_buffer(n_bytes: int) -> Bytes:
    """Return an uninitialised byte buffer that starts on a 64-byte boundary."""
    return new_buffers(1, n_bytes)[0]


def new_buffers(count: int, n_bytes: int) -> list[Bytes]:
    """Return several such buffers, side by side: only large arrays get huge pages."""
    stride = -(-n_bytes // 64) * 64
    raw = np.empty(count * stride + 64, dtype=np.uint8)
    start = -raw.ctypes.data % 64
    return [raw[i : i + n_bytes] for i in range(start, start + count * stride, stride)]
