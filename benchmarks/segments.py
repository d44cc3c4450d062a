"""What segments save where the network is the bottleneck: m = 1, 2, 4 in one run.

    python benchmarks/segments.py [--features 500000] [--megabytes 25] [--iterations 8]

Four workers train a logistic regression with long gradients and few rows; every worker sends
D / m numbers (`ye-abbe`, no straggler tolerated, so that all answers count) and holds m blocks.

virtual    the virtual clock; each link carries so many megabytes per second in either direction
tcp        real MPI over TCP between network namespaces, the workers' uplinks limited by tc to the
           same rate (needs root and iproute2)

Printed per m: bytes received per iteration, without the headers too, seconds per iteration, and the
seconds that are left when those of the request, which is always D numbers long, are taken off
(under the virtual clock exactly, over TCP the downlink is not limited). The two last columns count
relative to m = 1.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from ranks import run_rank
from scipy import sparse

WORKERS = 4
SEGMENTS = (1, 2, 4)
ROWS = 400
PER_ROW = 20


def make_data(path: Path, n_features: int) -> None:
    from mpicode.datasets import DatasetWriter, Meta, Shape

    rng = np.random.default_rng(0)
    columns = np.sort(rng.integers(0, n_features, (ROWS, PER_ROW)), axis=1)
    indptr = np.arange(0, columns.size + 1, PER_ROW)
    X = sparse.csr_array((np.ones(columns.size), columns.ravel(), indptr), (ROWS, n_features))
    meta = Meta("binary", 2, "made by benchmarks/segments.py", "CC0-1.0")
    with DatasetWriter(path, Shape(*X.shape, "float64", True), meta) as writer:
        writer.append(X, rng.integers(0, 2, ROWS))


def tables(path: Path, m: int, options: argparse.Namespace) -> dict[str, Any]:
    return {
        "data": {"path": str(path)},
        "problem": {"name": "logistic"},
        "code": {"name": "ye-abbe", "n_segments": m, "n_stragglers": 0},
        "optimizer": {"name": "gradient-descent", "step_size": 0.1},
        "run": {"n_workers": WORKERS, "iterations": options.iterations},
        "virtual": {"bytes_per_second": 1e6 * options.megabytes},
    }


def summary(result: Any) -> dict[str, float]:
    return {
        "bytes": float(np.mean(result.history["bytes_received"])),
        "seconds": float(np.median(result.history["seconds"])),
        "loss": result.loss,
    }


def by_virtual_clock(path: Path, options: argparse.Namespace) -> list[dict[str, float]]:
    import mpicode

    return [summary(mpicode.run(tables(path, m, options))) for m in SEGMENTS]


def by_tcp(path: Path, options: argparse.Namespace) -> list[dict[str, float]]:
    """Start one job on hosts of their own; it runs every m in turn."""
    from namespaces import Hosts

    from mpicode import launch

    mpirun = launch.find_mpirun()
    with Hosts(WORKERS + 1) as hosts:
        for host in range(2, WORKERS + 2):
            hosts.limit(host, f"{8 * options.megabytes:g}mbit")
        command = hosts.mpirun(mpirun.path)
        command += ["--mca", "pml", "ob1", "--mca", "btl", "self,tcp"]
        command += [sys.executable, str(Path(__file__).resolve()), "--data", str(path)]
        command += ["--megabytes", str(options.megabytes)]
        command += ["--iterations", str(options.iterations)]
        env = launch.environment_of_job(mpirun, os.environ)
        done = subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def rank(options: argparse.Namespace) -> None:
    """Train as one rank of a job; rank 0 prints."""
    import mpicode
    from mpicode.pool import mpi

    for m in SEGMENTS:
        result = mpicode.run(tables(Path(options.data), m, options), comm=mpi.world())
        if result is not None:
            print(json.dumps(summary(result)), flush=True)


def show(title: str, measured: list[dict[str, float]], request: float) -> None:
    from mpicode.pool.wire import message_bytes

    header = WORKERS * (message_bytes(0, np.dtype(np.float64)) + 8)  # and the loss
    print(f"\n{title}")
    print(f"{'m':>3}{'bytes':>14}{'of m = 1':>10}{'seconds':>10}{'of m = 1':>10}{'answers':>10}")
    first = measured[0]
    for m, each in zip(SEGMENTS, measured, strict=True):
        share = (each["bytes"] - header) / (first["bytes"] - header)
        time = (each["seconds"] - request) / (first["seconds"] - request)
        print(
            f"{m:>3}{each['bytes']:>14.0f}{share:>10.4f}{each['seconds']:>10.4f}"
            f"{each['seconds'] / first['seconds']:>10.3f}{time:>10.3f}"
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--features", type=int, default=500_000)
    parser.add_argument("--megabytes", type=float, default=25.0, help="per second and link")
    parser.add_argument("--iterations", type=int, default=8)
    parser.add_argument("--data", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.data is not None:
        run_rank(lambda: rank(options))
        return 0
    from namespaces import Unavailable

    with tempfile.TemporaryDirectory(prefix="mpicode-segments-") as folder:
        path = Path(folder) / "long.h5"
        make_data(path, options.features)
        measured = by_virtual_clock(path, options)
        request = 8 * (options.features + 1) / (1e6 * options.megabytes)
        show("virtual clock", measured, request)
        print(f"losses {[each['loss'] for each in measured]}")
        try:
            show("TCP between namespaces", by_tcp(path, options), 0.0)
        except Unavailable as error:
            print(f"\nTCP between namespaces: not here: {error}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
