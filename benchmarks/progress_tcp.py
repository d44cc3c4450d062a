"""Whether an answer arrives while its sender goes on computing.

Each of two workers computes two messages for one request: the first at once, the second for half a
second, in which it does not enter MPI. Two ways to send the first:

pool   mpicode's worker sends each message to completion before it goes on
isend  ``Isend``, then the computation, then ``Wait``, as most programs do

over shared memory, TCP on one host, and TCP between hosts (network namespaces; needs root). Printed
are medians over all answers of the time from the request to the arrival of the first and the second
message, in milliseconds.

Usage: python benchmarks/progress_tcp.py [--bytes 1048576] [--seconds 0.5] [--repeats 5]
       [--over shared-memory tcp namespaces] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from ranks import is_rank

WORKERS = 2
METHODS = ("pool", "isend")
BTL = {"shared-memory": "self,sm", "tcp": "self,tcp", "namespaces": "self,tcp"}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bytes", type=int, default=1 << 20, help="size of a message")
    parser.add_argument("--seconds", type=float, default=0.5, help="computing the second message")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--over", nargs="+", choices=tuple(BTL), default=list(BTL))
    parser.add_argument("--json", action="store_true", help="all times, on standard output")
    return parser.parse_args()


def compute(seconds):
    """Be busy, outside MPI."""
    matrix = np.ones((64, 64))
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        matrix @ matrix


class TwoMessages:
    """Work of two messages, the second of which takes its time."""

    load = 1.0
    dtype = np.dtype(np.float64)

    def __init__(self, length, seconds):
        self.answer_length = length
        self._seconds = seconds

    def compute(self, request, message, out):
        if message % 2:
            compute(self._seconds)
        out[:] = message
        yield 0.0


def by_pool(comm, length, options):
    """Return arrivals (repeats, workers, 2) in seconds after the request; on the master."""
    from mpicode.pool import Kind, WorkerPool, largest_answer, mpi, wire, worker_loop

    dtype = np.dtype(np.float64)
    size = largest_answer(length, dtype)
    part = mpi.group(comm, WORKERS)
    if comm.rank:
        buffer = wire.new_buffer(size)
        end = mpi.MPIWorker(part, 1, dtype, 2, buffer, wire.message_bytes(length, dtype))
        work = TwoMessages(length, options.seconds)
        end.run(worker_loop(comm.rank - 1, lambda: work, None, end.now, buffer))
        end.close()
        return None
    pool = WorkerPool(mpi.MPIMaster(part, length, dtype, size), payload_length=1, dtype=dtype)
    pool.start()
    wanted = [np.array([2 * worker, 2 * worker + 1]) for worker in range(WORKERS)]
    arrivals = np.zeros((options.repeats, WORKERS, 2))
    for iteration in range(options.repeats):
        began = pool.now()
        pool.begin(Kind.GRADIENT, iteration, np.zeros(1), wanted)
        missing = 2 * WORKERS
        for answer in pool.answers():
            arrivals[iteration, answer.worker, answer.message % 2] = pool.now() - began
            assert (answer.payload == answer.message).all()
            missing -= 1
            if not missing:
                break
        pool.end()
    pool.close()
    return arrivals


def by_isend(comm, length, options):
    """Return the same of an ``Isend`` that is left alone."""
    from mpi4py import MPI

    go = np.zeros(1)
    if comm.rank:
        out = np.zeros((2, length))
        for _ in range(options.repeats):
            comm.Recv([go, MPI.DOUBLE], 0, 1)
            first = comm.Isend([out[0], MPI.DOUBLE], 0, 2)
            compute(options.seconds)
            second = comm.Isend([out[1], MPI.DOUBLE], 0, 2)
            MPI.Request.Waitall([first, second])
        return None
    into = np.zeros((WORKERS, 2, length))
    arrivals = np.zeros((options.repeats, WORKERS, 2))
    for iteration in range(options.repeats):
        places = [(worker, message) for worker in range(WORKERS) for message in range(2)]
        pending = {(w, m): comm.Irecv([into[w, m], MPI.DOUBLE], w + 1, 2) for w, m in places}
        began = time.perf_counter()
        for worker in range(WORKERS):
            comm.Send([go, MPI.DOUBLE], worker + 1, 1)
        while pending:
            for place in [p for p, request in pending.items() if request.Test()]:
                arrivals[iteration, *place] = time.perf_counter() - began
                del pending[place]
    return arrivals


def rank(options) -> None:
    """Measure as one rank of a job; rank 0 prints."""
    from mpicode.pool import mpi

    comm = mpi.world()
    length = options.bytes // 8
    for method, measure in zip(METHODS, (by_pool, by_isend), strict=True):
        arrivals = measure(comm, length, options)
        if arrivals is not None:
            print(json.dumps({"method": method, "arrivals": arrivals.tolist()}), flush=True)


def measure_over(transport, options):
    """Start a job over one transport; return what each method measured."""
    import contextlib

    from namespaces import Hosts

    from mpicode import launch

    mpirun = launch.find_mpirun()
    with contextlib.ExitStack() as stack:
        if transport == "namespaces":
            command = stack.enter_context(Hosts(WORKERS + 1)).mpirun(mpirun.path)
        else:
            command = launch.command_line(
                mpirun, WORKERS + 1, (), python=sys.executable, slots=0, allocated=False
            )
            command = command[: command.index(sys.executable)]
        command += ["--mca", "pml", "ob1", "--mca", "btl", BTL[transport]]
        command += [sys.executable, str(Path(__file__).resolve())]
        command += ["--bytes", str(options.bytes), "--seconds", str(options.seconds)]
        command += ["--repeats", str(options.repeats)]
        env = launch.environment_of_job(mpirun, os.environ)
        done = subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def main() -> int:
    options = arguments()
    if is_rank(lambda: rank(options)):
        return 0
    from namespaces import Unavailable

    if not options.json:
        print(f"{options.bytes} bytes, {options.seconds} s of computing before the second message")
        print(f"{'over':14s} {'sent by':8s} {'first, ms':>10s} {'second, ms':>11s}")
    for transport in options.over:
        try:
            measured = measure_over(transport, options)
        except Unavailable as error:
            measured = [{"method": "none", "unavailable": str(error)}]
        for entry in measured:
            if options.json:
                print(json.dumps({"over": transport, **entry}), flush=True)
            elif "unavailable" in entry:
                print(f"{transport:14s} not here: {entry['unavailable']}")
            else:
                first, second = np.median(entry["arrivals"], axis=(0, 1)) * 1e3
                print(f"{transport:14s} {entry['method']:8s} {first:10.2f} {second:11.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
