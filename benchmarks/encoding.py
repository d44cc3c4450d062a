"""What encoding costs: one coded message against one plain gradient of the same rows.

    python benchmarks/encoding.py [--repeats 15] [--rows 2000]

A worker holds 4 blocks and computes its message of D / m numbers:

plain      one ordinary gradient of each block, weights 1, summed: what an uncoded worker would do
one        a code with one coefficient per worker and segment (`kadhe`): one gradient, then a fold
general    a code with coefficients of their own for every block and segment (`ye-abbe`)
by parts   the same, as a problem that cannot weight segments does it: a fold for every block
naive      the same: one gradient for every block and segment, of which one segment is used

Dense: softmax of 10 classes on rows of 784 features; sparse: logistic on rows with 45 entries among
600,000 columns. All take turns, in a new order each time, on one thread. Ratios to plain are taken
within a turn; shown are medians and quartiles.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import scipy.sparse
from threadpoolctl import threadpool_limits

from mpicode import codes, kernels
from mpicode.codes import GradientCode
from mpicode.pool import Request
from mpicode.pool.wire import Kind
from mpicode.problems import Problem, Rows
from mpicode.problems.logistic import Logistic
from mpicode.problems.softmax import Softmax
from mpicode.train.gradient_work import GradientWork
from mpicode.train.partition import Partition
from mpicode.train.segments import Segments

HELD = 4  # blocks of a worker
WORKERS = 8


class Kept:
    """Rows of blocks that are all in memory."""

    def __init__(self, rows: list[Rows]) -> None:
        self._rows = rows

    def preload(self, blocks: Any) -> None:
        """Have them already."""

    def rows(self, block: int, slots: Any = None) -> Iterator[Rows]:
        """Yield the block."""
        yield self._rows[block]


def dense(n_rows: int, rng: np.random.Generator) -> tuple[Problem, list[Rows]]:
    problem = Softmax(n_features=784, n_classes=10, task="multiclass")
    return problem, [
        Rows(rng.random((n_rows, 784)), rng.integers(0, 10, n_rows)) for _ in range(WORKERS)
    ]


def sparse(n_rows: int, rng: np.random.Generator) -> tuple[Problem, list[Rows]]:
    """Columns are drawn unevenly, as categories are: half of the entries fall on 1/16 of them."""
    n_features, per_row = 600_000, 45
    problem = Logistic(n_features=n_features, n_classes=2, task="binary")
    blocks = []
    for _ in range(WORKERS):
        columns = (n_features * rng.random((n_rows, per_row)) ** 4).astype(np.int32)
        columns.sort(axis=1)
        X = scipy.sparse.csr_array(
            (
                np.ones(columns.size),
                columns.ravel(),
                np.arange(0, columns.size + 1, per_row, dtype=np.int32),
            ),
            shape=(n_rows, n_features),
        )
        blocks.append(Rows(X, rng.integers(0, 2, n_rows)))
    return problem, blocks


def message(
    code: GradientCode, problem: Problem, blocks: list[Rows], x: Any, at_once: bool = True
) -> Callable[[], None]:
    """Return a call that computes message 0 as a worker does."""
    n_rows = sum(len(rows.y) for rows in blocks)
    given = problem
    if not at_once:
        given = SimpleNamespace(
            gradient=problem.gradient,
            n_parameters=problem.n_parameters,
            dtype=problem.dtype,
            segments_in_one_pass=False,
        )  # type: ignore[assignment]
    segments = Segments(code, problem.n_parameters, problem.dtype)
    work = GradientWork(
        0, code, given, segments, Kept(blocks), Partition(n_rows, code.n_blocks, 0.0, 0), None
    )  # type: ignore[arg-type]
    out = np.empty(segments.answer_length)
    request = Request(Kind.GRADIENT, 0, 0, x, 0.0)

    def call() -> None:
        for _ in work.compute(request, 0, out):
            pass

    return call


def naive(code: GradientCode, problem: Problem, blocks: list[Rows], x: Any) -> Callable[[], None]:
    """Return a call that makes one pass per block and segment."""
    pieces = code.encoding[[0]].toarray().reshape(code.n_segments, code.n_blocks)
    segments = Segments(code, problem.n_parameters, problem.dtype)
    whole = np.zeros(segments.padded_length)
    out = np.empty(segments.length)

    def call() -> None:
        out[:] = 0
        for u, row in enumerate(pieces):
            for block in np.flatnonzero(row):
                whole[:] = 0
                weights = np.full(len(blocks[block].y), row[block])
                problem.gradient(x, blocks[block], weights, whole[: problem.n_parameters])
                kernels.accumulate(1.0, whole[u * segments.length : (u + 1) * segments.length], out)

    return call


def contestants(problem: Problem, blocks: list[Rows], m: int) -> dict[str, Callable[[], None]]:
    x = 1e-2 * np.random.default_rng(1).normal(size=problem.n_parameters)
    plain = np.zeros(problem.n_parameters)
    ones = np.ones(len(blocks[0].y))

    def uncoded() -> None:
        plain[:] = 0
        for rows in blocks[:HELD]:
            problem.gradient(x, rows, ones, plain)

    one = codes.make("kadhe", n_workers=WORKERS, n_segments=m, replication=HELD)
    general = codes.make("ye-abbe", n_workers=WORKERS, n_segments=m, n_stragglers=HELD - m)
    assert len(one.blocks(0)) == len(general.blocks(0)) == HELD
    return {
        "plain": uncoded,
        "again": uncoded,
        "one": message(one, problem, blocks, x),
        "general": message(general, problem, blocks, x),
        "by parts": message(general, problem, blocks, x, at_once=False),
        "naive": naive(general, problem, blocks, x),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--rows", type=int, nargs="+", default=[200, 2000], help="per block")
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    print(f"kernels compiled: {kernels.COMPILED}; times of one plain gradient")
    with threadpool_limits(1):
        for kind in (dense, sparse):
            for n_rows in arguments.rows:
                problem, blocks = kind(n_rows, rng)
                for m in (2, 4):
                    calls = contestants(problem, blocks, m)
                    seconds: dict[str, list[float]] = {name: [] for name in calls}
                    for call in calls.values():
                        call()
                    for _ in range(arguments.repeats):
                        for name in rng.permutation(list(calls)):
                            began = time.perf_counter()
                            calls[name]()
                            seconds[name].append(time.perf_counter() - began)
                    bound = np.array(seconds.pop("plain"))
                    print(
                        f"\n{kind.__name__}, {HELD} blocks of {n_rows} rows, m = {m}: "
                        f"plain {1e3 * np.median(bound):.2f} ms"
                    )
                    for name, taken in seconds.items():
                        low, middle, high = np.percentile(np.array(taken) / bound, (25, 50, 75))
                        print(f"  {name:<10}{middle:6.2f}  [{low:.2f}, {high:.2f}]")


if __name__ == "__main__":
    main()
