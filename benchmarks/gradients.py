"""How far one gradient is from the products it cannot do without.

    python benchmarks/gradients.py

Dense: softmax (10 classes) and logistic on rows shaped like 10,000 images of Fashion-MNIST, against
the two BLAS products X W and X' R over all rows at once, and nothing else. Sparse: logistic on rows
with 45 entries among 600,000 columns, as the pairwise one-hot flights have, against the two
products of scipy. Neither bound computes a residual or a loss. A ratio below 1 is possible where
the gradient reads X from memory once and the bound twice.

All measurements of a group are taken in turn, in a new order each time, on one thread; the bound is
measured twice, as A and as A', and the ratio A'/A says how much of the rest is noise. Ratios are
medians, with quartiles, over the rounds of the two times in the same round.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse
from threadpoolctl import threadpool_info, threadpool_limits

from mpicode import kernels
from mpicode.problems import LinearModel, Rows
from mpicode.problems.logistic import Logistic
from mpicode.problems.softmax import Softmax

Candidates = dict[str, Callable[[], Any]]


def measure(candidates: Candidates, repeats: int, rng: np.random.Generator) -> dict[str, Any]:
    """Return (repeats,) seconds per candidate, measured in turn."""
    names = list(candidates)
    seconds = {name: np.empty(repeats) for name in names}
    for call in candidates.values():
        call()
    for repeat in range(repeats):
        for i in rng.permutation(len(names)):
            start = time.perf_counter()
            candidates[names[i]]()
            seconds[names[i]][repeat] = time.perf_counter() - start
    return seconds


def show(title: str, seconds: dict[str, Any]) -> None:
    """Print a table; ratios are to the first candidate."""
    print(f"\n{title}\n{'':<34}{'median ms':>10}{'quartiles':>18}{'ratio':>8}{'quartiles':>16}")
    bound = next(iter(seconds.values()))
    for name, taken in seconds.items():
        low, middle, high = np.percentile(taken * 1e3, (25, 50, 75))
        ratios = np.percentile(taken / bound, (25, 50, 75))
        print(
            f"{name:<34}{middle:>10.2f}{f'{low:.2f} .. {high:.2f}':>18}"
            f"{ratios[1]:>8.2f}{f'{ratios[0]:.2f} .. {ratios[2]:.2f}':>16}"
        )


def gradient_of(problem: LinearModel, rows: Rows, x: Any) -> Callable[[], float]:
    """Return a call that adds one gradient to a vector of its own."""
    weights, out = np.ones(len(rows.y)), np.zeros_like(x)
    return lambda: problem.gradient(x, rows, weights, out)


def dense(n_rows: int, n_classes: int, dtype: type, rng: np.random.Generator) -> Candidates:
    """Two classes are logistic regression with one output, more are softmax."""
    n_features = 784
    X = rng.random((n_rows, n_features)).astype(dtype)
    y = rng.integers(0, n_classes, n_rows)
    build = Logistic if n_classes == 2 else Softmax
    problem = build(
        n_features=n_features,
        n_classes=n_classes,
        task="binary" if n_classes == 2 else "multiclass",
        dtype=dtype,
    )
    x = (1e-2 * rng.normal(size=problem.n_parameters)).astype(dtype)
    W = problem.unpack(x)[0]
    R = rng.normal(size=(n_rows, *W.shape[1:])).astype(dtype)
    Z, product, total = np.empty_like(R), np.empty_like(W), np.zeros_like(W)

    def bound() -> None:
        np.matmul(X, W, out=Z)
        np.matmul(X.T, R, out=product)
        np.add(total, product, out=total)

    return {
        "BLAS products (A)": bound,
        "BLAS products (A')": bound,
        f"{problem.name} gradient": gradient_of(problem, Rows(X, y), x),
    }


def sparse(n_rows: int, rng: np.random.Generator) -> Candidates:
    """Columns are drawn unevenly, as categories are: half of the entries fall on 1/16 of them."""
    n_features, per_row = 600_000, 45
    columns = (n_features * rng.random((n_rows, per_row)) ** 4).astype(np.int32)
    columns.sort(axis=1)
    indptr = np.arange(0, columns.size + 1, per_row, dtype=np.int32)
    X = scipy.sparse.csr_array(
        (np.ones(columns.size), columns.ravel(), indptr), shape=(n_rows, n_features)
    )
    y = rng.integers(0, 2, n_rows)
    problem = Logistic(n_features=n_features, n_classes=2, task="binary")
    x = 1e-2 * rng.normal(size=problem.n_parameters)
    w, z, weights, total = x[:n_features], np.empty(n_rows), np.ones(n_rows), x.copy()
    r = rng.normal(size=n_rows)
    transposed = X.T

    def scipy_products() -> None:
        _ = X @ w
        np.add(total[:n_features], transposed @ r, out=total[:n_features])

    def bare_kernels() -> None:
        kernels.csr_dot(X.data, X.indices, X.indptr, w, z)
        kernels.logistic_residual(z, y, weights, z)
        kernels.csr_transpose_accumulate(X.data, X.indices, X.indptr, z, total[:n_features])

    return {
        "scipy products (A)": scipy_products,
        "scipy products (A')": scipy_products,
        "our kernels, residual included": bare_kernels,
        "logistic gradient": gradient_of(problem, Rows(X, y), x),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--repeats", type=int, default=31)
    parser.add_argument("--dense-rows", type=int, default=10_000)
    parser.add_argument("--sparse-rows", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    with threadpool_limits(1):
        blas = {
            f"{pool['internal_api']} {pool['version']} {pool.get('architecture', '')}"
            for pool in threadpool_info()
            if pool["user_api"] == "blas"
        }
        print(f"kernels compiled: {kernels.COMPILED}; BLAS, 1 thread: {', '.join(sorted(blas))}")
        for dtype in (np.float64, np.float32):
            for n_classes in (10, 2):
                candidates = dense(options.dense_rows, n_classes, dtype, rng)
                title = f"dense {options.dense_rows} x 784, {np.dtype(dtype)}, {n_classes} classes"
                show(title, measure(candidates, options.repeats, rng))
        candidates = sparse(options.sparse_rows, rng)
        title = f"CSR {options.sparse_rows} x 600000, 45 entries a row, float64"
        show(title, measure(candidates, options.repeats, rng))


if __name__ == "__main__":
    main()
