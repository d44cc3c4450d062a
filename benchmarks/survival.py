"""What it costs to be able to survive a death, while nobody dies.

Pairs of launches, with ``mpirun --with-ft ulfm`` and without, in turn and in either order; a third
launch of each turn, without again, shows how far apart two equal ones come out. Each runs coded
gradients (``uncoded``, 8 workers, nothing to compute) for a while and gives the median time of an
iteration; each turn gives a ratio. The 95 % interval of the median ratio is that of its order
statistics.

Usage: python benchmarks/survival.py [--sizes 10000 1000000] [--pairs 20] [--workers 8]
       [--seconds 0.7]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from math import comb

import numpy as np

LAUNCHES = ("without", "with", "again")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 1_000_000])
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=0.7, help="length of one launch's loop")
    parser.add_argument("--measure", type=int, help=argparse.SUPPRESS)  # one launch, this size
    return parser.parse_args()


def measure(options: argparse.Namespace) -> None:
    """Print the median seconds of an iteration; every rank runs this."""
    from mpi4py import MPI

    import mpicode

    comm, length = MPI.COMM_WORLD, options.measure
    code = mpicode.codes.make("uncoded", n_workers=comm.size - 1)
    answer, x = np.ones(length), np.zeros(length)
    with mpicode.CodedWorkers(comm, code, lambda x, block: answer, length) as workers:
        if comm.rank:
            return
        for _ in range(10):
            workers.gradient(x)
        took = []
        end = time.perf_counter() + options.seconds
        while (began := time.perf_counter()) < end:
            workers.gradient(x)
            took.append(time.perf_counter() - began)
        print(np.median(took))


def launch(options: argparse.Namespace, size: int, survive: bool) -> float:
    from mpicode import launch as launching

    mpirun = launching.find_mpirun()
    command = [mpirun.path, "-n", str(options.workers + 1), "--map-by", ":OVERSUBSCRIBE"]
    command += ["--bind-to", "none", *(["--with-ft", "ulfm"] if survive else [])]
    command += [sys.executable, __file__, "--measure", str(size)]
    command += ["--seconds", str(options.seconds)]
    environment = launching.environment_of_job(mpirun, os.environ)
    ended = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=120, check=True
    )
    return float(ended.stdout)


def interval(ratios: np.ndarray) -> tuple[float, float]:
    """Return the order statistics between which the median lies with 95 %."""
    n, ordered = len(ratios), np.sort(ratios)
    below = 0
    while below + 1 < n / 2 and 2 * sum(comb(n, k) for k in range(below + 2)) <= 0.05 * 2**n:
        below += 1
    return float(ordered[below]), float(ordered[-1 - below])


def main() -> int:
    options = arguments()
    if options.measure is not None:
        measure(options)
        return 0
    for size in options.sizes:
        seconds: dict[str, list[float]] = {name: [] for name in LAUNCHES}
        for turn in range(options.pairs):
            for place in range(len(LAUNCHES)):
                name = LAUNCHES[(place + turn) % len(LAUNCHES)]
                seconds[name].append(launch(options, size, name == "with"))
        print(f"\n{size} parameters, {options.workers} workers, {options.pairs} turns")
        for name, values in seconds.items():
            print(f"  {name:8s} {1e6 * np.median(values):9.1f} us per iteration")
        base = np.array(seconds["without"])
        for name in ("with", "again"):
            ratios = np.array(seconds[name]) / base
            low, high = interval(ratios)
            print(f"  {name} / without: {np.median(ratios):.3f}, 95 % [{low:.3f}, {high:.3f}]")
    return 0


if __name__ == "__main__":
    sys.exit(main())
