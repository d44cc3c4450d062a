"""What an arrival costs the master, and what short messages buy where the uplink is slow.

cost   one message of ``direct`` and of ``memory``, decoder and step, against one pass over as much
       memory as it must touch (a copy), and that copy against itself: the noise
time   under the virtual clock, every worker with a link of so many bytes per second: time until the
       training loss is at a target, of light messages, single blocks, and asynchronous full
       gradients, all on all the data (the same load); each at its best step size of the same
       grid, found on another seed than those shown
wire   under mpirun, workers that answer at once: one arrival (sweep, check, decoder, step, books,
       snapshot, request) in the run's own loop against a bare one of Irecv and Isend of the same
       bytes, which takes turns with it; and how long the master is busy with it

Usage: python benchmarks/asynchronous.py [cost] [time] [wire] [--sizes 100000 1000000]
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
K = 16
N_WORKERS = 8


def quartiles(values) -> str:
    low, middle, high = np.percentile(values, [25, 50, 75])
    return f"{middle:.3g} [{low:.3g}, {high:.3g}]"


def descents(size):
    """Return {mode: (descent, numbers it must touch per message)} on ``size`` parameters."""
    from mpicode import codes, optimizers
    from mpicode.codes import light
    from mpicode.train.asynchronous.descents import Direct, Memory
    from mpicode.train.asynchronous.light import generation_of

    code = codes.make("lwpd", n_workers=N_WORKERS, n_segments=K)
    length = -(-size // K)
    weight = int((code.rows != 0).sum(axis=1).max())

    def arguments():
        optimizer = optimizers.make(
            "gradient-descent", {"step_size": 1e-9}, n_parameters=K * length
        )
        return np.zeros((K, length)), K * length, generation_of(code).messages, optimizer, None, 1

    decoder = light.make("kaczmarz", rows=code.encoding.toarray(), length=length)
    return (
        code.n_messages,
        length,
        {
            "direct": (Direct(*arguments()), (1 + 2 * weight) * length),
            "memory": (Memory(*arguments(), decoder=decoder), (1 + 3 * K + weight) * length),
        },
    )


def cost(sizes, turns=30) -> None:
    for size in sizes:
        n_messages, length, modes = descents(size)
        codeword = np.random.default_rng(0).standard_normal(length)
        for mode, (descent, numbers) in modes.items():
            source, target = np.ones(numbers // 2), np.ones(numbers // 2)

            def pass_over(source=source, target=target):
                np.copyto(target, source)

            def message(descent=descent, n_messages=n_messages, codeword=codeword):
                for number in range(n_messages):
                    descent.take(number, codeword, 0)

            taken = {"message": [], "pass": [], "again": []}
            jobs = {"message": (message, n_messages), "pass": (pass_over, 1)}
            jobs["again"] = jobs["pass"]
            for _ in range(turns):
                for name, (job, count) in jobs.items():
                    repeats = max(1, int(2e6 / numbers)) if count == 1 else 1
                    began = time.perf_counter()
                    for _ in range(repeats):
                        job()
                    taken[name].append((time.perf_counter() - began) / repeats / count)
            times = {name: np.array(values) for name, values in taken.items()}
            ratio = quartiles(times["message"] / times["pass"])
            noise = quartiles(times["again"] / times["pass"])
            print(
                f"cost {size:8d} {mode:7s} {1e6 * np.median(times['message']):9.1f} us each, "
                f"/ one pass {ratio}; pass / pass {noise}",
                flush=True,
            )


def configuration(name, step_size, bandwidth, downlink, seed, target):
    """Return the tables of a run until ``target``, whose code is called ``name``."""
    code = {
        "lwpd": {"name": "lwpd", "n_segments": K},
        "single blocks": {"name": "lwpd", "n_segments": K, "variant": "identity"},
        "full gradients": {"name": "lwpd", "n_segments": 1, "n_messages": N_WORKERS, "weight": 1},
    }[name]
    return {
        "data": {"path": str(ROOT / "data" / "digits.h5")},
        "problem": {"name": "mlp", "hidden": [64]},
        "optimizer": {"name": "gradient-descent", "step_size": step_size},
        "code": code,
        "run": {
            "n_workers": N_WORKERS, "iterations": 4000, "seed": seed, "target_loss": target,
            "batch_size": 256, "record_every": 4,
        },
        "asynchronous": {"mode": "direct"},
        "delays": {"name": "shifted-exponential", "shift": 1e-4, "mean": 3e-4},
        "virtual": {
            "bytes_per_second": bandwidth, "downlink_bytes_per_second": downlink,
            "seconds_per_row": 1e-6,
        },
    }  # fmt: skip


def until_target(name, step_size, bandwidth, downlink, sent, seed, target):
    """Return virtual seconds until the target (infinite: never) and megabytes of the uplink."""
    import mpicode

    tables = configuration(name, step_size, bandwidth, downlink, seed, target)
    tables["asynchronous"]["downlink"] = sent
    result = mpicode.run(tables)
    reached = result.outcome.startswith("target")
    seconds = result.history["started"][-1] if reached else np.inf
    return seconds, result.history["bytes_received"].sum() / 1e6


def time_to_target(target, seeds, bandwidths, steps) -> None:
    """Print the virtual seconds to the target, and the bytes of the uplink until then.

    The step size is the quickest on a seed of its own. Medians with quartiles over the seeds, and
    how many times as long asynchronous full gradients take, seed by seed. Either both ways have the
    bandwidth, and updates are relayed; or the uplink alone has it.
    """
    for bandwidth in bandwidths:
        said = f"{bandwidth / 1e6:g} MB/s" if bandwidth else "unlimited"
        for sent, downlink in (("updates", bandwidth), ("parameters", 0.0)):
            if downlink == bandwidth == 0.0 and sent == "updates":
                continue
            limit = "unlimited" if downlink == 0.0 else said
            full = None
            for name in ("full gradients", "single blocks", "lwpd"):
                where = bandwidth, downlink, sent
                tried = {step: until_target(name, step, *where, 1000, target)[0] for step in steps}
                step_size = min(tried, key=tried.__getitem__)
                found = [
                    until_target(name, step_size, *where, seed, target) for seed in range(seeds)
                ]
                seconds, uplink = np.array(found).T
                full = seconds if full is None else full
                ratios = quartiles(full / seconds)
                print(
                    f"time {said:10s} {name:15s} downlink {limit:9s} step {step_size:<4g} "
                    f"{quartiles(seconds)} s, full gradients take {ratios} times that; "
                    f"uplink {np.median(uplink):.2f} MB",
                    flush=True,
                )


class Answering:
    """Work that is done at once; after an update, once it was a worker's end of the bare loop."""

    load = 1.0

    def __init__(self, comm, n_asked, n_answered, length):
        from mpicode.pool import Kind

        self.comm, self.x = comm, np.zeros(n_asked)
        self.answer_length, self.dtype = length + 1, np.dtype(np.float64)
        self.answer = np.ones(n_answered)
        self.update = int(Kind.UPDATE)  # once: what is looked up per message would count

    def compute(self, request, message, out):
        if request.kind == self.update:
            out[:] = 1e-3
            self.bare()
        return ()

    def bare(self):
        """Answer the bare loop until it ends."""
        from mpi4py import MPI

        while True:
            MPI.Request.Waitall([self.comm.Irecv([self.x, MPI.DOUBLE], 0, 1)])
            if self.x[0] < 0:
                break
            MPI.Request.Waitall([self.comm.Isend([self.answer, MPI.DOUBLE], 0, 2)])


def bare(comm, n_asked, n_answered, count) -> float:
    """Return the seconds per message of a loop that asks whoever has answered again."""
    from mpi4py import MPI

    n = comm.size - 1
    x, received = np.zeros(n_asked), np.zeros((n, n_answered))
    stop = np.full(n_asked, -1.0)

    def receive(w):
        return comm.Irecv([received[w], MPI.DOUBLE], w + 1, 2)

    done, began = 0, time.perf_counter()
    waiting = [receive(w) for w in range(n)]
    sending = [comm.Isend([x, MPI.DOUBLE], w + 1, 1) for w in range(n)]
    while done < count:
        for w in MPI.Request.Waitsome(waiting):
            done += 1
            sending[w].Wait()
            waiting[w] = receive(w)
            sending[w] = comm.Isend([x, MPI.DOUBLE], w + 1, 1)
    took = time.perf_counter() - began
    MPI.Request.Waitall(waiting)
    MPI.Request.Waitall(sending)
    for w in range(n):
        comm.Send([stop, MPI.DOUBLE], w + 1, 1)
    return took / done


def setup_for(size, mode, folder):
    """Return the parts of a run with ``size`` parameters, on rows that nobody reads."""
    from scipy.sparse import csr_array

    from mpicode.config import Config
    from mpicode.datasets import DatasetWriter, Meta, Shape
    from mpicode.train.setup import build

    path = Path(folder) / "data.h5"
    if not path.exists():
        X = csr_array((np.ones(64), np.zeros(64, int), np.arange(65)), shape=(64, size))
        with DatasetWriter(path, Shape(64, size, "float64", True), Meta("regression", 0)) as data:
            data.append(X, np.ones(64))
    tables = {
        "data": {"path": str(path)},
        "problem": {"name": "least-squares", "intercept": False},
        "optimizer": {"name": "gradient-descent", "step_size": 1e-9},
        "code": {"name": "lwpd", "n_segments": K},
        "run": {"n_workers": N_WORKERS, "iterations": 1},
        "asynchronous": {"mode": mode},
    }
    return build(Config.from_dict(tables))


class Master:
    """The loops that take turns over one set of workers: the bare one, and that of each mode."""

    def __init__(self, comm, transport, size, modes, n_asked, n_answered, folder):
        from mpicode.pool import Stream
        from mpicode.train.asynchronous.strategy import Asynchronous
        from mpicode.train.checkpoints import State

        self.comm, self.transport = comm, transport
        self.bytes = n_asked, n_answered
        self.pool = Stream(transport, payload_length=size, dtype=np.dtype(np.float64))
        self.pool.start()
        self.rows, self.strategies, self.iteration = [], {}, 0
        for mode in modes:
            setup = setup_for(size, mode, folder)
            state = State(setup.initial(), setup.optimizer())
            strategy = Asynchronous(self.pool, setup, range(N_WORKERS), state)
            self.pool.log = strategy.log(lambda *row: self.rows.append(row))
            self.strategies[mode] = strategy

    def bare(self, count):
        from mpicode.pool import Kind

        for worker in range(N_WORKERS):
            self.pool.tell(Kind.UPDATE, worker, np.zeros(1), np.array([0]))
        took = bare(self.comm, *self.bytes, count)
        while self.pool.waits:
            self.pool.arrivals()
        return took

    def stream(self, mode, count):
        """Return the seconds per message of the run's own loop."""
        strategy, done, began = self.strategies[mode], 0, time.perf_counter()
        while done < count:
            done += strategy.gather(self.iteration, None).n_arrived
            self.iteration += 1
        took = time.perf_counter() - began
        self.pool.forget_all()
        while self.pool.waits:
            self.pool.arrivals()
        self.rows.clear()
        return took / done

    def processor(self, mode, count):
        """Return the seconds per message that the master is busy: without looking for messages.

        Taking a message out of MPI is part of looking, and not in it.
        """
        wait, looking = self.transport.wait, [0.0]

        def timed(deadline=None):
            began = time.process_time()
            try:
                return wait(deadline)
            finally:
                looking[0] += time.process_time() - began

        self.transport.wait = timed
        began = time.process_time()
        self.stream(mode, count)
        took = time.process_time() - began - looking[0]
        del self.transport.wait
        return took / count


def measure(comm, size, count, turns) -> None:
    from mpicode.pool import largest_answer, mpi, request_length, worker_loop
    from mpicode.pool import wire as form

    dtype = np.dtype(np.float64)
    n_messages, length, modes = descents(size)
    size = K * length
    n_asked = request_length(size, dtype, comm.size - 1)
    largest = largest_answer(length + 1, dtype)
    n_bytes = form.message_bytes(length + 1, dtype)
    # the bare loop carries as many bytes
    as_many = form.message_bytes(n_asked, dtype) // 8, n_bytes // 8
    part = mpi.group(comm, comm.size - 1)
    if comm.rank:
        buffer = form.new_buffer(largest)
        end = mpi.MPIWorker(part, n_asked, dtype, n_messages, buffer, n_bytes)
        work = Answering(comm, *as_many, length)
        end.run(worker_loop(comm.rank - 1, lambda work=work: work, None, end.now, buffer))
        end.close()
        return
    transport = mpi.MPIMaster(part, length + 1, dtype, largest)
    with tempfile.TemporaryDirectory() as folder:
        master = Master(comm, transport, size, modes, *as_many, folder)
    taken = {"bare": [], "again": [], **{mode: [] for mode in modes}}
    busy = {mode: [] for mode in modes}
    for _ in range(turns):
        taken["bare"].append(master.bare(count))
        for mode in modes:
            taken[mode].append(master.stream(mode, count))
        taken["again"].append(master.bare(count))
        for mode in modes:
            busy[mode].append(master.processor(mode, count))
    passes = {}
    for mode, (_, numbers) in modes.items():
        source = np.ones((numbers + 2 * size) // 2)
        target = np.ones_like(source)
        began = time.perf_counter()
        for _ in range(20):
            np.copyto(target, source)
        passes[mode] = (time.perf_counter() - began) / 20
    master.pool.close()
    bare_time = (np.array(taken["bare"]) + np.array(taken["again"])) / 2
    for name, values in taken.items():
        line = f"wire {size:8d} {name:7s} {quartiles(1e6 * np.array(values))} us per message"
        if name in modes:
            more = 1e6 * (np.array(values) - bare_time - 1.5 * passes[name])
            line += f"; above bare + 1.5 passes ({1e6 * passes[name]:.0f} us): {quartiles(more)} us"
            line += f"; master busy {quartiles(1e6 * np.array(busy[name]))} us"
        print(line, flush=True)


def wire(sizes, count, turns=15) -> int:
    from mpicode import launch

    if launch.launcher() is None:
        mpirun = launch.find_mpirun()
        env = launch.environment_of_job(mpirun, os.environ)
        command = [mpirun.path, "-n", str(N_WORKERS + 1), "--map-by", ":OVERSUBSCRIBE"]
        command += ["--bind-to", "none", sys.executable, sys.argv[0], "wire"]
        command += ["--count", str(count), "--sizes", *map(str, sizes)]
        os.execvpe(command[0], command, env)
    from mpicode.pool import mpi

    comm = mpi.world()
    for size in sizes:
        measure(comm, size, count, turns)
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", default=["cost", "time", "wire"])
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--count", type=int, default=400, help="messages per turn on the wire")
    parser.add_argument("--target", type=float, default=0.5, help="training loss")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--bandwidths", type=float, nargs="+", default=[0.0, 2e6])
    parser.add_argument("--steps", type=float, nargs="+", default=[0.05, 0.1, 0.2, 0.5, 1.0, 2.0])
    options = parser.parse_args()
    if "cost" in options.parts:
        cost(options.sizes)
    if "time" in options.parts:
        time_to_target(options.target, options.seeds, options.bandwidths, options.steps)
    return wire(options.sizes, options.count) if "wire" in options.parts else 0


if __name__ == "__main__":
    sys.exit(main())
