"""How far apart light rows get, how long that takes, and what random survivors of them can tell.

    python benchmarks/packing.py [--sets 400] [--repeats 3]

Three tables. Dense packings beside the least coherence there is. New packings of common sizes,
beside the bound, the one shipped and the best of 50 random codes, each timed in several repeats
(median and range: the range is the noise). And n = 24 rows of k = 12 segments in all variants, with
some classical codes: "full" is the share of random sets of m rows from which everything can be
decoded, "amp" the median of ||pseudo-inverse||_F^2 / k over these, "1step" the one-step error.
"""

from __future__ import annotations

import argparse
import os
import time
from math import cos, pi, sqrt

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import numpy as np  # noqa: E402

from mpicode.codes import packing  # noqa: E402
from mpicode.codes.packing.stored import stored  # noqa: E402
from mpicode.codes.packing.variants import gaussian, random_signs, rows_of  # noqa: E402

# Columns, rows, the least coherence.
OPTIMA = (
    (2, 3, 1 / 2),
    (2, 7, cos(pi / 7)),
    (3, 4, 1 / 3),
    (3, 6, 1 / sqrt(5)),
    (3, 7, 1 / sqrt(3)),
    (5, 10, 1 / 3),
    (6, 16, 1 / 3),
    (7, 28, 1 / 3),
    (6, 7, 1 / 6),
)
STARTS = 16
# Rows, columns, weight.
SIZES = (
    (16, 8, 4),
    (24, 12, 4),
    (32, 16, 4),
    (64, 32, 5),
    (128, 64, 6),
    (256, 128, 7),
    (512, 256, 8),
)
N, K = 24, 12


def timed(work):
    begin = time.perf_counter()
    result = work()
    return time.perf_counter() - begin, result


def optima():
    print(f"dense packings, {STARTS} beginnings\n   k   n   least     reached   above     seconds")
    for k, n, least in OPTIMA:
        seconds, rows = timed(lambda k=k, n=n: packing.pack([k] * n, k, floor=0.0, starts=STARTS))
        reached = packing.coherence(rows)
        print(f"{k:4}{n:4}   {least:.5f}   {reached:.5f}   {reached - least:.0e}   {seconds:.2f}")


def sizes(repeats):
    print(
        "\nlight packings made anew\n   n   k   w  Welch   packed  shipped  random (best of 50)"
        "  potential / least   seconds"
    )
    for n, k, weight in SIZES:
        found = [timed(lambda n=n, k=k, w=weight: packing.pack([w] * n, k)) for _ in range(repeats)]
        seconds, rows = sorted(each for each, _ in found), found[0][1]
        random = min(
            packing.coherence(random_signs(n, k, weight, np.random.default_rng(i)))
            for i in range(50)
        )
        shipped = stored(np.full(n, weight), k, packing.FLOOR)
        ratio = packing.frame_potential(rows) / packing.least_potential(n, k)
        print(
            f"{n:4}{k:4}{weight:4}  {packing.welch_bound(n, k):.4f}  {packing.coherence(rows):.4f}"
            f"  {'none   ' if shipped is None else f'{packing.coherence(shipped):.4f} '}"
            f"  {random:.4f}               {ratio:.3f}               "
            f"{seconds[len(seconds) // 2]:.2f} [{seconds[0]:.2f}, {seconds[-1]:.2f}]",
            flush=True,
        )


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def robust_soliton(rng, c=0.1, failure=0.5):
    """Rows of equal numbers on as many random columns as the robust soliton distribution says."""
    degrees = np.arange(1, K + 1)
    ideal = np.concatenate([[1 / K], 1 / (degrees[1:] * (degrees[1:] - 1))])
    ripple = c * np.log(K / failure) * sqrt(K)
    spike = min(K, max(1, round(K / ripple)))
    extra = np.where(degrees < spike, ripple / (degrees * K), 0.0)
    extra[spike - 1] = ripple * np.log(ripple / failure) / K if ripple > failure else 0.0
    share = ideal + extra
    rows = np.zeros((N, K))
    for row, degree in zip(rows, rng.choice(degrees, size=N, p=share / share.sum()), strict=True):
        row[rng.permutation(K)[:degree]] = 1.0
    return unit(rows)


def classical():
    """Yield the codes of the last table by name."""
    for weight in (2, 3, 4, 6):
        yield f"packed, weight {weight}", packing.pack([weight] * N, K, starts=STARTS)
    yield "packed, dense, no floor", packing.pack([K] * N, K, floor=0.0, starts=STARTS)
    yield "systematic, weight 4", rows_of("systematic", N, K, 4, packing.FLOOR, 0)
    yield "degree mix", rows_of("degree-mix", N, K, 4, packing.FLOOR, 0)
    rng = np.random.default_rng(0)
    yield "random signs, weight 4", random_signs(N, K, 4, rng)
    yield "gaussian, dense", gaussian(N, K, rng)
    points = np.cos((2 * np.arange(N) + 1) * pi / (2 * N))
    yield "Chebyshev-Vandermonde", unit(np.polynomial.chebyshev.chebvander(points, K - 1))
    yield "monomial Vandermonde", unit(np.vander(np.linspace(-1, 1, N), K))
    yield "LT, robust soliton", robust_soliton(rng)
    yield "replicated twice", rows_of("replicated", N, K, 1, packing.FLOOR, 0)


def survivors(count):
    print(
        f"\n{N} rows, {K} segments, Welch {packing.welch_bound(N, K):.3f}, {count} random sets\n"
        f"{'code':26}coherence  potential  full 12  amp 12   full 15  amp 15   amp 18   1step 12"
    )
    for name, rows in classical():
        few, more, most = (packing.survivors(rows, m, count) for m in (12, 15, 18))
        ratio = packing.frame_potential(rows) / packing.least_potential(N, K)
        print(
            f"{name:26}{packing.coherence(rows):<11.3f}{ratio:<11.3f}{few.full:<9.3f}"
            f"{few.amplification:<9.3g}{more.full:<9.3f}{more.amplification:<9.3g}"
            f"{most.amplification:<9.3g}{few.one_step:.3f}",
            flush=True,
        )


def main():
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sets", type=int, default=400, help="random survivors per cell")
    parser.add_argument("--repeats", type=int, default=3, help="timings of each size")
    args = parser.parse_args()
    optima()
    sizes(args.repeats)
    survivors(args.sets)


if __name__ == "__main__":
    main()
