"""How close the kernels come to what this machine can do.

    python benchmarks/kernels.py [--size 4000000] [--repeats 31] [--threads 1]

`combine` is held against a compiled triad loop (a = b + s c, same flags: memory bandwidth), the
numpy loop `out += c * v`, and BLAS gemv on the vectors stacked as one array, which a master would
first have to copy together. All contestants work in the same memory, so none finds it warmer.
Bytes are counted as STREAM counts them: every array read or written, once. In each repeat every
contestant runs once, in turn; ratios are taken within a repeat. Shown are medians and quartiles;
the line "noise" is combine against itself.
"""

import argparse
import os

# For a fair race BLAS must choose its own kernels and take as many threads as combine. It looks
# when numpy is loaded.
for variable in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
    os.environ.pop(variable, None)
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import numpy as np  # noqa: E402
import threadpoolctl  # noqa: E402
from racing import race, spread  # noqa: E402
from scipy import sparse  # noqa: E402

from mpicode import kernels  # noqa: E402
from mpicode.kernels import plain  # noqa: E402


def numpy_loop(coefficients, vectors, out):
    out.fill(0)
    for c, v in zip(coefficients, vectors, strict=True):
        out += c * v


def sums(size, repeats, threads):
    from mpicode.kernels._sums import triad

    rng = np.random.default_rng(0)
    for count in (2, 4, 8):
        stacked = rng.standard_normal((count, size))
        vectors = list(stacked)
        coefficients, out = rng.standard_normal(count), np.empty(size)
        seconds = race(
            {
                "combine": lambda f=coefficients, v=vectors, o=out: kernels.combine(
                    f, v, o, threads
                ),
                "again": lambda f=coefficients, v=vectors, o=out: kernels.combine(f, v, o, threads),
                "triad": lambda v=vectors, o=out: triad(o, v[0], 1.5, v[1]),
                "loop": lambda f=coefficients, v=vectors, o=out: numpy_loop(f, v, o),
                "gemv": lambda f=coefficients, s=stacked, o=out: np.dot(f, s, out=o),
            },
            repeats,
        )
        mine = seconds["combine"]
        speed, yardstick = (count + 1) * 8 * size / mine, 3 * 8 * size / seconds["triad"]
        print(f"combine of {count} vectors of {size} float64, {threads} thread(s)")
        print(f"  milliseconds          {spread(1e3 * mine)}")
        print(f"  GB/s                  {spread(speed / 1e9)}    triad {spread(yardstick / 1e9)}")
        print(f"  share of triad        {spread(speed / yardstick)}    target >= 0.85")
        print(f"  numpy loop / combine  {spread(seconds['loop'] / mine)}    target >= 2.50")
        print(f"  combine / gemv        {spread(mine / seconds['gemv'])}    target <= 1.05")
        print(f"  noise                 {spread(seconds['again'] / mine)}")


def segments(size, repeats):
    """Print decoding of several segments against a combine for each, and BLAS on stacked rows."""
    rng = np.random.default_rng(0)
    for n_rows, count in ((2, 12), (4, 12), (4, 30)):
        length = size // n_rows
        stacked = rng.standard_normal((count, length))
        vectors, out = list(stacked), np.empty((n_rows, length))
        factors = rng.standard_normal((n_rows, count))
        seconds = race(
            {
                "ours": lambda f=factors, v=vectors, o=out: kernels.combine_segments(f, v, o),
                "combine": lambda f=factors, v=vectors, o=out: [
                    kernels.combine(each, v, row) for each, row in zip(f, o, strict=True)
                ],
                "gemm": lambda f=factors, s=stacked, o=out: np.matmul(f, s, out=o),
            },
            repeats,
        )
        mine = seconds["ours"]
        print(f"combine_segments, {n_rows} rows of {count} vectors of {length} float64")
        print(f"  milliseconds          {spread(1e3 * mine)}")
        print(f"  combine, row by row   {spread(seconds['combine'] / mine)}    times as long")
        print(f"  gemm, if stacked      {spread(seconds['gemm'] / mine)}    times as long")


def line(title, contestants, repeats):
    seconds = race(contestants, repeats)
    mine, other = (seconds[name] for name in contestants)
    rival = list(contestants)[1]
    print(f"{title:<52} {spread(1e3 * mine)} ms    {rival} / ours {spread(other / mine)}")


def products(repeats):
    rng = np.random.default_rng(0)
    n_rows, n_features, per_row = 20_000, 600_000, 45
    columns = np.sort(rng.integers(0, n_features, (n_rows, per_row)), axis=1)
    X = sparse.csr_array(
        (
            rng.standard_normal(columns.size),
            columns.astype(np.int32).ravel(),
            np.arange(0, columns.size + 1, per_row, dtype=np.int32),
        ),
        shape=(n_rows, n_features),
    )
    csr = X.data, X.indices, X.indptr
    for width in (1, 10):
        x = rng.standard_normal((n_features, width) if width > 1 else n_features)
        out = np.empty((n_rows, width) if width > 1 else n_rows)
        residual, gradient = rng.standard_normal(out.shape), np.zeros_like(x)
        line(
            f"csr_dot {n_rows} x {n_features}, {per_row} a row, {width} column(s)",
            {
                "ours": lambda x=x, out=out: kernels.csr_dot(*csr, x, out),
                "scipy": lambda x=x: X @ x,
            },
            repeats,
        )
        line(
            "csr_transpose_accumulate, the same",
            {
                "ours": lambda r=residual, g=gradient: kernels.csr_transpose_accumulate(*csr, r, g),
                "scipy": lambda r=residual, g=gradient: np.add(g, X.T @ r, out=g),
            },
            repeats,
        )
        weights, rows = rng.standard_normal((4, n_rows)), residual.reshape(n_rows, width)
        into, length = gradient.reshape(n_features, width), -(-gradient.size // 4)
        line(
            "csr_transpose_segments, 4 segments",
            {
                "ours": lambda r=rows, w=weights, n=length, g=into: kernels.csr_transpose_segments(
                    *csr, r, w, n, g
                ),
                "one segment": lambda r=residual, g=gradient: kernels.csr_transpose_accumulate(
                    *csr, r, g
                ),
            },
            repeats,
        )


def residuals(repeats):
    rng = np.random.default_rng(0)
    for dtype in (np.float64, np.float32):
        z = (3 * rng.standard_normal(100_000)).astype(dtype)
        y, weights, out = rng.integers(0, 2, z.size), rng.random(z.size), np.empty_like(z)
        line(
            f"logistic_residual, {z.size} rows, {z.dtype}",
            {
                "ours": lambda a=(z, y, weights, out): kernels.logistic_residual(*a),
                "numpy": lambda a=(z, y, weights, out): plain.logistic_residual(*a),
            },
            repeats,
        )
        z = (3 * rng.standard_normal((10_000, 10))).astype(dtype)
        y, weights, out = rng.integers(0, 10, len(z)), rng.random(len(z)), np.empty_like(z)
        line(
            f"softmax_residual, {len(z)} rows of 10 classes, {z.dtype}",
            {
                "ours": lambda a=(z, y, weights, out): kernels.softmax_residual(*a),
                "numpy": lambda a=(z, y, weights, out): plain.softmax_residual(*a),
            },
            repeats,
        )


def small(repeats):
    """Print what a call costs before any arithmetic."""
    vectors, out = [np.ones(8) for _ in range(8)], np.empty(8)
    factors = np.ones(8)

    def thousand(call):
        return lambda: [call() for _ in range(1000)]

    calls = {
        "combine of 8": thousand(lambda: kernels.combine(factors, vectors, out)),
        "accumulate": thousand(lambda: kernels.accumulate(2.0, vectors[0], out)),
    }
    for name, seconds in race(calls, repeats).items():
        print(f"{name} vectors of 8 float64: {spread(1e3 * seconds)} microseconds a call")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=4_000_000, help="elements per vector")
    parser.add_argument("--repeats", type=int, default=31)
    parser.add_argument("--threads", type=int, default=1, help="threads of combine and of BLAS")
    arguments = parser.parse_args()
    if not kernels.COMPILED:
        raise SystemExit("benchmarks/kernels.py: the kernels are not compiled, nothing to measure")
    with threadpoolctl.threadpool_limits(arguments.threads, "blas"):
        for pool in threadpoolctl.threadpool_info():
            if pool["user_api"] == "blas":
                library = f"{pool['internal_api']} {pool['version']} {pool.get('architecture')}"
                print(f"BLAS of numpy and scipy: {library}, {pool['num_threads']} thread(s)")
        sums(arguments.size, arguments.repeats, arguments.threads)
        segments(arguments.size, arguments.repeats)
    products(arguments.repeats)
    residuals(arguments.repeats)
    small(arguments.repeats)


if __name__ == "__main__":
    main()
