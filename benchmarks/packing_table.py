"""Pack the light rows that the package ships, and write them to mpicode/codes/packing/packings.npz.

    python benchmarks/packing_table.py [--check] [--columns K ...]

For each number of segments k below all numbers of messages that `lwpd` chooses by itself for up to
so many workers, in each packed variant, with the default weight and floor. The same bits on every
machine; --check packs anew and compares them, digit for digit, and exits with 1 if they differ.
With --columns only those for so many segments, the others stay as they are. Prints what was reached
beside the bounds.
"""

from __future__ import annotations

import argparse
import sys
import time
from importlib import resources
from pathlib import Path

import numpy as np

from mpicode.codes import packing
from mpicode.codes.packing.stored import TABLE, key_of, stored
from mpicode.codes.packing.variants import default_weight, weights_of

# Segments, the most workers, and random beginnings.
SIZES = (
    (2, 8, 32),
    (4, 16, 16),
    (8, 16, 16),
    (12, 12, 16),
    (16, 32, 8),
    (24, 2, 8),
    (32, 8, 4),
    (64, 2, 4),
    (128, 2, 4),
)
VARIANTS = ("packed", "systematic", "degree-mix")


def entries():
    """Yield weights, number of columns and beginnings of each packing, (n_rows,)."""
    for k, most_workers, starts in SIZES:
        weight = default_weight(k)
        sizes = sorted({-(-2 * k // n) * n for n in range(1, most_workers + 1)})
        for variant in VARIANTS:
            for n in sizes if variant == "packed" else sizes[:1]:
                yield weights_of(variant, n, k, weight), k, starts


def main() -> int:
    """Write the table, or compare it with the one shipped."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="compare with the table shipped")
    parser.add_argument("--columns", type=int, nargs="+", metavar="K")
    args = parser.parse_args()
    path = Path(str(resources.files("mpicode.codes.packing").joinpath(TABLE)))
    made, different = {}, []
    if args.columns and not args.check and path.exists():
        made.update(np.load(path, allow_pickle=False))
    print("packing                  coherence   Welch    potential / least   seconds")
    for weights, k, starts in entries():
        if args.columns and k not in args.columns:
            continue
        begin = time.perf_counter()
        rows = packing.pack(weights, k, starts=starts)
        seconds = time.perf_counter() - begin
        key = key_of(weights, k, packing.FLOOR)
        ratio = packing.frame_potential(rows) / packing.least_potential(len(rows), k)
        print(
            f"{key:24} {packing.coherence(rows):.4f}      "
            f"{packing.welch_bound(len(rows), k):.4f}   {ratio:.4f}              {seconds:.2f}",
            flush=True,
        )
        made[key] = rows
        if args.check and not np.array_equal(rows, stored(weights, k, packing.FLOOR)):
            different.append(key)
    if args.check:
        print(f"DIFFERENT from those shipped: {different}" if different else "as they are shipped")
        return int(bool(different))
    np.savez_compressed(path, **made)
    print(f"{path.name}: {len(made)} packings, {path.stat().st_size / 1024:.0f} KB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
