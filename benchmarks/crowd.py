"""Whether many more ranks than cores run correctly, and leave the cores alone while they wait.

One mpirun, a master and 32 workers, trains on the digits twice: once without delays, compared with
gradient descent in one process; and once while worker 5 sleeps for two seconds in each iteration,
so that everybody else has nothing to do. Printed are the CPU seconds of the ranks in each run, and
the share of a core that they make of its wall time.

Usage: python benchmarks/crowd.py [--workers 32] [--iterations 5] [--seconds 2]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import runpy
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from ranks import run_rank

SLEEPER = 5
DIGITS = runpy.run_path(str(Path(__file__).parents[1] / "tests" / "mpi" / "digits.py"))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=32)
    parser.add_argument("--iterations", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="sleep of one worker")
    parser.add_argument("configs", nargs="*", help=argparse.SUPPRESS)
    return parser.parse_args()


def cpu_seconds():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def rank(configs) -> None:
    """Run each configuration as one rank; rank 0 prints what all of them used."""
    import mpicode
    from mpicode.pool import mpi

    comm = mpi.world()
    for config in configs:
        comm.Barrier()
        used, began = cpu_seconds(), time.perf_counter()
        result = mpicode.run(config, comm)
        mine = np.array([cpu_seconds() - used, time.perf_counter() - began])
        everyone = np.zeros((comm.size, 2))
        comm.Gather(mine, everyone)
        if result is not None:
            seconds = result.history["seconds"]
            print(json.dumps({"ranks": everyone.tolist(), "seconds": seconds.tolist()}), flush=True)


def report(name, told, workers) -> None:
    cpu, wall = np.array(told["ranks"]).T
    share = cpu / wall
    idle = np.delete(share[1:], SLEEPER)
    middle = 1e3 * np.median(told["seconds"])
    print(f"\n{name}: {wall[0]:.2f} s, {middle:.2f} ms per iteration (median)")
    print(f"  CPU seconds per rank: {np.median(cpu):.3f} (median), {cpu.max():.3f} (most)")
    print(f"  share of a core: master {share[0]:.1%}, worker {SLEEPER} {share[1 + SLEEPER]:.1%}")
    print(f"  the other {workers - 1}: {np.median(idle):.1%} (median), {idle.max():.1%} (most)")
    print(f"  all ranks together: {cpu.sum() / wall[0]:.2f} of {os.cpu_count()} cores")


def main() -> int:
    options = arguments()
    if options.configs:
        run_rank(lambda: rank(options.configs))
        return 0
    from mpicode import launch
    from mpicode.results import read_run

    mpirun = launch.find_mpirun()
    line = launch.command_line(
        mpirun, options.workers + 1, (), python=sys.executable, slots=0, allocated=False
    )
    with tempfile.TemporaryDirectory() as folder:
        common = {
            "code": {"name": "uncoded"},
            "run": {"n_workers": options.workers, "iterations": options.iterations},
        }
        sleeping = {"name": "fixed", "slow_workers": [SLEEPER], "seconds": options.seconds}
        more = {"n_workers": options.workers, "iterations": 40 * options.iterations}
        busy = DIGITS["write_config"](Path(folder), "busy", **{**common, "run": more})
        idle = DIGITS["write_config"](Path(folder), "idle", **common, delays=sleeping)
        done = subprocess.run(
            [*line[: line.index(sys.executable)], sys.executable, __file__, str(busy), str(idle)],
            env=launch.environment_of_job(mpirun, os.environ),
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        told = [json.loads(text) for text in done.stdout.splitlines()]
        runs = [read_run(path.with_suffix(".h5")) for path in (busy, idle)]
    print(f"{options.workers + 1} ranks on {os.cpu_count()} cores")
    for run in runs:
        reference = DIGITS["descend"](run.n_iterations)
        off = DIGITS["distance"](run.parameters, reference)
        print(f"{run.n_iterations} iterations: {off:.1e} away from one process, relatively")
        if not off < 1e-10:
            return 1
    for name, entry in zip(("without delays", f"worker {SLEEPER} sleeps"), told, strict=True):
        report(name, entry, options.workers)
    return 0


if __name__ == "__main__":
    sys.exit(main())
