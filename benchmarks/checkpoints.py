"""What a checkpoint every second costs the loop.

One mpirun, a master and its workers, least squares on sparse rows with a million parameters. Runs
of equal length take turns, many times over: without checkpoints, with one every second, and without
once more, which tells how far apart two equal runs come out. Compared is the time per iteration of
the whole run. On a machine that has other things to do that says little, so what a checkpoint takes
is measured as well: how long the loop stands still, and the processor time of the loop and of the
thread that brings it to the disk.

Usage: python benchmarks/checkpoints.py [--pairs 20] [--seconds 5] [--parameters 1000000]
                                        [--workers 4] [--optimizer heavy-ball] [--every 1.0]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from racing import spread
from ranks import is_rank

RUNS = ("none", "checkpoints", "again")
ROWS = 4000
ENTRIES = 20  # per row


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=20, help="turns of each kind of run")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of one run")
    parser.add_argument("--parameters", type=int, default=1_000_000)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--optimizer", default="heavy-ball")
    parser.add_argument("--every", type=float, default=1.0, help="seconds between checkpoints")
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    return parser.parse_args()


def configuration(options, kind: str) -> dict:
    folder = Path(options.folder)
    config = {
        "data": {"path": str(folder / "data.h5")},
        "problem": {"name": "least-squares", "intercept": False},
        "code": {"name": "fractional-repetition", "n_stragglers": 1},
        "optimizer": {"name": options.optimizer, "step_size": 1e-3},
        "run": {
            "n_workers": options.workers,
            "iterations": 10**6,
            "max_seconds": options.seconds,
        },
    }
    if kind == "checkpoints":
        config["checkpoint"] = {"path": str(folder / "states"), "seconds": options.every}
    return config


class Timed:
    """Notes what each checkpoint of the runs to come takes, in seconds."""

    def __init__(self) -> None:
        from mpicode.train.checkpoints import Checkpoints

        self.taken: dict[str, list[float]] = {"held_up": [], "loop": [], "thread": []}
        write, to_disk = Checkpoints._write, Checkpoints._to_disk

        def timed_write(*arguments):
            began, used = time.perf_counter(), time.thread_time()
            write(*arguments)
            self.taken["held_up"].append(time.perf_counter() - began)
            self.taken["loop"].append(time.thread_time() - used)

        def timed_to_disk(*arguments):
            used = time.thread_time()
            to_disk(*arguments)
            self.taken["thread"].append(time.thread_time() - used)

        Checkpoints._write, Checkpoints._to_disk = timed_write, timed_to_disk


def rank(options) -> None:
    """Take part in all runs; rank 0 prints one line of JSON about each."""
    import mpicode
    from mpicode.pool import mpi

    comm = mpi.world()
    timed = Timed()
    for pair in range(-1, options.pairs):  # the first warms up
        turns = RUNS[pair % 3 :] + RUNS[: pair % 3]
        for kind in turns:
            for taken in timed.taken.values():
                taken.clear()
            result = mpicode.run(configuration(options, kind), comm)
            if result is not None and pair >= 0:
                started = result.history["started"]
                told = {
                    "pair": pair,
                    "kind": kind,
                    "seconds": float((started[-1] - started[0]) / (len(started) - 1)),
                    "median": float(np.median(np.diff(started))),
                    "whole": float(started[-1]),
                    # the last comes after the loop
                    **{name: taken[:-1] for name, taken in timed.taken.items()},
                }
                print(json.dumps(told), flush=True)


def measure(options):
    """Start the job on fresh data; return what its rank 0 said."""
    from scipy.sparse import csr_array

    from mpicode import launch
    from mpicode.datasets import DatasetWriter, Meta, Shape

    mpirun = launch.find_mpirun()
    line = launch.command_line(
        mpirun, options.workers + 1, (), python=sys.executable, slots=0, allocated=False
    )
    with tempfile.TemporaryDirectory(dir=".") as folder:
        rng = np.random.default_rng(0)
        columns = np.sort(rng.integers(0, options.parameters, (ROWS, ENTRIES)), axis=1)
        indptr = np.arange(0, ROWS * ENTRIES + 1, ENTRIES)
        values = rng.standard_normal(ROWS * ENTRIES)
        X = csr_array((values, columns.ravel(), indptr), shape=(ROWS, options.parameters))
        X.sum_duplicates()
        shape = Shape(ROWS, options.parameters, "float64", True)
        with DatasetWriter(Path(folder) / "data.h5", shape, Meta("regression", 0)) as writer:
            writer.append(X, rng.standard_normal(ROWS))
        done = subprocess.run(
            [*line[: line.index(sys.executable)], sys.executable, *sys.argv, "--folder", folder],
            env=launch.environment_of_job(mpirun, os.environ),
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    return [json.loads(text) for text in done.stdout.splitlines()]


def interval(ratios) -> str:
    """Return the 95 % interval of the median, by resampling."""
    rng = np.random.default_rng(0)
    medians = np.median(rng.choice(ratios, (10_000, len(ratios))), axis=1)
    return "{:.3f} to {:.3f}".format(*np.percentile(medians, [2.5, 97.5]))


def report(told, options) -> None:
    seconds = {
        kind: np.array([entry["seconds"] for entry in told if entry["kind"] == kind])
        for kind in RUNS
    }
    with_some = [entry for entry in told if entry["kind"] == RUNS[1]]
    held_up, loop, thread = (
        np.concatenate([entry[name] for entry in with_some])
        for name in ("held_up", "loop", "thread")
    )
    whole = sum(entry["whole"] for entry in with_some)
    print(f"time per iteration without: {spread(1e3 * seconds['none'])} ms")
    for kind, name in (("again", "without / without   "), ("checkpoints", "checkpoints / without")):
        ratios = seconds[kind] / seconds["none"]
        print(f"{name} {spread(ratios, 3)}, median within {interval(ratios)} (95 %)")
    both = (seconds["none"] + seconds["again"]) / 2
    print(f"against the mean of both {spread(seconds['checkpoints'] / both, 3)}")
    print(
        f"{len(held_up)} checkpoints in {whole:.0f} s; each holds up the loop by "
        f"{spread(1e3 * held_up)} ms, {100 * held_up.sum() / whole:.2f} % of the time"
    )
    print(
        f"processor time per checkpoint: loop {spread(1e3 * loop)} ms, "
        f"thread {spread(1e3 * thread)} ms"
    )


def main() -> int:
    options = arguments()
    if is_rank(lambda: rank(options)):
        return 0
    began = time.perf_counter()
    told = measure(options)
    print(
        f"{options.parameters} parameters, {options.optimizer}, {options.workers} workers on "
        f"{os.cpu_count()} cores; {options.pairs} turns of {options.seconds:g} s, a checkpoint "
        f"every {options.every:g} s; medians with quartiles\n"
    )
    report(told, options)
    print(f"\ntook {time.perf_counter() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
