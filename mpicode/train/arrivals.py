"""Only the arrivals of a run, under the virtual clock: who answers when, and when it is enough."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..config import Config
from ..errors import ConfigError
from ..pool import Request, WorkerPool, largest_answer
from ..pool.virtual import VirtualMaster
from .coded_gradient import CodedGradient
from .placement import place, virtual_nodes
from .segments import Segments
from .setup import Setup, build
from .world import costs


@dataclass(frozen=True)
class Arrivals:
    """Per iteration, (n_iterations,): seconds taken, messages used; and shares of the whole run."""

    seconds: NDArray[np.float64]
    n_arrived: NDArray[np.int64]
    residual: NDArray[np.float64]
    load: float


class _Rows:
    """Work that takes the time of its rows and computes nothing."""

    def __init__(self, setup: Setup, worker: int, segments: Segments) -> None:
        self.answer_length = segments.answer_length
        self.dtype = segments.dtype
        self.load = setup.code.load(worker)
        self._encoding = setup.code.encoding
        batch_size = setup.config.run.batch_size
        sizes = setup.partition.sizes.astype(float)
        self._rows = sizes if batch_size is None else np.full(len(sizes), batch_size / len(sizes))
        self._costs = 0.0, 1.0
        if setup.segments.sliced:
            self._costs = setup.problem.coded_costs(setup.code.n_segments)
        self._request: Request | None = None
        self._passed: set[int] = set()

    def compute(self, request: Request, message: int, out: NDArray[Any]) -> Iterator[float]:
        """Let the time of the blocks pass, and that of the way through each but once."""
        out[:] = 0
        if request is not self._request:
            self._request = request
            self._passed.clear()
        way, rest = self._costs
        start, stop = self._encoding.indptr[message : message + 2]
        for block in np.unique(self._encoding.indices[start:stop] % len(self._rows)):
            yield float(self._rows[block]) * (rest + (0.0 if block in self._passed else way))
            self._passed.add(int(block))


def simulate(config: Config) -> Arrivals:
    """Return what ``run.iterations`` synchronous iterations would take, mathematics left out.

    The same pool, workers, decoder and delays as in a run, so ``mpicode run --simulate`` takes
    exactly these times.
    """
    if config.asynchronous.mode is not None:
        raise ConfigError(
            f"asynchronous.mode: {config.asynchronous.mode!r} has no iterations that all wait for; "
            "`mpicode run --simulate` takes its times"
        )
    setup = build(config)
    if not isinstance(setup, Setup):
        setup.close()
        raise ConfigError(
            f"code.name: {config.code.name!r} is a code over the data, wants a gradient code; "
            "`mpicode run --simulate` has its times"
        )
    real = setup.segments
    # one parameter stands for all
    small = Segments(setup.code, 1, setup.dtype)
    left_out = (
        (real.n_parameters - small.n_parameters) * setup.dtype.itemsize,
        (real.answer_length - small.answer_length) * real.dtype.itemsize,
    )
    workers = place(config, setup.code, virtual_nodes(config))
    try:
        transport = VirtualMaster(
            lambda worker: _Rows(setup, workers.index(worker), small),
            setup.code.n_workers,
            small.answer_length,
            small.dtype,
            largest_answer(small.answer_length, small.dtype),
            setup.delay,
            costs(config),
            left_out_bytes=left_out,
        )
        pool = WorkerPool(transport, payload_length=small.n_parameters, dtype=setup.dtype)
        pool.start()
        coded = CodedGradient(pool, setup.code, small, setup.rules, workers=workers)
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
