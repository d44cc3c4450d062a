"""What one light codeword costs the master: decoder and step, against one pass over the memory.

    python benchmarks/light_decoders.py [--parameters 100000] [--segments 16] [--repeats 41]

The estimate of the gradient has as many numbers as the parameters, in double precision; codewords
come in single precision, rows have weight 4. A pass is what a compiled triad loop (a = b + s c)
takes for as many bytes, in this run; bytes are counted as STREAM counts them, every array read or
written once:

    decoder          codeword read, the segments of the row read and written
    decoder + step   codeword and estimate read, the segments changed written, parameters read and
                     written
    direct           codeword read, the parameters of the row's segments read and written

`ortho` and `kalman` change every segment. `ortho` is measured on k rows that it takes in, `onestep`
writes its scaled sum before the step; `peel` is given single segments first. In each repeat every
contestant runs once, in turn; medians with quartiles of the time per codeword relative to the pass
in the same repeat. The line "noise" is the triad against itself.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import numpy as np  # noqa: E402
from racing import spread  # noqa: E402

from mpicode import kernels  # noqa: E402
from mpicode.codes import light  # noqa: E402

WEIGHT = 4


def rows_of(k: int) -> np.ndarray:
    """2 k rows with consecutive segments, of both signs."""
    rows = np.zeros((2 * k, k))
    rng = np.random.default_rng(0)
    for i in range(2 * k):
        support = rng.choice(k, WEIGHT, replace=False)
        rows[i, support] = rng.choice([-0.5, 0.5], WEIGHT)
    return rows


class Arrivals:
    """Codewords that one decoder takes in, all of its rows in turn."""

    def __init__(self, name: str, k: int, length: int, x: np.ndarray | None) -> None:
        rows = rows_of(k)
        if name == "peel":
            rows[:k] = np.eye(k)
        self.decoder = light.make(name, rows=rows, length=length)
        self.rows = rows
        rng = np.random.default_rng(1)
        self.codewords = rng.standard_normal((k, length)).astype(np.float32)
        self.x = x
        self.k = k

    def __call__(self) -> None:
        self.reset()
        for row, codeword in enumerate(self.codewords):
            if self.x is None:
                self.decoder.add(row, codeword)
            else:
                self.decoder.add_and_step(row, codeword, self.x, 1e-9)

    def reset(self) -> None:
        if not self.decoder.accepts_stale:
            self.decoder.reset()

    def bytes_moved(self, whole: bool) -> int:
        length, k = self.codewords.shape[1], self.k
        changed = k if whole else WEIGHT
        if self.decoder.name == "peel":
            return 4 * length + 8 * length  # a single segment: read, and written
        if self.x is None:
            return 4 * length + 16 * changed * length
        return 4 * length + 8 * (k + changed) * length + 16 * k * length


def direct(rows: np.ndarray, codewords: np.ndarray, x: np.ndarray) -> Callable[[], None]:
    nothing = np.zeros(rows.shape[1])

    def call() -> None:
        for row, codeword in zip(rows, codewords, strict=False):
            kernels.innovate(nothing, codeword, -1e-9 * row, x)

    return call


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parameters", type=int, default=100_000)
    parser.add_argument("--segments", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=41)
    options = parser.parse_args()
    if not kernels.COMPILED:
        raise SystemExit("benchmarks/light_decoders.py: the kernels are not compiled")
    from mpicode.kernels._sums import triad

    k = options.segments
    length = -(-options.parameters // k)
    x = np.zeros((k, length))
    a, b, c = np.ones((3, k * length))
    contestants: dict[str, tuple[Callable[[], None], float]] = {}
    resets: dict[str, Callable[[], None]] = {}
    for name in light.DECODERS:
        for into in (None, x):
            if into is not None and name in ("peel", "onestep"):
                continue  # whose estimate is of use at the end of a round only
            arrivals = Arrivals(name, k, length, into)
            label = f"{name}{'' if into is None else ' + step'}"
            contestants[label] = arrivals, arrivals.bytes_moved(name in ("ortho", "kalman"))
            resets[label] = arrivals.reset
    codewords = np.random.default_rng(1).standard_normal((k, length)).astype(np.float32)
    contestants["direct"] = direct(rows_of(k), codewords, x), (4 + 16 * WEIGHT) * length

    def passes() -> None:
        for _ in range(4):
            triad(a, b, 1.5, c)

    names = list(contestants)
    seconds = {name: np.empty(options.repeats) for name in (*names, "triad", "again")}
    for repeat in range(-1, options.repeats):
        order = ["triad", *names[repeat % len(names) :], *names[: repeat % len(names)], "again"]
        for name in order:
            call = passes if name in ("triad", "again") else contestants[name][0]
            began = time.perf_counter()
            call()
            taken = time.perf_counter() - began
            if name in resets:  # forgetting is once a round, and not counted
                began = time.perf_counter()
                resets[name]()
                taken -= time.perf_counter() - began
            if repeat >= 0:
                seconds[name][repeat] = taken / (4 if call is passes else k)
    # of both triads, the one that was less disturbed
    per_byte = np.minimum(seconds["triad"], seconds["again"]) / (24 * k * length)
    print(f"{k} segments of {length} numbers, rows of weight {WEIGHT}; the triad moves")
    noise = spread(seconds["again"] / seconds["triad"])
    print(f"{1e-9 / np.median(per_byte):.1f} GB/s; noise {noise}")
    print(f"{'':18}{'us per codeword':>24}{'relative to one pass':>26}")
    for name, (_, moved) in contestants.items():
        mine = seconds[name]
        print(f"{name:18}{spread(1e6 * mine):>24}{spread(mine / (moved * per_byte)):>26}")


if __name__ == "__main__":
    main()
