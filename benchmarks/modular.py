"""What arithmetic modulo a prime costs, against the ways that need no compiler.

    python benchmarks/modular.py [--rows 2000] [--features 500] [--length 100000] [--repeats 31]

`modular_combine` (what encodes and decodes) and the two products of a gradient, `modular_dot` and
`modular_transpose_dot`, for a prime of 26 bits, of 31, and 2**61 - 1, each against

  int64      numpy, a reduction (%) after every product; the products overflow with 61 bits
  chunks     numpy, float64 products by BLAS, as many terms at a time as are exact, then %; its
             operands are converted beforehand, which is not counted
  objects    numpy arrays of Python integers, on a hundredth of the work, times 100
  float64    the same sums of ordinary floating numbers: what no modulus at all would cost

Counted is the time of the processor, so that other programs on the machine show less. In each
repeat every contestant runs once, in turn; ratios are taken within a repeat. Shown are
medians and quartiles; "noise" is ours against itself.
"""

import argparse
import os
import time

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import numpy as np  # noqa: E402
from racing import race, spread  # noqa: E402

from mpicode import kernels  # noqa: E402

PRIMES = {"26 bits": 2**26 - 5, "31 bits": 2**31 - 1, "61 bits": kernels.MERSENNE_61}
VECTORS = 9


def show(title, contestants, repeats, scale):
    """Print the seconds of ours, and how many times as long each other one takes."""
    seconds = race(contestants, repeats, time.thread_time)
    mine = seconds["ours"]
    print(f"{title}\n  ours       {spread(1e3 * mine)} ms")
    for name, other in seconds.items():
        if name not in ("ours", "noise"):
            print(f"  {name:<10} {spread(scale.get(name, 1) * other / mine)} times as long")
    print(f"  noise      {spread(seconds['noise'] / mine)}")


def in_chunks(a, b, prime):
    """Return ``a @ b`` modulo a prime: float64 products of as many terms as are exact, then %."""
    exact = max(1, 2**53 // (prime - 1) ** 2)
    total = np.zeros((*a.shape[:-1], *b.shape[1:]))
    for start in range(0, len(b), exact):
        part = slice(start, start + exact)
        total += (a[..., part] @ b[part]) % prime
        total %= prime
    return total


def sums(label, prime, length, repeats):
    rng = np.random.default_rng(0)
    factors, vectors = rng.integers(0, prime, VECTORS), rng.integers(0, prime, (VECTORS, length))
    floats, some = vectors.astype(float), vectors[:, : length // 100].astype(object)
    objects = factors.astype(object)
    out, real = np.empty(length, dtype=np.int64), np.empty(length)

    def ours():
        kernels.modular_combine(factors, list(vectors), prime, out)

    def by_products():
        total = np.zeros(length, dtype=np.int64)
        for factor, vector in zip(factors, vectors, strict=True):
            total += factor * vector % prime
        return total % prime

    contestants = {
        "ours": ours,
        "noise": ours,
        "objects": lambda: objects @ some % prime,
        "float64": lambda: kernels.combine(factors.astype(float), list(floats), real),
    }
    if prime < 2**31:
        contestants["int64"] = by_products
        assert np.array_equal(by_products(), (ours(), out)[1])
    assert np.array_equal(objects @ some % prime, (ours(), out[: some.shape[1]])[1])
    title = f"modular_combine of {VECTORS} vectors of {length}, {label}"
    show(title, contestants, repeats, {"objects": length / some.shape[1]})


def products(label, prime, n_rows, n_features, repeats):
    rng = np.random.default_rng(0)
    X = rng.integers(0, prime, (n_rows, n_features))
    for title, kernel, matrix in (
        ("modular_dot", kernels.modular_dot, X),
        ("modular_transpose_dot", kernels.modular_transpose_dot, X.T),
    ):
        given = rng.integers(0, prime, matrix.shape[1])
        out = np.empty(matrix.shape[0], dtype=np.int64)
        floats, short = matrix.astype(float), matrix[: max(1, len(matrix) // 100)].astype(object)
        as_objects, as_floats = given.astype(object), given.astype(float)

        def ours(kernel=kernel, given=given, out=out):
            return kernel(X, given, prime, out)

        contestants = {
            "ours": ours,
            "noise": ours,
            "objects": lambda a=short, b=as_objects: a @ b % prime,
            "float64": lambda a=floats, b=as_floats: a @ b,
        }
        if prime < 2**31:
            contestants["int64"] = lambda a=matrix, b=given: (a * b % prime).sum(axis=1) % prime
            assert np.array_equal(contestants["int64"](), ours())
        if prime < 2**26:
            contestants["chunks"] = lambda a=floats, b=as_floats: in_chunks(a, b, prime)
            assert np.array_equal(contestants["chunks"](), ours())
        assert np.array_equal(contestants["objects"](), ours()[: len(short)])
        show(
            f"{title}, X {n_rows} x {n_features}, {label}",
            contestants,
            repeats,
            {"objects": len(matrix) / len(short)},
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--features", type=int, default=500)
    parser.add_argument("--length", type=int, default=100_000, help="numbers per vector")
    parser.add_argument("--repeats", type=int, default=31)
    arguments = parser.parse_args()
    if not kernels.COMPILED:
        raise SystemExit("benchmarks/modular.py: the kernels are not compiled, nothing to measure")
    for label, prime in PRIMES.items():
        sums(label, prime, arguments.length, arguments.repeats)
        products(label, prime, arguments.rows, arguments.features, arguments.repeats)


if __name__ == "__main__":
    main()
