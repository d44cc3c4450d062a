"""Only the arrivals of a run, under the virtual clock: who answers when, and when it is enough."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..config import Config
from ..errors import ConfigError
from ..pool import Kind, Request, Work, WorkerPool, largest_answer
from ..pool.virtual import VirtualMaster
from .coded_gradient import CodedGradient
from .common import Common
from .data_setup import DataSetup
from .gathering import Bool, Gathering, Vectors
from .placement import place, virtual_nodes
from .segments import Segments
from .setup import Setup, build
from .world import costs


@dataclass(frozen=True)
class Arrivals:
    """Per iteration, (n_iterations,): seconds taken, messages used; and shares of the whole run.

    ``residual`` is NaN for codes over the data, which do not know what they miss.
    """

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


class _Slots:
    """Work that takes the time of the rows of a coded block and computes nothing."""

    answer_length = 1

    def __init__(self, setup: DataSetup, worker: int) -> None:
        self.dtype = setup.wiring.answer_dtype
        self.load = setup.code.load(worker)
        self._slots = setup.slots

    def compute(self, request: Request, message: int, out: NDArray[Any]) -> Iterator[float]:
        """Let the time of the rows pass."""
        out[:] = 0
        drawn = self._slots.draw(request.iteration)
        yield float(self._slots.n_slots if drawn is None else len(drawn))


class _Nothing(NamedTuple):
    """What answers that hold nothing decode to."""

    corrupt: Bool | None = None
    is_finite: bool = True


class _Part(NamedTuple):
    """What differs by the family of the code; one parameter stands for all.

    left_out : bytes that a request, and an answer, would have more
    ask      : makes of a pool what goes through an iteration: returns messages used, and residual
    """

    request_dtype: np.dtype[Any]
    answer_dtype: np.dtype[Any]
    answer_length: int
    left_out: tuple[int, int]
    work: Callable[[int], Work]
    ask: Callable[[WorkerPool], Callable[[int], tuple[int, float]]]


def _by_gradients(setup: Setup) -> _Part:
    real = setup.segments
    small = Segments(setup.code, 1, setup.dtype)
    workers = place(setup.config, setup.code, virtual_nodes(setup.config))

    def ask(pool: WorkerPool) -> Callable[[int], tuple[int, float]]:
        coded = CodedGradient(pool, setup.code, small, setup.rules, workers=workers)

        def one(iteration: int) -> tuple[int, float]:
            done = coded(0.0, iteration)
            return done.n_arrived, done.residual

        return one

    return _Part(
        setup.dtype,
        small.dtype,
        small.answer_length,
        (
            (real.n_parameters - small.n_parameters) * setup.dtype.itemsize,
            (real.answer_length - small.answer_length) * real.dtype.itemsize,
        ),
        lambda worker: _Rows(setup, workers.index(worker), small),
        ask,
    )


def _by_data(setup: DataSetup) -> _Part:
    code, wiring = setup.code, setup.wiring

    def decode(vectors: Vectors, arrived: Bool) -> _Nothing:
        # nobody lies here, but who counts, or the points' places, may ask for more answers
        code.check_count(arrived)
        code.decode_matrix(arrived)
        return _Nothing()

    def ask(pool: WorkerPool) -> Callable[[int], tuple[int, float]]:
        gather = Gathering(pool, setup.rules, Kind.GRADIENT)

        def one(iteration: int) -> tuple[int, float]:
            return int(gather(0, iteration, decode).arrived.sum()), np.nan

        return one

    return _Part(
        wiring.request_dtype,
        wiring.answer_dtype,
        _Slots.answer_length,
        (
            (wiring.request_length - 1) * wiring.request_dtype.itemsize,
            (wiring.answer_length - _Slots.answer_length) * wiring.answer_dtype.itemsize,
        ),
        lambda worker: _Slots(setup, worker),
        ask,
    )


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
    try:
        part = _part(setup)
        transport = VirtualMaster(
            part.work,
            setup.code.n_workers,
            part.answer_length,
            part.answer_dtype,
            largest_answer(part.answer_length, part.answer_dtype),
            setup.delay,
            costs(config),
            left_out_bytes=part.left_out,
        )
        pool = WorkerPool(transport, payload_length=1, dtype=part.request_dtype)
        pool.start()
        ask = part.ask(pool)
        n = config.run.iterations
        seconds, residual = np.empty(n), np.empty(n)
        n_arrived = np.empty(n, dtype=np.int64)
        for iteration in range(n):
            began = pool.now()
            n_arrived[iteration], residual[iteration] = ask(iteration)
            seconds[iteration] = pool.now() - began
        load = max(setup.code.load(worker) for worker in range(setup.code.n_workers))
        return Arrivals(seconds, n_arrived, residual, load)
    finally:
        setup.close()


def _part(setup: Common) -> _Part:
    if isinstance(setup, DataSetup):
        return _by_data(setup)
    assert isinstance(setup, Setup)
    return _by_gradients(setup)
