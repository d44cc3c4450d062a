"""Damage to the bytes of a file, whatever they mean."""

from __future__ import annotations

from pathlib import Path

import numpy as np

# Where HDF5 keeps what the rest hangs on: superblock, object headers, indices, heaps.
MARKS = (b"OHDR", b"TREE", b"SNOD", b"HEAP", b"GCOL", b"mpicode seal")
INTERESTING = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63)


def damage(rng: np.random.Generator, path: Path) -> str:
    """Damage the file in one way drawn from ``rng``; return what was done."""
    data = bytearray(path.read_bytes())
    how = WAYS[int(rng.integers(len(WAYS)))]
    where = _place(rng, data)
    told = how(rng, data, where)
    path.write_bytes(data)
    return f"{path.name}: {told}"


def _place(rng: np.random.Generator, data: bytearray) -> int:
    """Return a byte to begin at: any, or one shortly after something that HDF5 steers by."""
    if not data:
        return 0
    if rng.random() < 0.4:
        return int(rng.integers(len(data)))
    found = [0]
    for mark in MARKS:
        at = data.find(mark)
        while at >= 0:
            found.append(at)
            at = data.find(mark, at + 1)
    start = found[int(rng.integers(len(found)))]
    return min(start + int(rng.integers(256)), len(data) - 1)


def _flip(rng: np.random.Generator, data: bytearray, at: int) -> str:
    if not data:
        return "empty as it was"
    bit = int(rng.integers(8))
    data[at] ^= 1 << bit
    return f"bit {bit} of byte {at} flipped"


def _flip_many(rng: np.random.Generator, data: bytearray, at: int) -> str:
    n = int(rng.integers(2, 100))
    for _ in range(n):
        _flip(rng, data, _place(rng, data))
    return f"{n} bits flipped"


def _cut(rng: np.random.Generator, data: bytearray, at: int) -> str:
    del data[at:]
    return f"cut to {at} bytes"


def _remove(rng: np.random.Generator, data: bytearray, at: int) -> str:
    n = int(rng.integers(1, 200))
    del data[at : at + n]
    return f"{n} bytes removed at {at}"


def _insert(rng: np.random.Generator, data: bytearray, at: int) -> str:
    n = int(rng.integers(1, 200))
    data[at:at] = rng.bytes(n)
    return f"{n} bytes inserted at {at}"


def _blank(rng: np.random.Generator, data: bytearray, at: int) -> str:
    n = int(2 ** rng.uniform(0, 14))
    value = int(rng.choice([0, 0xFF]))
    n = min(n, len(data) - at)
    data[at : at + n] = bytes([value]) * n
    return f"{n} bytes from {at} set to {value:#x}"


def _scramble(rng: np.random.Generator, data: bytearray, at: int) -> str:
    n = min(int(2 ** rng.uniform(0, 9)), len(data) - at)
    data[at : at + n] = rng.bytes(n)
    return f"{n} random bytes from {at}"


def _number(rng: np.random.Generator, data: bytearray, at: int) -> str:
    width = int(rng.choice([1, 2, 4, 8]))
    value = INTERESTING[int(rng.integers(len(INTERESTING)))] % 256**width
    width = min(width, len(data) - at)
    data[at : at + width] = value.to_bytes(8, "little")[:width]
    return f"{width} bytes from {at} set to the number {value}"


def _transplant(rng: np.random.Generator, data: bytearray, at: int) -> str:
    n = int(2 ** rng.uniform(0, 10))
    other = _place(rng, data)
    n = min(n, len(data) - at, len(data) - other)
    data[at : at + n] = data[other : other + n]
    return f"{n} bytes of {other} copied to {at}"


WAYS = (
    _flip,
    _flip,
    _flip_many,
    _cut,
    _remove,
    _insert,
    _blank,
    _scramble,
    _number,
    _number,
    _transplant,
)
