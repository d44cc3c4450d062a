import struct

import numpy as np
import pytest

from mpicode.pool import wire
from mpicode.pool.wire import BadMessage, Kind

FIELDS = {
    "iteration": -(2**40),
    "round": 3,
    "message": 2**31 - 1,
    "flags": wire.LAST,
    "seconds": 0.1,
    "delay_seconds": 1e-300,
    "generation": 2**32 - 1,
}


def packed(values, room=0, **fields):
    """A message with ``values`` as payload, in a buffer with room to spare; and its length."""
    buffer = wire.new_buffer(wire.message_bytes(len(values), values.dtype) + room)
    wire.payload(buffer, len(values), values.dtype)[:] = values
    fields = {"kind": Kind.GRADIENT, **fields}
    return buffer, wire.pack(
        buffer, dtype=wire.dtype_number(values.dtype), length=len(values), **fields
    )


@pytest.mark.parametrize("length", [0, 1, 7, 1000])
@pytest.mark.parametrize("dtype", wire.DTYPES, ids=str)
def test_what_is_packed_is_parsed(dtype, length):
    values = np.arange(length).astype(dtype)
    for kind in Kind:
        buffer, n_bytes = packed(values, room=17, **{**FIELDS, "kind": kind})
        assert n_bytes == wire.message_bytes(length, dtype) == 72 + length * dtype.itemsize
        header = wire.parse(buffer, "somebody")
        assert header == (
            kind,
            wire.dtype_number(dtype),
            1,
            2**31 - 1,
            -(2**40),
            3,
            length,
            0.1,
            1e-300,
            2**32 - 1,
        )
        assert {name: getattr(header, name) for name in FIELDS} == FIELDS
        np.testing.assert_array_equal(wire.payload(buffer, length, dtype), values)


def test_the_bytes_are_those_of_the_table():
    buffer, n_bytes = packed(np.array([1.5, -2.0]), **FIELDS)
    raw = buffer.tobytes()
    canary = bytes.fromhex("6d7069636f646531")[::-1]
    assert raw[0:8] == canary
    assert raw[8:12] == bytes([Kind.GRADIENT, 1, 1, 0])
    assert raw[12:16] == struct.pack("<i", 2**31 - 1)
    assert raw[16:24] == struct.pack("<q", -(2**40))
    assert raw[24:28] == struct.pack("<i", 3)
    assert raw[28:32] == b"\xff" * 4
    assert raw[32:40] == struct.pack("<q", 2)
    assert raw[40:56] == struct.pack("<dd", 0.1, 1e-300)
    assert raw[56:64] == bytes(8)
    assert raw[64:80] == struct.pack("<dd", 1.5, -2.0)
    assert raw[80:88] == canary
    assert n_bytes == 88


def test_the_payload_is_a_view_on_a_cache_line():
    for n_bytes in (72, 100, 4096):
        buffer = wire.new_buffer(n_bytes)
        assert len(buffer) == n_bytes
        assert buffer.ctypes.data % 64 == 0
    payload = wire.payload(buffer, 3, np.dtype(np.float64))
    assert np.shares_memory(payload, buffer)
    assert payload.ctypes.data % 64 == 0


# Bytes in which nothing may change unnoticed: both canaries, the payload's dtype and its length.
GUARDED = {
    "first canary": range(8),
    "dtype": range(9, 10),
    "length": range(32, 40),
    "last canary": range(64 + 5 * 16, 72 + 5 * 16),
}


@pytest.mark.parametrize("field", GUARDED)
def test_each_bit_that_is_guarded(field):
    buffer, _ = packed(np.ones(5, complex), **FIELDS)
    whole = buffer.copy()
    for place in GUARDED[field]:
        for bit in range(8):
            buffer[:] = whole
            buffer[place] ^= 1 << bit
            with pytest.raises(BadMessage, match=r"^worker 3: [^\n]*$"):
                wire.parse(buffer, "worker 3")
    wire.parse(whole, "worker 3")


def arrive(frame, message, n_bytes):
    """Let the first bytes of a message come in, as a receive does."""
    frame.view[:n_bytes] = memoryview(message)[:n_bytes]
    return frame.read("worker 3 (rank 4)")


@pytest.mark.parametrize("recurring", [5, 3], ids=["the one that recurs", "another one"])
def test_a_message_cut_off_is_refused_although_a_whole_one_came_before(recurring):
    message, n_bytes = packed(np.ones(5), **FIELDS)
    frame = wire.Frame(wire.new_buffer(4096), recurring, np.dtype(np.float64))
    for received in (0, 8, 63, 64, 72, n_bytes - 8, n_bytes - 1):
        fields = arrive(frame, message, n_bytes)
        assert fields[4] == FIELDS["message"]
        assert frame.n_bytes == n_bytes
        with pytest.raises(BadMessage, match=r"^worker 3 \(rank 4\): message ends with 0x"):
            arrive(frame, message, received)
    arrive(frame, message, n_bytes)


def test_a_message_longer_than_any_is_refused():
    message, n_bytes = packed(np.ones(5), **FIELDS)
    for room in (n_bytes - 1, 72, 64):
        with pytest.raises(BadMessage) as caught:
            wire.parse(message[:room], "worker 3 (rank 4)")
        assert str(caught.value) == (
            f"worker 3 (rank 4): header says {n_bytes} bytes, no message has more than {room}"
        )


def test_both_numbers_that_disagree_are_told():
    buffer, _ = packed(np.ones(1))
    buffer[0] += 1
    with pytest.raises(
        BadMessage, match="begins with 0x6d7069636f646532, wants 0x6d7069636f646531"
    ):
        wire.parse(buffer, "master")
    buffer[0] -= 1
    buffer[9] = 200
    with pytest.raises(BadMessage, match="dtype 200 is not one of 5"):
        wire.parse(buffer, "master")


def test_a_dtype_that_does_not_travel():
    with pytest.raises(KeyError):
        wire.dtype_number(np.dtype(np.int32))


def test_a_checksum_finds_each_flipped_bit():
    values = np.arange(5.0)
    message = wire.Frame(wire.new_buffer(200), 5, values.dtype)
    message.values[:] = values
    message.seal()
    message.pack(Kind.GRADIENT, 3, 0, 7, wire.LAST, 0.5, 0.0, 0)
    message.stamp()
    whole = bytes(message.view[: message.full_bytes])
    frame = wire.Frame(wire.new_buffer(200), 5, values.dtype)

    def receive(raw):
        frame.view[: len(raw)] = raw
        frame.read("worker 3")
        frame.check("worker 3")

    receive(whole)
    for bit in range(8 * (message.full_bytes)):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(BadMessage, match=r"^worker 3: "):
            receive(damaged)
    receive(whole)
