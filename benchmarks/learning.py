"""What approximate sums and short messages do to learning.

    OMP_NUM_THREADS=1 python benchmarks/learning.py [--seed 0] [--count 3]
        [--iterations 400] [--processes 2]
        [--setting equal-load bibd coset] [--problem mlp softmax]

Trains on the 10,000 images of data/fashion-mnist-10k.h5 (a fifth held out, in mini-batches, with
heavy-ball momentum and a step that decays to a tenth) while every worker is a straggler with
probability 1/4, anew in each iteration, and misses the deadline by then. One row per scheme, the
mean over the seeds. Settings: 12 workers, all schemes with 4 holders of a block but for the two
that know no redundancy; and the paper's designs (Munim and Ramamoorthy), a (7, 7, 3, 1) block
design and the coset graph (27, 2, 5) with 54 workers, with their baseline `stacked`: see
jobs/paper-*.toml. The problems are the network 784-128-10, which has far more parameters than rows
to learn from, so that half of the directions are enough for it, and softmax regression, where they
are not.

loss      : of all training rows at the end, relative to uncoded without stragglers (same seed),
            with its standard error over the seeds
accuracy  : on held-out rows
arrived   : share of the messages that a decoding used
residual  : what it missed, relative to no message at all
alpha     : what decoded sums are divided by
KB/answer : bytes of one message
seconds   : under the virtual clock, per iteration: 20 us per row, 1 Gbit/s per worker

Everything runs in this process under the virtual clock, so the numbers are the same on every
machine up to rounding. A sample in well under a minute:
--count 1 --iterations 150 --setting equal-load --problem softmax
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

import mpicode
from mpicode.config import Config
from mpicode.train.setup import build

DATA = Path(__file__).parents[1] / "data" / "fashion-mnist-10k.h5"
TOLERANCE = 0.05  # of the loss, over which a row is marked

# A straggler begins the next iteration late by (time of an answer) + DELAY - DEADLINE and still
# meets its deadline, so that stragglers are drawn anew.
DELAY = DEADLINE = 0.04
COLUMNS = (
    *("scheme", "load", "message", "loss", "accuracy"),
    *("arrived", "residual", "alpha", "KB/answer", "ms/iteration"),
)
PROBLEMS = {
    "mlp": ({"name": "mlp", "hidden": [128]}, 0.05),
    "softmax": ({"name": "softmax"}, 0.02),
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0, help="the first")
    parser.add_argument("--count", type=int, default=3, help="seeds")
    parser.add_argument("--iterations", type=int, default=400)
    parser.add_argument("--processes", type=int, default=2, help="runs at a time")
    parser.add_argument("--setting", nargs="+", choices=SETTINGS, default=["equal-load", "bibd"])
    parser.add_argument("--problem", nargs="+", choices=PROBLEMS, default=list(PROBLEMS))
    return parser.parse_args()


def equal_load() -> dict[str, tuple[dict[str, Any], bool]]:
    """Return by label: the code, and whether it stops at the deadline."""
    short = {"replication": 4, "n_segments": 2}
    rows = {
        "uncoded": ({"name": "uncoded"}, False),
        "ignore-stragglers": ({"name": "ignore-stragglers"}, True),
        "bernoulli": ({"name": "bernoulli", "load": 4}, True),
        "fractional-repetition": ({"name": "fractional-repetition", "n_stragglers": 3}, True),
        "kadhe, m = 2": ({"name": "kadhe", **short}, True),
    }
    for design in ("biregular", "coset"):
        rows |= constructions(design, **short)
    return rows


def constructions(design: str, **more: Any) -> dict[str, tuple[dict[str, Any], bool]]:
    """Return the paper's two and their baseline."""
    return {
        f"{name}, {design}, m = 2": ({"name": name, "design": design, **more}, True)
        for name in ("munim-diagonal", "munim-nullspace", "stacked")
    }


SETTINGS = {
    "equal-load": (12, equal_load()),
    "bibd": (7, constructions("bibd", n_segments=2)),
    "coset": (54, constructions("coset", n_segments=2, load=5)),
}


def configuration(options, problem, n_workers, code, has_deadline, seed, stragglers=True):
    parameters, step_size = PROBLEMS[problem]
    config = {
        "data": {"path": str(DATA), "test_fraction": 0.2},
        "problem": parameters,
        "code": code,
        "optimizer": {
            "name": "heavy-ball",
            "step_size": step_size,
            "momentum": 0.9,
            "schedule": "cosine",
            "decay_iterations": options.iterations,
        },
        "run": {
            "n_workers": n_workers,
            "iterations": options.iterations,
            "batch_size": 1200,
            "dtype": "float32",
            "seed": seed,
            "evaluate_every": options.iterations,
        },
        "virtual": {"seconds_per_row": 2e-5, "bytes_per_second": 125e6},
    }
    if stragglers:
        config["delays"] = {"name": "bernoulli", "probability": 0.25, "seconds": DELAY}
    if has_deadline:
        config["decoding"] = {"deadline": DEADLINE}
    return Config.from_dict(config)


def measure(config) -> dict[str, float]:
    """Train, and return the columns of one row."""
    result = mpicode.run(config)
    if result.error is not None:
        raise result.error
    setup = build(config)
    try:
        x, blocks = result.parameters.astype(setup.dtype), setup.blocks()
        losses = [
            setup.problem.evaluate(x, rows)[0]
            for block in range(setup.code.n_blocks)
            for rows in blocks.rows(block)
        ]
        code, n_train = setup.code, setup.partition.n_train
    finally:
        setup.close()
    history = {name: column.mean() for name, column in result.history.items()}
    return {
        "loss": sum(losses) / n_train,
        "accuracy": result.history["test_accuracy"][-1],
        "load": np.mean([code.load(worker) for worker in range(code.n_workers)]),
        "share": 1 / code.n_segments,
        "arrived": history["n_arrived"] / code.n_messages,
        "residual": history["residual"] / (code.n_segments * code.n_blocks),
        "alpha": history["shrinkage"],
        "bytes": 4.0 * (-(-len(x) // code.n_segments) + 1),
        "seconds": history["seconds"],
    }


def table(options, setting, problem, executor) -> None:
    n_workers, schemes = SETTINGS[setting]
    seeds = range(options.seed, options.seed + options.count)

    def rows_of(code, has_deadline, stragglers=True):
        configurations = [
            configuration(options, problem, n_workers, code, has_deadline, seed, stragglers)
            for seed in seeds
        ]
        return executor.map(measure, configurations)

    waiting = {label: rows_of(*scheme) for label, scheme in schemes.items()}
    best = list(rows_of({"name": "uncoded"}, False, stragglers=False))
    mean = {name: np.mean([row[name] for row in best]) for name in best[0]}
    print(
        f"\n{problem}: {n_workers} workers, {options.iterations} iterations, "
        f"seeds {options.seed} to {seeds[-1]}; uncoded without stragglers: training loss "
        f"{mean['loss']:.4f}, held-out accuracy {mean['accuracy']:.3f}, "
        f"{mean['seconds'] * 1e3:.1f} ms per iteration\n"
    )
    print(f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|")
    for label, pending in waiting.items():
        rows = list(pending)
        mean = {name: np.mean([row[name] for row in rows]) for name in rows[0]}
        ratios = np.array([row["loss"] / own["loss"] for row, own in zip(rows, best, strict=True)])
        error = f" +- {ratios.std(ddof=1) / np.sqrt(len(ratios)):.3f}" if len(ratios) > 1 else ""
        mark = "" if ratios.mean() <= 1 + TOLERANCE else " *"
        print(
            f"| {label} | {mean['load']:.2f} | {mean['share']:.2g} "
            f"| {ratios.mean():.3f}{error}{mark} | {mean['accuracy']:.3f} "
            f"| {mean['arrived']:.2f} | {mean['residual']:.3f} | {mean['alpha']:.3f} "
            f"| {mean['bytes'] / 1e3:.1f} | {mean['seconds'] * 1e3:.1f} |",
            flush=True,
        )
    print(f"\n* more than {TOLERANCE:.0%} above uncoded")


def main() -> None:
    options = arguments()
    with ProcessPoolExecutor(options.processes) as executor:
        for setting in options.setting:
            for problem in options.problem:
                table(options, setting, problem, executor)


if __name__ == "__main__":
    main()
