"""Runs made up by a small simulation and written through `RunWriter` itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import scipy.sparse as sp

from mpicode.outcomes import Outcome
from mpicode.results import RunWriter

N_PARAMETERS = 10


def write_run(
    path: Path,
    *,
    n_workers: int = 8,
    n_iterations: int = 100,
    n_stragglers: int = 1,
    code: str = "cyclic",
    delay_seconds: float = 0.2,
    probability: float = 0.05,
    seed: int = 0,
    close: bool = True,
) -> RunWriter:
    """Write a run that goes on as soon as all but ``n_stragglers`` have answered.

    A delay is served to its end; a worker that computes when it is not needed is withdrawn.
    """
    rng = np.random.default_rng(seed)
    config = f'[code]\nname = "{code}"\nn_stragglers = {n_stragglers}\n'
    writer = RunWriter(path, {"config": config, "seed": seed, "hosts": ["node1"]}, n_workers)
    writer.code({"encoding": sp.eye_array(n_workers).tocsr(), "owner": np.arange(n_workers)}, 0)
    free = np.zeros(n_workers)
    pending: list[tuple[float, int, int]] = []
    now = 0.0
    for iteration in range(n_iterations):
        started = now
        compute = rng.uniform(0.018, 0.022, n_workers)
        delay = np.where(rng.random(n_workers) < probability, delay_seconds, 0.0)
        answers = []
        for worker in range(n_workers):
            asked = max(started, free[worker])
            answers.append((asked + compute[worker] + delay[worker], worker))
        answers.sort()
        now = answers[n_workers - n_stragglers - 1][0]
        for landed, worker, asked_in in [p for p in pending if p[0] <= now]:
            writer.message(iteration, 0, worker, worker, asked_in, landed, Outcome.STALE_DROPPED)
        pending = [p for p in pending if p[0] > now]
        arrived = np.zeros(n_workers, dtype=bool)
        for landed, worker in answers:
            if landed <= now:
                free[worker] = landed
                arrived[worker] = True
                writer.message(iteration, 0, worker, worker, iteration, landed, Outcome.USED)
            elif free[worker] <= now and delay[worker]:
                free[worker] = landed
                pending.append((landed, worker, iteration))
            elif free[worker] <= now:
                free[worker] = now + 1e-4
                writer.message(iteration, 0, worker, worker, iteration, now + 1e-4, Outcome.DROPPED)
        tested = iteration % 10 == 0
        writer.iteration(
            {
                "loss": 2.3 * 0.97**iteration,
                "started": started,
                "seconds": now - started + 1e-3,
                "wait": now - started,
                "decode": 5e-4,
                "n_arrived": int(arrived.sum()),
                "bytes_received": 80 * int(arrived.sum()),
                "test_loss": 2.4 * 0.97**iteration if tested else np.nan,
                "test_accuracy": 1 - 0.9 * 0.97**iteration if tested else np.nan,
            },
            {
                "compute_seconds": np.where(arrived, compute, np.nan),
                "delay_seconds": delay,
                "arrived": arrived,
            },
        )
        now += 1e-3
    writer.event(n_iterations, now, 3, "lost", "worker 3 on node1 fell silent")
    if close:
        writer.close(np.arange(N_PARAMETERS) / 3, True, f"{n_iterations} iterations done")
    return writer
