"""Only the arrivals of a run, under the virtual clock: who answers when, and when it is enough."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..config import Config
from ..pool import Request, WorkerPool, largest_answer
from ..pool.virtual import VirtualMaster
from .coded_gradient import CodedGradient
from .run import costs
from .setup import Setup, build

_LENGTH = 1  # of the parameters that stand for the real ones


@dataclass(frozen=True)
class Arrivals:
    """Per iteration, (n_iterations,): seconds taken, messages used; and shares of the whole run."""

    seconds: NDArray[np.float64]
    n_arrived: NDArray[np.int64]
    residual: NDArray[np.float64]
    load: float


class _Rows:
    """Work that takes the time of its rows and computes nothing."""

    answer_length = _LENGTH + 1

    def __init__(self, setup: Setup, worker: int) -> None:
        self.dtype = setup.dtype
        self.load = setup.code.load(worker)
        self._encoding = setup.code.encoding
        batch_size = setup.config.run.batch_size
        sizes = setup.partition.sizes.astype(float)
        self._rows = sizes if batch_size is None else np.full(len(sizes), batch_size / len(sizes))

    def compute(self, request: Request, message: int, out: NDArray[Any]) -> Iterator[float]:
        """Let the time of the blocks pass."""
        out[:] = 0
        start, stop = self._encoding.indptr[message : message + 2]
        for block in self._encoding.indices[start:stop] % len(self._rows):
            yield float(self._rows[block])


def simulate(config: Config) -> Arrivals:
    """Return what ``run.iterations`` synchronous iterations would take, mathematics left out.

    The same pool, workers, decoder and delays as in a run, so ``mpicode run --simulate`` takes
    exactly these times.
    """
    setup = build(config)
    try:
        transport = VirtualMaster(
            lambda worker: _Rows(setup, worker),
            setup.code.n_workers,
            _LENGTH + 1,
            setup.dtype,
            largest_answer(_LENGTH + 1, setup.dtype),
            setup.delay,
            costs(config),
            left_out_bytes=(setup.problem.n_parameters - _LENGTH) * setup.dtype.itemsize,
        )
        pool = WorkerPool(transport, payload_length=_LENGTH, dtype=setup.dtype)
        pool.start()
        coded = CodedGradient(pool, setup.code, _LENGTH)
        n = config.run.iterations
        seconds, residual = np.empty(n), np.empty(n)
        n_arrived = np.empty(n, dtype=np.int64)
        for iteration in range(n):
            began = pool.now()
            done = coded(0.0, iteration)
            seconds[iteration] = pool.now() - began
            n_arrived[iteration], residual[iteration] = done.n_arrived, done.residual
        load = max(setup.code.load(worker) for worker in range(setup.code.n_workers))
        return Arrivals(seconds, n_arrived, residual, load)
    finally:
        setup.close()
