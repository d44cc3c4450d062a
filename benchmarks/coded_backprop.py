"""What a light codeword costs a worker, against one whole gradient of the same rows.

    python benchmarks/coded_backprop.py [--data FILE.h5] [--rows 4000] [--repeats 15]

MLP 784-128-10 and softmax regression; k = 4, 8 and 16 segments, rows of weight 4 (2 for k = 4). A
codeword needs the whole way forward, and of the way back the slopes of every layer; only the
products that sum up the gradient fall to 1/k. So beside the time of the whole call stand the time
of all behind the way forward, both relative to the same for a gradient. "made": columns of X that
are mixed once and kept, as by a worker that holds its rows; "anew": mixed in each call; "next":
another message of the same request, whose way forward and back is kept. "charged" is what the
virtual clock takes for the call, by multiplications. Seconds are those of the processor. In each
repeat everything runs once, in turn; medians with quartiles. The line "noise" is the gradient
against itself.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import numpy as np  # noqa: E402
from racing import race, spread  # noqa: E402

from mpicode import problems  # noqa: E402
from mpicode.datasets import open_dataset  # noqa: E402
from mpicode.problems import Rows  # noqa: E402
from mpicode.problems.passed import Passed  # noqa: E402

DATA = Path(__file__).parents[1] / "data" / "fashion-mnist-10k.h5"
SEGMENTS = (4, 8, 16)


def direction_of(k: int) -> np.ndarray:
    weight = 2 if k == 4 else 4
    direction = np.zeros(k)
    places = np.random.default_rng(k).choice(k, weight, replace=False)
    direction[places] = 1.0 / np.sqrt(weight)
    return direction


def show(name: str, problem: problems.Problem, rows: Rows, repeats: int) -> None:
    x = problem.initial(0) + 0.01 * np.random.default_rng(0).standard_normal(problem.n_parameters)
    weights = np.full(len(rows.y), 1.0 / len(rows.y))
    whole = np.zeros(problem.n_parameters)
    contestants: dict[str, Callable[[], object]] = {
        "gradient": lambda: problem.gradient(x, rows, weights, whole),
        "again": lambda: problem.gradient(x, rows, weights, whole),
        "loss": lambda: problem.loss(x, rows, weights),
    }
    for k in SEGMENTS:
        a, out = direction_of(k), np.zeros(-(-problem.n_parameters // k))
        mixed = problem.mix(rows, a)
        contestants[f"{k} anew"] = lambda a=a, out=out: problem.coded_gradient(
            x, rows, weights, a, out
        )
        contestants[f"{k} made"] = lambda a=a, out=out, mixed=mixed: problem.coded_gradient(
            x, rows, weights, a, out, mixed
        )
        passed = Passed[Any]()
        problem.coded_gradient(x, rows, weights, a, out, mixed, passed)
        contestants[f"{k} next"] = lambda a=a, out=out, mixed=mixed, passed=passed: (
            problem.coded_gradient(x, rows, weights, a, out, mixed, passed)
        )
    seconds = race(contestants, repeats, time.process_time)
    base, forward = seconds["gradient"], np.median(seconds["loss"])
    print(f"\n{name}, {problem.n_parameters} parameters, {len(rows.y)} rows")
    print(
        f"  gradient {1e3 * np.median(base):.2f} ms, of which the way forward {1e3 * forward:.2f}"
    )
    print(f"  noise {spread(seconds['again'] / base, 3)}")
    heads = f"{'whole call / gradient':>32}{'behind the forward way':>32}{'1/k':>8}{'charged':>9}"
    print(f"  {'k':>4}{heads}")
    for k in SEGMENTS:
        way, mix = problem.coded_costs(k)
        for kind, charged in (("made", way + mix), ("anew", way + mix), ("next", mix)):
            mine = seconds[f"{k} {kind}"]
            behind = "" if kind == "next" else spread((mine - forward) / (base - forward), 3)
            whole = spread(mine / base, 3)
            print(f"  {k:>4} {kind}{whole:>27}{behind:>32}{1 / k:>8.3f}{charged:>9.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--rows", type=int, default=4000)
    parser.add_argument("--repeats", type=int, default=15)
    options = parser.parse_args()
    with open_dataset(options.data) as dataset:
        rows = Rows(*dataset.read(0, options.rows, np.dtype(float)))
        shape = {
            "n_features": dataset.n_features,
            "n_classes": dataset.n_classes,
            "task": dataset.task,
        }
    show("mlp 784-128-10", problems.make("mlp", {"hidden": [128]}, **shape), rows, options.repeats)
    show("softmax", problems.make("softmax", {}, **shape), rows, options.repeats)


if __name__ == "__main__":
    main()
