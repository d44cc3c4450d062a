"""What the pool costs when nobody straggles and nothing is computed.

One mpirun, a master and 8 workers. Five loops take turns, many times over, in the same processes
and with the same buffers throughout:

bare    ``Irecv``/``Isend``/``Waitall`` by hand, at both ends; the master writes the parameters once
        per iteration
again   the same loop once more: how far apart two equal loops come out, the noise
pool    ``WorkerPool`` with its headers, checks, snapshots and withdrawal notices, no decoding
sum     the bare loop, and the sum of the answers by BLAS on a stacked receive buffer
coded   the whole coded gradient (``uncoded``): pool, streaming decoder, sum

Usage: python benchmarks/overhead.py [--sizes 1000 100000 1000000] [--pairs 40] [--workers 8]
"""

from __future__ import annotations

import argparse
import os
import sys
import time

import numpy as np
from racing import spread

LOOPS = ("bare", "again", "pool", "sum", "coded")
BARE_ROUND = 1  # a request of this round tells a worker to run its end of the bare loop


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 100_000, 1_000_000])
    parser.add_argument("--pairs", type=int, default=40, help="turns of each loop")
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=0.15, help="length of one turn, about")
    return parser.parse_args()


class BareMaster:
    """The loop that a careful user would write."""

    def __init__(self, comm, length, summing):
        from mpi4py import MPI

        self.comm, self.MPI, self.summing = comm, MPI, summing
        self.n = comm.size - 1
        self.x = np.zeros(length)
        self.sent = np.zeros(length)
        self.received = np.zeros((self.n, length + 1))
        self.ones = np.ones(self.n)
        self.total = np.zeros(length + 1)

    def turn(self, iterations):
        comm, MPI = self.comm, self.MPI
        for _ in range(iterations):
            self.sent[:] = self.x
            requests = [comm.Irecv([self.received[w], MPI.DOUBLE], w + 1, 2) for w in range(self.n)]
            requests += [comm.Isend([self.sent, MPI.DOUBLE], w + 1, 1) for w in range(self.n)]
            MPI.Request.Waitall(requests)
            if self.summing:
                np.dot(self.ones, self.received, out=self.total)


class Work:
    """Answers at once; told to, it runs a worker's end of the bare loop first."""

    load = 1.0

    def __init__(self, comm, length):
        self.comm = comm
        self.answer_length = length + 1
        self.dtype = np.dtype(np.float64)
        self.x, self.answer = np.zeros(length), np.ones(length + 1)

    def compute(self, request, message, out):
        if request.iteration == 0:
            out[:] = (
                1.0  # once: what is in fresh memory may be denormal numbers, which are slow to add
            )
        if request.round == BARE_ROUND:
            from mpi4py import MPI

            for _ in range(request.iteration):
                MPI.Request.Waitall([self.comm.Irecv([self.x, MPI.DOUBLE], 0, 1)])
                MPI.Request.Waitall([self.comm.Isend([self.answer, MPI.DOUBLE], 0, 2)])
        return ()


class Master:
    """All five loops over one set of workers."""

    def __init__(self, comm, part, length, size):
        import mpicode
        from mpicode.pool import WorkerPool, mpi
        from mpicode.train.coded_gradient import CodedGradient
        from mpicode.train.segments import Segments

        code = mpicode.codes.make("uncoded", n_workers=part.size - 1)
        dtype = np.dtype(np.float64)
        transport = mpi.MPIMaster(part, length + 1, dtype, size)
        self.pool = WorkerPool(transport, payload_length=length, dtype=dtype)
        self.pool.start()
        self.coded = CodedGradient(self.pool, code, Segments(code, length))
        self.wanted = [code.messages(w) for w in range(code.n_workers)]
        self.bare = {False: BareMaster(comm, length, False), True: BareMaster(comm, length, True)}
        self.x = np.zeros(length)

    def turn(self, name, iterations):
        """Return the seconds per iteration of one loop."""
        if name == "coded":
            began = time.perf_counter()
            for iteration in range(iterations):
                self.coded(self.x, iteration)
            return (time.perf_counter() - began) / iterations
        if name == "pool":
            began = time.perf_counter()
            for iteration in range(iterations):
                self.round(iteration, 0)
                self.collect()
            return (time.perf_counter() - began) / iterations
        loop = self.bare[name == "sum"]
        self.round(iterations + 1, BARE_ROUND)
        loop.turn(1)
        began = time.perf_counter()
        loop.turn(iterations)
        took = time.perf_counter() - began
        self.collect()
        return took / iterations

    def round(self, iteration, round):
        from mpicode.pool import Kind

        self.pool.begin(Kind.GRADIENT, iteration, self.x, self.wanted, round)

    def collect(self):
        missing = self.pool.n_workers
        for _ in self.pool.answers():
            missing -= 1
            if not missing:
                break
        self.pool.end()


def measure(comm, length, options):
    """Return seconds per iteration, {loop: (turns,)}, on rank 0."""
    from mpicode.pool import largest_answer, mpi, wire, worker_loop

    dtype = np.dtype(np.float64)
    size = largest_answer(length + 1, dtype)
    part = mpi.group(comm, comm.size - 1)
    if comm.rank:
        buffer = wire.new_buffer(size)
        n_bytes = wire.message_bytes(length + 1, dtype)
        end = mpi.MPIWorker(part, length, dtype, comm.size, buffer, n_bytes)
        work = Work(comm, length)
        end.run(worker_loop(comm.rank - 1, lambda: work, None, end.now, buffer))
        end.close()
        return {}
    master = Master(comm, part, length, size)
    first = {name: master.turn(name, 5) for name in LOOPS}
    iterations = max(3, int(options.seconds / first["bare"]))
    seconds = {name: [] for name in LOOPS}
    for turn in range(options.pairs):
        for place in range(len(LOOPS)):
            name = LOOPS[(place + turn) % len(LOOPS)]
            seconds[name].append(master.turn(name, iterations))
    master.pool.close()
    return {name: np.array(values) for name, values in seconds.items()}


def main() -> int:
    options = arguments()
    from mpicode import launch

    if launch.launcher() is None:
        mpirun = launch.find_mpirun()
        env = launch.environment_of_job(mpirun, os.environ)
        command = [mpirun.path, "-n", str(options.workers + 1), "--map-by", ":OVERSUBSCRIBE"]
        command += ["--bind-to", "none", sys.executable, *sys.argv]
        os.execvpe(command[0], command, env)
    from mpicode.pool import mpi

    comm = mpi.world()
    for length in options.sizes:
        seconds = measure(comm, length, options)
        if comm.rank:
            continue
        n = comm.size - 1
        print(f"\n{length} parameters, {n} workers, {options.pairs} turns of each loop;")
        print("microseconds per iteration, median [quartiles]:")
        for name, values in seconds.items():
            print(f"  {name:6s} {spread(1e6 * values, 3)}")
        for name, base in (("again", "bare"), ("pool", "bare"), ("coded", "sum")):
            ratio = spread(seconds[name] / seconds[base], 3)
            extra = spread(1e6 * (seconds[name] - seconds[base]) / n, 3)
            print(f"  {name} / {base}: {ratio}; more per worker: {extra} us", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
