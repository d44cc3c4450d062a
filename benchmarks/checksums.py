"""What checksums of dataset files cost: writing, reading and opening, with and without.

    python benchmarks/checksums.py [--mb 256] [--rounds 7]

Writes and reads a dense float64 dataset in chunks of 512 kB, as `mpicode data` does, from and to
the page cache: plain, with HDF5's fletcher32 (what we do), and plain with a digest of our own for
each chunk (CRC-32 and BLAKE2b, computed by Python). Then the time to check the seal of such a file
(`mpicode.seal`), which opening it waits for. Medians with quartiles over interleaved rounds.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import tempfile
import time
import zlib
from pathlib import Path

import h5py
import numpy as np

from mpicode.datasets import DatasetWriter, Meta, Shape
from mpicode.datasets.filling import CHUNK_BYTES
from mpicode.seal import is_sealed

FEATURES = 1024
ROWS = CHUNK_BYTES // (8 * FEATURES)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--mb", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    n_chunks = options.mb * 1_000_000 // CHUNK_BYTES
    block = np.random.default_rng(0).standard_normal((ROWS, FEATURES))
    seconds: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="mpicode-checksums-") as folder:
        path = Path(folder) / "a.h5"
        for _ in range(options.rounds):
            for name, fletcher32, digest in KINDS:
                written, read = _once(path, block, n_chunks, fletcher32, digest)
                seconds.setdefault(f"write, {name}", []).append(written)
                seconds.setdefault(f"read, {name}", []).append(read)
        shape = Shape(ROWS * n_chunks, FEATURES)
        with DatasetWriter(Path(folder) / "b.h5", shape, Meta("regression", 0)) as writer:
            for _ in range(n_chunks):
                writer.append(block, block[:, 0])
        opened = []
        for _ in range(options.rounds):
            began = time.perf_counter()
            is_sealed(Path(folder) / "b.h5")
            opened.append(time.perf_counter() - began)
    size = n_chunks * CHUNK_BYTES
    for name, times in sorted(seconds.items(), reverse=True):
        low, middle, high = (size / t / 1e9 for t in np.quantile(times, [0.75, 0.5, 0.25]))
        print(f"{name:24s} {middle:6.2f} GB/s [{low:.2f}, {high:.2f}]")
    low, middle, high = (1e3 * t for t in np.quantile(opened, [0.25, 0.5, 0.75]))
    print(f"{f'seal of {size / 1e6:.0f} MB':24s} {middle:6.2f} ms   [{low:.2f}, {high:.2f}]")
    return 0


KINDS = (
    ("plain", False, None),
    ("fletcher32", True, None),
    ("own CRC-32", False, zlib.crc32),
    ("own BLAKE2b", False, lambda data: hashlib.blake2b(data).digest()),
)


def _once(path, block, n_chunks, fletcher32, digest):  # type: ignore[no-untyped-def]
    began = time.perf_counter()
    with h5py.File(path, "w") as file:
        shape = (ROWS * n_chunks, FEATURES)
        X = file.create_dataset("X", shape, "f8", chunks=block.shape, fletcher32=fletcher32)
        for at in range(0, len(X), ROWS):
            if digest:
                digest(block)
            X[at : at + ROWS] = block
    written = time.perf_counter() - began
    out = np.empty_like(block)
    began = time.perf_counter()
    with h5py.File(path, "r") as file:
        X = file["X"]
        for at in range(0, len(X), ROWS):
            X.read_direct(out, np.s_[at : at + ROWS])
            if digest:
                digest(out)
    return written, time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main())
