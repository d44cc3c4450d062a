"""A network trained while some workers are stopped: codes over the data, replication, dropping.

The handwritten digits, a fifth of them held out; one mpirun per scheme, a master and 12 workers, of
which --stopped (chosen by the seed) are stopped for good (SIGSTOP) from iteration 10 on. All that
have redundancy hold a quarter of the rows per worker, three times the data in all. "uncoded" runs
with nobody stopped: what the others are held against. Samples are coded in the order of short paths
through their classes, by `mpicode data encode`, and in the file's own.

Usage: python benchmarks/coded_training.py [--model mlp|cnn] [--iterations 150] [--stopped 3]
       [--seeds 1] [--scheme NAME ...]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import tomli_w

from mpicode.datasets import DatasetWriter, Meta, Shape, open_dataset
from mpicode.results import read_run

ROOT = Path(__file__).parents[1]
DIGITS = ROOT / "data" / "digits.h5"
WORKERS, BLOCKS, STOPS_AT = 12, 4, 10
MODELS = {
    "mlp": {"name": "mlp", "hidden": [64]},
    "cnn": {"name": "torch", "module": "coded_training:convolutional"},
}
# scheme -> code, and the order in which samples are coded
SCHEMES = {
    "uncoded": ({"name": "uncoded"}, None),
    "berrut, path": ({"name": "berrut", "n_blocks": BLOCKS}, "path"),
    "letcc, path": ({"name": "letcc", "n_blocks": BLOCKS}, "path"),
    "berrut": ({"name": "berrut", "n_blocks": BLOCKS}, "none"),
    "letcc": ({"name": "letcc", "n_blocks": BLOCKS}, "none"),
    "replication": ({"name": "fractional-repetition", "n_stragglers": 2}, None),
    "dropping": ({"name": "ignore-stragglers"}, None),
}


def convolutional(n_outputs: int):
    """Return a small network for images of 8 x 8 pixels."""
    from torch import nn

    return nn.Sequential(
        nn.Unflatten(1, (1, 8, 8)),
        nn.Conv2d(1, 8, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(256, n_outputs),
    )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", choices=MODELS, default="mlp")
    parser.add_argument("--iterations", type=int, default=150)
    parser.add_argument("--stopped", type=int, default=3, help="workers")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--scheme", nargs="+", choices=SCHEMES, default=list(SCHEMES))
    return parser.parse_args()


def split(folder: Path) -> None:
    """Write a fifth of the digits to test.h5, the others to train.h5."""
    with open_dataset(DIGITS) as data:
        X, y = data.read(0, data.n_samples)
    held = np.random.default_rng(0).permutation(len(y)) < len(y) // 5
    for name, rows in (("train", ~held), ("test", held)):
        shape = Shape(int(rows.sum()), X.shape[1], X.dtype.name, False)
        meta = Meta("multiclass", 10, "digits", "CC BY 4.0")
        with DatasetWriter(folder / f"{name}.h5", shape, meta) as writer:
            writer.append(X[rows], y[rows])


def mpicode(folder: Path, *words: str) -> None:
    """Run the command line; give up with what it says where it fails."""
    env = dict(os.environ)
    env["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(Path(__file__).parent)])
    done = subprocess.run(
        [sys.executable, "-m", "mpicode", *words],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    if done.returncode:
        sys.exit(f"mpicode {' '.join(words)}: {done.returncode}\n{done.stderr}")


def trained(options: argparse.Namespace, folder: Path, scheme: str, seed: int):
    """Return the run data of one training."""
    code, order = SCHEMES[scheme]
    code = dict(code)
    stopped = np.random.default_rng([seed, 1]).permutation(WORKERS)[: options.stopped]
    faults = [
        {"kind": "stop", "worker": int(w), "iteration": STOPS_AT, "seconds": 86400.0}
        for w in stopped
    ]
    if code["name"] in ("berrut", "letcc", "ignore-stragglers"):
        code["n_stragglers"] = options.stopped
    config = {
        "data": {"path": "train.h5", "test": "test.h5"},
        "problem": {**MODELS[options.model], "l2": 1e-4},
        "code": code,
        "optimizer": {"name": "adam", "step_size": 0.01},
        "run": {
            "n_workers": WORKERS,
            "iterations": options.iterations,
            "evaluate_every": options.iterations,
            "seed": seed,
            "dtype": "float32",
        },
        "faults": {"silent_seconds": 120.0, "inject": [] if scheme == "uncoded" else faults},
        "decoding": {"max_error": 1.0},
        "output": {"path": "run.h5"},
        "checkpoint": {"keep": 0},
    }
    if order is not None:
        parameters = [f"{key}={value}" for key, value in code.items() if key != "name"]
        mpicode(
            folder, "data", "encode", "train.h5", "-o", "coded", "--code", code["name"],
            "--workers", str(WORKERS), "--order", order, "--force", "--seed", str(seed),
            *(word for parameter in parameters for word in ("--set", parameter)),
        )  # fmt: skip
        config["data"]["coded"] = "coded"
    (folder / "run.toml").write_text(tomli_w.dumps(config))
    mpicode(folder, "run", "run.toml")
    return read_run(folder / "run.h5")


def main() -> None:
    options = arguments()
    print(
        f"{options.model} on {DIGITS.name}, {WORKERS} workers, {options.stopped} stopped from "
        f"iteration {STOPS_AT}, {options.iterations} iterations, {options.seeds} seed(s)"
    )
    print(f"{'scheme':<14} {'accuracy':>9} {'to uncoded':>11} {'loss':>8} {'ms/iteration':>22}")
    accuracies: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        split(folder)
        for scheme in options.scheme:
            losses, times = [], []
            for seed in range(options.seeds):
                run = trained(options, folder, scheme, seed)
                columns = run.iterations
                known = ~np.isnan(columns["loss"])
                accuracies.setdefault(scheme, []).append(columns["test_accuracy"][-1])
                losses.append(columns["loss"][known][-1])
                times += (1e3 * columns["seconds"][STOPS_AT + 1 :]).tolist()
            quartiles = np.percentile(times, [25, 50, 75])
            accuracy = np.mean(accuracies[scheme])
            apart = ""
            if "uncoded" in accuracies:
                apart = f"{100 * (accuracy - np.mean(accuracies['uncoded'])):+.2f}"
            spread = f"{quartiles[1]:.1f} [{quartiles[0]:.1f}, {quartiles[2]:.1f}]"
            line = f"{scheme:<14} {100 * accuracy:>8.2f}% {apart:>11} {np.mean(losses):>8.4f}"
            print(f"{line} {spread:>22}", flush=True)


if __name__ == "__main__":
    main()
