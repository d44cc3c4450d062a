"""What the pool costs when nobody straggles and nothing is computed.

One mpirun, a master and 8 workers. Four loops take turns in blocks of iterations, many times over:

bare    ``Irecv``/``Isend``/``Waitall`` written by hand; the parameters are written once per iteration
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


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 100_000, 1_000_000])
    parser.add_argument("--pairs", type=int, default=40, help="turns of each loop")
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=0.15, help="length of one turn, about")
    return parser.parse_args()


class Nothing:
    """Work that takes no time."""

    load = 1.0

    def __init__(self, length):
        self.answer_length = length + 1
        self.dtype = np.dtype(np.float64)

    def compute(self, request, message, out):
        yield 0.0


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


def bare_worker(comm, length, iterations):
    from mpi4py import MPI

    x, answer = np.zeros(length), np.zeros(length + 1)
    for _ in range(iterations):
        comm.Recv([x, MPI.DOUBLE], 0, 1)
        comm.Send([answer, MPI.DOUBLE], 0, 2)


def pool_turn(pool, x, wanted, first, iterations):
    from mpicode.pool import Kind

    for iteration in range(first, first + iterations):
        pool.begin(Kind.GRADIENT, iteration, x, wanted)
        missing = pool.n_workers
        for _ in pool.answers():
            missing -= 1
            if not missing:
                break
        pool.end()


LOOPS = ("bare", "again", "pool", "sum", "coded")


def measure(comm, length, options):
    """Return seconds per iteration, {loop: (turns,)}, on rank 0."""
    import mpicode
    from mpicode.pool import WorkerPool, largest_answer, mpi, wire, worker_loop
    from mpicode.pool.delays import make as make_delay
    from mpicode.train.coded_gradient import CodedGradient

    n = comm.size - 1
    code = mpicode.codes.make("uncoded", n_workers=n)
    size = largest_answer(length + 1, np.dtype(np.float64))
    seconds = {name: [] for name in LOOPS}
    bare = BareMaster(comm, length, False)
    summing = BareMaster(comm, length, True)
    iterations = np.array([max(3, int(20_000_000 // (length + 50_000)))], dtype=np.int64)
    for turn in range(options.pairs + 1):
        for name in sorted(LOOPS, key=lambda k: (LOOPS.index(k) + turn) % len(LOOPS)):
            count = int(iterations[0])
            comm.Barrier()
            if name in ("pool", "coded"):
                part = mpi.group(comm, n)
                if comm.rank == 0:
                    pool = WorkerPool(
                        mpi.MPIMaster(part, length + 1, np.dtype(float), size),
                        payload_length=length,
                        dtype=np.dtype(float),
                    )
                    pool.start()
                    coded = CodedGradient(pool, code, length)
                    wanted = [code.messages(w) for w in range(n)]
                    pool_turn(pool, bare.x, wanted, 0, 2)
                    began = time.perf_counter()
                    if name == "pool":
                        pool_turn(pool, bare.x, wanted, 2, count)
                    else:
                        for iteration in range(2, 2 + count):
                            coded(bare.x, iteration)
                    took = time.perf_counter() - began
                    pool.close()
                else:
                    buffer = wire.new_buffer(size)
                    n_bytes = wire.message_bytes(length + 1, np.dtype(float))
                    end = mpi.MPIWorker(part, length, np.dtype(float), n, buffer, n_bytes)
                    delay = make_delay("none", n_workers=n, seed=0)
                    make = lambda: Nothing(length)  # noqa: E731
                    end.run(worker_loop(comm.rank - 1, make, delay, end.now, buffer))
                    end.close()
            elif comm.rank == 0:
                loop = summing if name == "sum" else bare
                loop.turn(2)
                began = time.perf_counter()
                loop.turn(count)
                took = time.perf_counter() - began
            else:
                bare_worker(comm, length, count + 2)
            if comm.rank == 0 and turn:
                seconds[name].append(took / count)
        if turn == 0:
            if comm.rank == 0:
                iterations[0] = max(3, int(count * options.seconds / took))
            comm.Bcast(iterations, root=0)
    return {name: np.array(values) for name, values in seconds.items()}


def quartiles(values):
    low, middle, high = np.percentile(values, [25, 50, 75])
    return f"{middle:6.3f} [{low:.3f}, {high:.3f}]"


def main() -> int:
    options = arguments()
    from mpicode import launch

    if launch.launcher() is None:
        mpirun = launch.find_mpirun()
        env = launch.environment_of_job(mpirun, os.environ)
        env["PYTHONWARNINGS"] = "ignore"
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
        print(f"\n{length} parameters, {n} workers, {options.pairs} turns; microseconds per iteration")
        for name, values in seconds.items():
            print(f"  {name:6s} {quartiles(1e6 * values)}")
        for name, base in (("again", "bare"), ("pool", "bare"), ("coded", "sum")):
            ratio = quartiles(seconds[name] / seconds[base])
            extra = quartiles(1e6 * (seconds[name] - seconds[base]) / n)
            print(f"  {name} / {base}: {ratio}   extra per worker: {extra} us", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
