"""What is lost with fewer codewords than segments: training, held-out rows, and bad minima.

At equal uplink bytes, under the virtual clock, 2 workers, plain gradient descent. "exact" takes all
k segments for a step; "round, m of 2k" steps along the least-norm estimate from the m packed
codewords that come first; "direct" steps along each codeword, packed or of a single segment.

digits : the network 64-64-10, k = 8, half of the digits held out, whole batches (so that what is
         lost is the codewords' alone). Loss of the training rows and of those held out when a
         tenth, half and all of the bytes are used, each scheme at the step size of the grid whose
         training loss is the least there; differences to exact, seed by seed, with 95 % intervals
         (t). Positive: worse than exact.
minima : 128 double wells, sum_u (x_u^2 - 1)^2 / 4 + 0.3 x_u, k = 8, and rows that tilt them all, by
         nothing on average. Each has its minimum at -1.125 and a bad one at 0.786, both exactly
         known. Share of the wells that end in the bad one, from random starts and from the bad one
         itself, with whole batches and with batches of 32 rows; mean over the seeds with 95 %
         interval (t).

Usage: python benchmarks/lossy.py [digits] [minima] [--seeds 5] [--seed 0]
       [--processes 2] [--steps 0.5 1 2]
"""

from __future__ import annotations

import argparse
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

import mpicode
from mpicode.datasets import DatasetWriter, Meta, Shape
from mpicode.pool.wire import message_bytes
from mpicode.problems import Problem
from mpicode.problems.base import segment_length

DIGITS = Path(__file__).parents[1] / "data" / "digits.h5"
SHARES = (0.1, 0.5, 1.0)  # of the bytes
SAMPLES, BATCH, WELLS = 1000, 32, 128
TILT, NOISE = 0.3, 1.5
STEPS_OF_WELLS = (0.1, 0.3)


class Wells(Problem):
    """Loss of row i: ``sum_u (x_u^2 - 1)^2 / 4 + (TILT + NOISE X_iu) x_u``, one x_u per feature.

    start : where all begin; absent: evenly from -1.5 to 1.5
    """

    name = "wells"
    tasks = ("regression",)

    def __init__(
        self,
        *,
        start: float | None = None,
        n_features: int,
        task: str,
        dtype: npt.DTypeLike = np.float64,
    ) -> None:
        super().__init__(n_features=n_features, task=task, dtype=dtype)
        self.n_parameters = n_features
        self._start = start

    def initial(self, seed):
        drawn = np.random.default_rng([seed, 3]).uniform(-1.5, 1.5, self.n_parameters)
        return drawn if self._start is None else np.full_like(drawn, self._start)

    def gradient(self, x, rows, weights, out):
        self.check_gradient(x, rows, weights, out)
        out += weights.sum() * (x**3 - x + TILT) + NOISE * (weights @ rows.X)
        return self.loss(x, rows, weights)

    def loss(self, x, rows, weights):
        whole = float((0.25 * (x * x - 1.0) ** 2 + TILT * x).sum())
        return float(weights.sum()) * whole + NOISE * float(weights @ (rows.X @ x))

    def evaluate(self, x, rows):
        return self.loss(x, rows, np.ones(len(rows.y))), np.nan


def schemes(k: int) -> dict[str, tuple[dict[str, Any], dict[str, Any], int]]:
    """Return by name: code, the tables that are its own, and messages in a row of /iterations."""
    packed = {"name": "lwpd", "n_segments": k}
    single = {**packed, "variant": "identity"}
    found = {"exact": (single, {"asynchronous": {"mode": "round"}}, k)}
    for m in (k // 2, k // 4):
        found[f"round, {m} of {2 * k}"] = (
            packed, {"asynchronous": {"mode": "round"}, "decoding": {"n_answers": m}}, m
        )  # fmt: skip
    for name, code in (("packed", packed), ("single", single)):
        found[f"direct, {name}"] = (code, {"asynchronous": {"mode": "direct"}}, k)
    return found


def configuration(scheme, k, n_messages, step_size, seed, **more) -> dict[str, Any]:
    """Return the tables of a run of so many messages, and one row more to see where they led."""
    code, own, per_row = schemes(k)[scheme]
    run = {
        "n_workers": 2,
        "iterations": n_messages // per_row + 1,
        "evaluate_every": max(1, n_messages // (40 * per_row)),
        "record_every": per_row if "direct" in scheme else None,
        "seed": seed,
        **more.pop("run", {}),
    }
    return {
        "code": code,
        "optimizer": {"name": "gradient-descent", "step_size": step_size},
        "run": {key: value for key, value in run.items() if value is not None},
        **own,
        **more,
    }


def learned(job) -> npt.NDArray[np.float64]:
    """Return loss, held-out loss and megabytes at each share of the bytes, (3, n_shares).

    A share is that of the bytes of as many exact rounds; infinite if the run diverged.
    """
    scheme, step_size, seed, rounds = job
    tables = configuration(
        scheme, 8, round(1.05 * 8 * rounds), step_size, seed,
        data={"path": str(DIGITS), "test_fraction": 0.5},
        problem={"name": "mlp", "hidden": [64]},
    )  # fmt: skip
    result = mpicode.run(tables)
    if result.error is not None:
        return np.full((3, len(SHARES)), np.inf)
    history = result.history
    length = segment_length(result.parameters.size, 8)
    whole = rounds * 8 * message_bytes(length + 1, np.dtype(np.float64))
    n_bytes = np.cumsum(history["bytes_received"]) - history["bytes_received"]
    seen = np.flatnonzero(np.isfinite(history["test_loss"]))
    rows = [seen[np.abs(n_bytes[seen] - share * whole).argmin()] for share in SHARES]
    return np.array([history["loss"][rows], history["test_loss"][rows], n_bytes[rows] / 1e6])


def interval(values) -> str:
    """Return the mean and half of its 95 % interval."""
    half = stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values))
    return f"{np.mean(values):+.4f} +- {half:.4f}"


def digits(options, executor) -> None:
    """Print losses, and differences to exact, at each share of the bytes."""
    seeds = range(options.seed, options.seed + options.seeds)
    jobs = {
        (scheme, step_size): [(scheme, step_size, seed, options.rounds) for seed in seeds]
        for scheme in schemes(8)
        for step_size in options.steps
    }
    waiting = {key: executor.map(learned, each) for key, each in jobs.items()}
    found = {key: np.array(list(each)) for key, each in waiting.items()}
    print(
        f"\nMLP 64-64-10, bytes of {options.rounds} exact rounds, seeds {seeds[0]} to {seeds[-1]}, "
        f"steps {options.steps}\n\n| scheme | uplink, MB | step | loss | held-out loss "
        "| loss to exact | held-out to exact |\n" + "|---" * 7 + "|"
    )
    for place in range(len(SHARES)):
        exact = None
        for scheme in schemes(8):
            of_steps = {step: found[scheme, step][:, :, place] for step in options.steps}
            best = min(of_steps, key=lambda step: of_steps[step][:, 0].mean())
            losses, held_out, megabytes = of_steps[best].T
            exact = (losses, held_out) if exact is None else exact
            apart = (
                "|"
                if exact[0] is losses
                else (f"{interval(losses - exact[0])} | {interval(held_out - exact[1])}")
            )
            print(
                f"| {scheme} | {megabytes.mean():.2f} | {best:g} | {losses.mean():.4f} "
                f"| {held_out.mean():.4f} | {apart} |",
                flush=True,
            )


def turning_points() -> npt.NDArray[np.float64]:
    """Return minimum, top of the barrier and bad minimum of a well."""
    return np.sort(np.roots([1.0, 0.0, -1.0, TILT]).real)


def caught(job) -> float:
    """Return the share of the wells that end on the bad side of the barrier."""
    scheme, step_size, seed, batch, start, data, n_messages = job
    tables = configuration(
        scheme, 8, n_messages, step_size, seed,
        data={"path": data},
        problem={"name": "lossy:Wells", **({} if start is None else {"start": start})},
        run={"batch_size": batch},
    )  # fmt: skip
    result = mpicode.run(tables)
    if result.error is not None:
        return np.nan
    return float((result.parameters > turning_points()[1]).mean())


def minima(options, executor, folder: Path) -> None:
    """Print the share of the wells that end in the bad minimum."""
    data = folder / "tilts.h5"
    X = np.random.default_rng(0).standard_normal((SAMPLES, WELLS))
    shape, meta = Shape(SAMPLES, WELLS, "float64", False), Meta("regression", 0, "made", "CC0-1.0")
    with DatasetWriter(data, shape, meta) as writer:
        writer.append(X - X.mean(axis=0), np.zeros(SAMPLES))
    bad = float(turning_points()[2])
    seeds = range(options.seed, options.seed + options.seeds)
    print(
        f"\n{WELLS} double wells, {8 * options.rounds} codewords, seeds {seeds[0]} to {seeds[-1]}: "
        "share in the bad minimum at the end\n\n| scheme | step | random start, whole batches "
        "| random start, batches | bad start, whole batches | bad start, batches |\n" + "|---" * 6,
        end="|\n",
    )
    for scheme in schemes(8):
        for step_size in STEPS_OF_WELLS:
            shown = []
            for start in (None, bad):
                for batch in (None, BATCH):
                    jobs = [
                        (scheme, step_size, seed, batch, start, str(data), 8 * options.rounds)
                        for seed in seeds
                    ]
                    shown.append(interval(list(executor.map(caught, jobs))).removeprefix("+"))
            print(f"| {scheme} | {step_size:g} | {' | '.join(shown)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", default=["digits", "minima"])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0, help="the first")
    parser.add_argument("--rounds", type=int, default=200, help="of exact descent")
    parser.add_argument("--steps", type=float, nargs="+", default=[0.5, 1.0, 2.0])
    parser.add_argument("--processes", type=int, default=2, help="runs at a time")
    options = parser.parse_args()
    with (
        ProcessPoolExecutor(options.processes) as executor,
        tempfile.TemporaryDirectory() as folder,
    ):
        if "digits" in options.parts:
            digits(options, executor)
        if "minima" in options.parts:
            minima(options, executor, Path(folder))


if __name__ == "__main__":
    main()
