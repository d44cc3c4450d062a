"""Networks trained by light messages that nobody waits for, against synchronous descent.

Fashion-MNIST under mpirun, a master and 9 workers, plain gradient descent with a step that decays
to a hundredth. Every scheme passes equally many rows forward: a worker's answer is of 16 rows,
whether it is a whole gradient of a synchronous iteration (144 rows in all) or a light message of
1/k of the coordinates. Counted by coordinates, a light message is 16 / k rows; so both counts are
printed:

rows      : passed forward, over all answers used, in thousands; the same for all schemes
gradients : rows times the share of the coordinates that their answer is long, in thousands

and held-out accuracy and loss, each the mean over the seeds with its standard error, the accuracy
also relative to synchronous descent, seed by seed, in percentage points; the training loss of the
mini-batches of the last twentieth; median and largest age of the messages, the share that was
dropped as too old, and the uplink. "stopped": so many workers are stopped for good (SIGSTOP) when
a fiftieth of the messages are used; synchronous descent is run with nobody stopped, else it would
end there. Step sizes are the best by training loss of those that --tune goes through.

Usage: python benchmarks/asynchronous_networks.py [--model mlp cnn] [--passes 60] [--stopped 0 3]
       [--seeds 3] [--scheme NAME ...] [--tune] [--train FILE --test FILE]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w
from coded_training import mpicode

from mpicode.datasets import open_dataset
from mpicode.outcomes import Outcome
from mpicode.results import read_run

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "data" / "fashion-mnist-10k.h5"
WORKERS, ROWS, K = 9, 16, 8
MODELS: dict[str, dict[str, Any]] = {
    "mlp": {"name": "mlp", "hidden": [128]},
    "cnn": {"name": "torch", "module": "asynchronous_networks:convolutional"},
}
LWPD = {"name": "lwpd", "n_segments": K}
# scheme -> code, [asynchronous], and the step size for each model: the best of STEPS
SCHEMES: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, float]]] = {
    "synchronous": ({"name": "uncoded"}, {}, {"mlp": 0.5, "cnn": 0.2}),
    "lwpd, direct": (LWPD, {"mode": "direct"}, {"mlp": 0.3, "cnn": 0.2}),
    "lwpd, direct, 2 a request": (
        LWPD,
        {"mode": "direct", "n_codewords": 2},
        {"mlp": 0.2, "cnn": 0.1},
    ),
    "lwpd, direct, 4 a request": (
        LWPD,
        {"mode": "direct", "n_codewords": 4},
        {"mlp": 0.1, "cnn": 0.1},
    ),
    "lwpd, direct, 8 a request": (
        LWPD,
        {"mode": "direct", "n_codewords": 8},
        {"mlp": 0.05, "cnn": 0.05},
    ),
    "lwpd, memory, own rows": (
        LWPD,
        {"mode": "memory", "rows": "fixed"},
        {"mlp": 0.02, "cnn": 0.02},
    ),
    "single blocks, direct": (
        {**LWPD, "variant": "identity"},
        {"mode": "direct"},
        {"mlp": 0.2, "cnn": 0.2},
    ),
    "full gradients": (
        {"name": "lwpd", "n_segments": 1, "n_messages": WORKERS, "weight": 1},
        {"mode": "direct"},
        {"mlp": 0.02, "cnn": 0.02},
    ),
}
STEPS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


def convolutional(n_outputs: int):
    """Return a small network for images of 28 x 28 pixels."""
    from torch import nn

    return nn.Sequential(
        nn.Unflatten(1, (1, 28, 28)),
        *(nn.Conv2d(1, 8, 5, stride=2), nn.ReLU()),
        *(nn.Conv2d(8, 16, 3, stride=2), nn.ReLU()),
        nn.Flatten(),
        nn.Linear(400, n_outputs),
    )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--passes", type=float, default=60.0, help="over the training rows")
    parser.add_argument("--stopped", type=int, nargs="+", default=[0, WORKERS // 3])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0, help="the first")
    parser.add_argument("--scheme", nargs="+", choices=SCHEMES, default=list(SCHEMES))
    parser.add_argument("--tune", nargs="*", type=float, help="step sizes to try, one seed")
    parser.add_argument("--train", type=Path, help="another dataset of images, with --test")
    parser.add_argument("--test", type=Path)
    return parser.parse_args()


def tables(options, model, scheme, stopped, seed, step_size) -> dict[str, Any]:
    """Return the configuration of one training."""
    code, table, _ = SCHEMES[scheme]
    data: dict[str, Any] = {"path": str(IMAGES), "test_fraction": 0.2}
    if options.train is not None:
        data = {"path": str(options.train.resolve()), "test": str(options.test.resolve())}
    with open_dataset(Path(data["path"])) as dataset:
        n_rows = dataset.n_samples * (1.0 - data.get("test_fraction", 0.0))
    iterations = round(options.passes * n_rows / (ROWS * WORKERS))
    messages = iterations * WORKERS * table.get("n_codewords", 1)
    per_row = max(1, messages // 20)  # a row may have a few more, of one sweep
    stops = np.random.default_rng([seed, 1]).permutation(WORKERS)[:stopped].tolist()
    at = messages // 50
    return {
        "data": data,
        "problem": MODELS[model],
        "code": code,
        "optimizer": {
            "name": "gradient-descent",
            "step_size": step_size,
            "schedule": "cosine",
            "decay": 0.01,
            "decay_iterations": messages if table else iterations,
        },
        "run": {
            "n_workers": WORKERS,
            "iterations": messages // per_row if table else iterations,
            **({"record_every": per_row} if table else {}),
            "batch_size": ROWS if table else ROWS * WORKERS,
            "evaluate_every": iterations,
            "seed": seed,
            "dtype": "float32",
        },
        "asynchronous": table,
        "faults": {
            "silent_seconds": 120.0,
            "inject": [
                {"kind": "stop", "worker": w, "iteration": at, "seconds": 86400.0} for w in stops
            ],
        },
        "output": {"path": "run.h5"},
        "checkpoint": {"keep": 0},
    }


def trained(options, folder, model, scheme, stopped, seed, step_size) -> dict[str, float]:
    """Train once; return what is printed of it."""
    made = tables(options, model, scheme, stopped, seed, step_size)
    (folder / "run.toml").write_text(tomli_w.dumps(made))
    mpicode(folder, "run", "run.toml")
    run = read_run(folder / "run.h5")
    columns, messages = run.iterations, run.messages
    losses = columns["loss"]
    n_segments = made["code"].get("n_segments", 1)
    dropped = messages["outcome"] == Outcome.STALE_DROPPED
    used = len(messages) - dropped.sum()
    asynchronous = made["asynchronous"]
    together = asynchronous.get("n_codewords", 1)  # messages of the same rows
    rows = ROWS * used / together if asynchronous else len(losses) * ROWS * WORKERS
    ages = messages["round"][~dropped] if asynchronous else np.zeros(1)
    return {
        "accuracy": 100 * columns["test_accuracy"][-1],
        "test_loss": columns["test_loss"][-1],
        "loss": losses[-max(1, len(losses) // 20) :].mean(),
        "rows": rows,
        "gradients": rows * together / n_segments,
        "age": np.median(ages),
        "oldest": ages.max(),
        "dropped": dropped.mean(),
        "megabytes": columns["bytes_received"].sum() / 1e6,
        "seconds": columns["seconds"].sum(),
    }


def spread(values, digits) -> str:
    """Return the mean and its standard error."""
    error = np.std(values, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    return f"{np.mean(values):.{digits}f} +- {error:.{digits}f}"


def tune(options, folder) -> None:
    """Print the training loss, and what is held out, at each step size."""
    for model in options.model:
        for scheme in options.scheme:
            for step_size in options.tune or STEPS:
                try:
                    made = trained(options, folder, model, scheme, 0, options.seed, step_size)
                except SystemExit as error:
                    print(f"{model} {scheme:24} {step_size:<6g} {str(error).splitlines()[1]}")
                    continue
                print(
                    f"{model} {scheme:24} {step_size:<6g} loss {made['loss']:.4f}, held out "
                    f"{made['test_loss']:.4f} {made['accuracy']:.2f} %, {made['seconds']:.1f} s",
                    flush=True,
                )


def compare(options, folder, model) -> None:
    """Print the table of one network."""
    data = IMAGES.name if options.train is None else options.train.name
    print(
        f"\n{model} on {data}, {WORKERS} workers, {options.passes:g} passes, k = {K}, "
        f"seeds {options.seed} to {options.seed + options.seeds - 1}\n\n"
        "| scheme | stopped | step | accuracy, % | to synchronous | held-out loss | loss | rows "
        "| gradients | age | dropped | uplink, MB | s |\n" + "|---" * 13 + "|"
    )
    yardstick: list[float] = []
    for scheme in options.scheme:
        for stopped in options.stopped if SCHEMES[scheme][1] else [0]:
            step_size = SCHEMES[scheme][2][model]
            made = [
                trained(options, folder, model, scheme, stopped, seed, step_size)
                for seed in range(options.seed, options.seed + options.seeds)
            ]
            every = {key: [each[key] for each in made] for key in made[0]}
            mean = {key: np.mean(values) for key, values in every.items()}
            if scheme == "synchronous":
                yardstick = every["accuracy"]
            apart = ""
            if yardstick:
                apart = spread(np.subtract(every["accuracy"], yardstick), 2)
            print(
                f"| {scheme} | {stopped} | {step_size:g} | {spread(every['accuracy'], 2)} "
                f"| {apart} | {spread(every['test_loss'], 4)} | {mean['loss']:.4f} "
                f"| {mean['rows'] / 1e3:.1f} | {mean['gradients'] / 1e3:.1f} "
                f"| {mean['age']:.0f}, {mean['oldest']:.0f} | {mean['dropped']:.2%} "
                f"| {mean['megabytes']:.1f} | {mean['seconds']:.1f} |",
                flush=True,
            )


def main() -> None:
    options = arguments()
    with tempfile.TemporaryDirectory() as name:
        if options.tune is not None:
            tune(options, Path(name))
            return
        for model in options.model:
            compare(options, Path(name), model)


if __name__ == "__main__":
    main()
