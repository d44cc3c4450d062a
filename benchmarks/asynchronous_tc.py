"""Time to a target loss over TCP where the workers' uplinks are slow: short messages and long.

    python benchmarks/asynchronous_tc.py [--megabits 2] [--target 1] [--seeds 3] [--seed 0]

Real MPI between 9 network namespaces (needs root and iproute2), whose workers tc lets send so many
megabits per second; the downlink has no limit. The network 784-32-10 on Fashion-MNIST, batches of
64 rows, every worker with all the data (the same load): asynchronous full gradients, single blocks
and `lwpd`, 16 segments, all by ``direct``, each at the quickest of --steps on a seed of its own.
Seconds until the mean loss of 16 messages is at the target, for each seed (inf: not within
--limit); how many times as long full gradients take, seed by seed; and megabytes of the uplink
until then, by the median.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from ranks import is_rank

DATA = Path(__file__).parents[1] / "data" / "fashion-mnist-10k.h5"
WORKERS, K, TUNED_ON = 8, 16, 1000
CODES = {
    "full gradients": {"name": "lwpd", "n_segments": 1, "n_messages": WORKERS, "weight": 1},
    "single blocks": {"name": "lwpd", "n_segments": K, "variant": "identity"},
    "lwpd": {"name": "lwpd", "n_segments": K},
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabits", type=float, default=2.0, help="per second, each worker")
    parser.add_argument("--target", type=float, default=1.0, help="training loss")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0, help="the first")
    parser.add_argument("--steps", type=float, nargs="+", default=[0.02, 0.05, 0.1, 0.2, 0.5])
    parser.add_argument("--limit", type=float, default=30.0, help="seconds of one run")
    return parser.parse_args()


def tables(name: str, step_size: float, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    return {
        "data": {"path": str(DATA)},
        "problem": {"name": "mlp", "hidden": [32]},
        "optimizer": {"name": "gradient-descent", "step_size": step_size},
        "code": CODES[name],
        "run": {
            "n_workers": WORKERS, "iterations": 10**6, "record_every": 16, "batch_size": 64,
            "target_loss": options.target, "max_seconds": options.limit, "seed": seed,
            "dtype": "float32",
        },
        "asynchronous": {"mode": "direct"},
    }  # fmt: skip


def rank(options: argparse.Namespace) -> None:
    """Train as one rank of a job; rank 0 prints. All ranks hear which step was the quickest."""
    import mpicode
    from mpicode.pool import mpi

    comm = mpi.world()

    def measure(name: str, step_size: float, seed: int) -> float:
        result = mpicode.run(tables(name, step_size, seed, options), comm=comm)
        seconds = np.zeros(1)
        if result is not None:
            reached = result.outcome.startswith("target")
            seconds[0] = result.history["started"][-1] if reached else np.inf
            megabytes = result.history["bytes_received"].sum() / 1e6
            print(json.dumps([name, step_size, seed, seconds[0], megabytes]), flush=True)
        comm.Bcast(seconds, 0)
        return float(seconds[0])

    for name in CODES:
        tried = {step: measure(name, step, TUNED_ON) for step in options.steps}
        quickest = min(tried, key=tried.__getitem__)
        for seed in range(options.seed, options.seed + options.seeds):
            measure(name, quickest, seed)


def main() -> int:
    options = arguments()
    if is_rank(lambda: rank(options)):
        return 0
    from namespaces import Hosts, Unavailable

    from mpicode import launch

    mpirun = launch.find_mpirun()
    try:
        with Hosts(WORKERS + 1) as hosts:
            for host in range(2, WORKERS + 2):
                hosts.limit(host, f"{options.megabits:g}mbit")
            command = hosts.mpirun(mpirun.path)
            command += ["--mca", "pml", "ob1", "--mca", "btl", "self,tcp"]
            command += [sys.executable, str(Path(__file__).resolve()), *sys.argv[1:]]
            env = launch.environment_of_job(mpirun, os.environ)
            done = subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True, check=True)
    except Unavailable as error:
        print(f"TCP between namespaces: not here: {error}")
        return 0
    runs = [json.loads(line) for line in done.stdout.splitlines()]
    print(f"uplinks of {options.megabits:g} Mbit/s, {WORKERS} workers, loss {options.target:g}")
    print(f"{'':15} {'step':>5} {'seconds':>24} {'full gradients / it':>24} {'MB':>6}")
    full = None
    for name in CODES:
        found = [run[1:] for run in runs if run[0] == name and run[2] != TUNED_ON]
        step_size, seconds = found[0][0], np.array([run[2] for run in found])
        full = seconds if full is None else full
        with np.errstate(invalid="ignore"):
            ratios = full / seconds
        print(
            f"{name:15} {step_size:>5g} {' '.join(f'{s:.2f}' for s in seconds):>24} "
            f"{' '.join(f'{r:.2f}' for r in ratios):>24} "
            f"{np.median([run[3] for run in found]):>6.2f}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
