"""What one slow worker costs, with a code and without.

One mpirun, a master and 8 workers, least squares on synthetic rows. Worker 3 sleeps in each
iteration, or does not: the two take turns, many times over, and each pair gives a ratio of the
times per iteration. Once for fractional repetition with 1 tolerated straggler, once uncoded. Then
the same worker is stopped for ten seconds (SIGSTOP, SIGCONT) in the middle of a run of each.

Usage: python benchmarks/stragglers.py [--pairs 10] [--iterations 15] [--delay 0.2] [--stop 10]
       [--rows 90000] [--features 500]
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from racing import spread
from ranks import is_rank

WORKERS = 8
SLOW = 3
CODES = {
    "fractional-repetition": {"name": "fractional-repetition", "n_stragglers": 1},
    "uncoded": {"name": "uncoded"},
}
SECONDS_AROUND = 4.0  # of a run before its worker is stopped, and after it goes on


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=10, help="runs with and without the delay")
    parser.add_argument("--iterations", type=int, default=15, help="of each run")
    parser.add_argument("--delay", type=float, default=0.2, help="seconds")
    parser.add_argument("--stop", type=float, default=10.0, help="seconds")
    parser.add_argument("--rows", type=int, default=90_000)
    parser.add_argument("--features", type=int, default=500)
    parser.add_argument("--data", help=argparse.SUPPRESS)
    return parser.parse_args()


def configuration(options, code, delayed):
    config = {
        "data": {"path": options.data},
        "problem": {"name": "least-squares"},
        "code": CODES[code],
        "optimizer": {"name": "gradient-descent", "step_size": 0.1},
        "run": {"n_workers": WORKERS, "iterations": options.iterations},
    }
    if delayed:
        delay = {"name": "fixed", "slow_workers": [SLOW], "seconds": options.delay}
        config["delays"] = delay
    return config


class Stopper:
    """Stop a process once a run has gone on for a while; a recorder of that run."""

    def __init__(self, pid: int, seconds: float) -> None:
        self.stopped_at = float("inf")
        self._pid = pid
        self._seconds = seconds

    def iteration(self, columns, workers) -> None:
        if columns["started"] > SECONDS_AROUND and self.stopped_at == float("inf"):
            os.kill(self._pid, signal.SIGSTOP)
            self.stopped_at = columns["started"] + columns["seconds"]
            # a thread, since the run may well wait for the worker meanwhile
            threading.Timer(self._seconds, os.kill, (self._pid, signal.SIGCONT)).start()


def rank(options) -> None:
    """Take part in all runs; rank 0 prints one line of JSON about each."""
    import mpicode
    from mpicode.pool import mpi

    comm = mpi.world()
    for pair in range(options.pairs):
        for code in CODES:
            # whoever comes first gets the worse of what a change of code leaves behind
            for delayed in (False, True) if pair % 2 else (True, False):
                result = mpicode.run(configuration(options, code, delayed), comm)
                if result is not None:
                    seconds = float(np.median(result.history["seconds"][2:]))
                    told = {"pair": pair, "code": code, "delayed": delayed, "seconds": seconds}
                    print(json.dumps(told), flush=True)
    pids = np.zeros(comm.size, np.int64)
    comm.Allgather(np.array([os.getpid()]), pids)
    for code in CODES:
        config = configuration(options, code, False)
        config["run"] |= {
            "iterations": 10**6,
            "max_seconds": options.stop + 2 * SECONDS_AROUND,
        }
        stopper = Stopper(int(pids[SLOW + 1]), options.stop)
        result = mpicode.run(config, comm, recorders=[stopper])
        if result is not None:
            columns = {k: result.history[k].tolist() for k in ("started", "seconds")}
            told = {"stopped": stopper.stopped_at, "code": code, **columns}
            print(json.dumps(told), flush=True)


def measure(options):
    """Start the job on fresh data; return what its rank 0 said."""
    from mpicode import launch
    from mpicode.datasets.synthetic import make_dataset

    mpirun = launch.find_mpirun()
    line = launch.command_line(
        mpirun, WORKERS + 1, (), python=sys.executable, slots=0, allocated=False
    )
    with tempfile.TemporaryDirectory() as folder:
        data = str(Path(folder) / "data.h5")
        make_dataset("least-squares", data, n_samples=options.rows, n_features=options.features)
        done = subprocess.run(
            [*line[: line.index(sys.executable)], sys.executable, *sys.argv, "--data", data],
            env=launch.environment_of_job(mpirun, os.environ),
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    return [json.loads(text) for text in done.stdout.splitlines()]


def report_pairs(told, options) -> None:
    print(f"worker {SLOW} sleeps {options.delay} s per iteration; seconds per iteration:")
    for code in CODES:
        with_delay, without = (
            np.array([t["seconds"] for t in told if (t["code"], t["delayed"]) == (code, delayed)])
            for delayed in (True, False)
        )
        print(f"  {code}")
        print(f"    without {spread(without, 3, ' s')}   with {spread(with_delay, 3, ' s')}")
        print(f"    with / without {spread(with_delay / without, 3)}")
        print(f"    with - without {spread(with_delay - without, 3, ' s')}")


def report_stop(told, options) -> None:
    print(f"\nworker {SLOW} is stopped for {options.stop:g} s in the middle of a run:")
    for entry in told:
        started, seconds = np.array(entry["started"]), np.array(entry["seconds"])
        stopped = entry["stopped"]
        before = started < stopped
        during = ~before & (started < stopped + options.stop)
        print(f"  {entry['code']}")
        for name, when in (("before", before), ("during", during), ("after", ~before & ~during)):
            if when.any():
                middle, most = 1e3 * np.median(seconds[when]), 1e3 * seconds[when].max()
                print(
                    f"    {name:7s} {when.sum():5d} iterations, "
                    f"median {middle:7.1f} ms, slowest {most:8.1f} ms"
                )


def main() -> int:
    options = arguments()
    if is_rank(lambda: rank(options)):
        return 0
    began = time.perf_counter()
    told = measure(options)
    print(
        f"{options.rows} x {options.features} rows, {WORKERS} workers on {os.cpu_count()} cores, "
    )
    print(f"medians of {options.pairs} pairs with quartiles\n")
    report_pairs([t for t in told if "pair" in t], options)
    report_stop([t for t in told if "stopped" in t], options)
    print(f"\ntook {time.perf_counter() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
