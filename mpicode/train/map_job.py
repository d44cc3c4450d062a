"""Evaluating a function on all blocks by a data code, round by round."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..codes import DataCode
from ..codes.data.approximate import ApproximateCode
from ..codes.data.error_terms import estimated_error
from ..config import Faults
from ..errors import ConfigError
from ..pool import Kind, Work, WorkerPool, largest_answer, wire, worker_loop
from ..pool.delays import Delay
from ..pool.faults import Injection
from ..pool.members import Change
from ..pool.transport import Transport
from ..pool.virtual import VirtualMaster
from ..watch import tell_all_present
from .common import NO_WIRING, Wiring
from .data_rules import DataRules
from .gathering import Bool, Gathered, Gathering, Vectors
from .infer_field import Lift
from .world import SILENCES_TO_GIVE_UP

if TYPE_CHECKING:
    from mpi4py.MPI import Intracomm

_GRACE_SECONDS = 5.0


@dataclass(frozen=True)
class Values:
    """What answers decode to.

    values  : (n_blocks, length), the function's at each block
    error   : (n_blocks, length), how far off each may be: by cross-validation of the answers for
              codes that approximate, by rounding for exact ones; over a field by that of the rows
    corrupt : see `Found`
    """

    values: NDArray[np.float64]
    error: NDArray[np.float64]
    corrupt: Bool | None

    @property
    def is_finite(self) -> bool:
        """Whether all values are."""
        return bool(np.isfinite(self.values).all())


@dataclass(frozen=True, kw_only=True)
class MapJob:
    """A function to be evaluated; all ranks make the same one.

    payload  : (n,) what workers are sent in every round, on the master
    work     : makes what a worker computes; see `MapWork`
    faults   : those that workers are to meet
    trouble  : what becomes of the job when it loses workers
    lift     : over a prime field, on the master: makes residues numbers
    target_error : estimated error, root mean square, at which a round ends
    checksum : whether answers carry one
    """

    code: DataCode
    rules: DataRules
    wiring: Wiring
    n_rounds: int
    work: Callable[[int], Work]
    payload: NDArray[Any]
    delay: Delay | None = None
    faults: Injection | None = None
    trouble: Faults = field(default_factory=Faults)
    checksum: bool = False
    lift: Lift | None = None
    target_error: float | None = None

    def __post_init__(self) -> None:
        if self.target_error is not None and self.rules.has_threshold:
            raise ConfigError(
                f"infer.target_error: {self.target_error:g}, but {self.code.name!r} is exact, at "
                f"{self.rules.n_needed} answers"
            )

    def enough(self, found: Values) -> bool:
        """Return whether the values are as good as is asked for; NaN, not known, is not."""
        assert self.target_error is not None
        return bool(np.sqrt(np.mean(found.error**2)) <= self.target_error)

    def decode(self, vectors: Vectors, arrived: Bool) -> Values:
        """Return the values at all blocks; raises `NotDecodable`."""
        code = self.code
        decoded = code.decode(vectors, arrived)
        values = np.ascontiguousarray(decoded.values)
        if self.lift is not None:
            values, error = self.lift(decoded.values)
        elif isinstance(code, ApproximateCode):
            error = estimated_error(code, vectors, arrived)
        else:
            rounding = float(np.finfo(np.float64).eps) * code.lebesgue(arrived)
            error = np.full(values.shape, rounding * np.abs(values).max(initial=0.0))
        corrupt = decoded.corrupt if decoded.corrupt.any() else None
        return Values(values, error, corrupt)


class Master:
    """Goes through the rounds of a job; ``changes`` are what happened to workers meanwhile.

    ``silent`` are those that did not leave in time, known once all rounds are over.
    """

    def __init__(self, job: MapJob, transport: Transport, interrupted: Callable[[], bool]) -> None:
        transport.interrupted = interrupted
        trouble = job.trouble
        self.changes: list[Change] = []
        self.silent: list[int] = []
        self._job = job
        self._pool = WorkerPool(
            transport,
            payload_length=job.wiring.request_length,
            dtype=job.wiring.request_dtype,
            silent_seconds=trouble.silent_seconds,
            errors_end=trouble.on_error == "stop",
            checksum=job.checksum,
        )

    def rounds(self) -> Generator[Gathered[Values], None, None]:
        """Yield what each round gives; raises `NotDecodable`, `Interrupted` or `WorkerFailed`."""
        job, pool = self._job, self._pool
        enough = None if job.target_error is None else job.enough
        gather = Gathering(pool, job.rules, Kind.MAP, job.trouble.when_lost, enough)
        try:
            pool.start()
            for number in range(job.n_rounds):
                yield gather(job.payload, number, job.decode)
                self.changes += pool.members.take_changes()
        finally:
            self.changes += pool.members.take_changes()
            self.silent = pool.close(_GRACE_SECONDS)


def in_process(job: MapJob, interrupted: Callable[[], bool], costs: Any) -> Master:
    """Return the master of workers that live in this process, under a virtual clock."""
    answer = job.wiring.answer_length, job.wiring.answer_dtype
    delay: Any = job.delay
    transport = VirtualMaster(
        job.work,
        job.code.n_workers,
        *answer,
        largest_answer(*answer),
        delay,
        costs,
        faults=job.faults,
        checksum=job.checksum,
    )
    return Master(job, transport, interrupted)


def over_mpi(
    make: Callable[[int | None], MapJob],
    comm: Intracomm,
    n_workers: int,
    interrupted: Callable[[], bool],
    silent_seconds: float = math.inf,
) -> Master | None:
    """Return the master on rank 0; be a worker, to the end, on others.

    make           : makes the job of a worker, by its number, or the master's, without one
    silent_seconds : after which a worker that does not answer is not waited for
    """
    from ..pool import mpi

    part = mpi.group(comm, n_workers)
    if part is None:
        return None
    if part.rank > 0:
        _serve(make, part, SILENCES_TO_GIVE_UP * silent_seconds)
        return None
    tell_all_present()
    try:
        job = make(None)
    except BaseException:
        # the workers wait: release them before anything is said
        nothing = NO_WIRING.answer_length, NO_WIRING.answer_dtype
        transport = mpi.MPIMaster(part, *nothing, largest_answer(*nothing))
        WorkerPool(transport, payload_length=0, dtype=nothing[1]).close(_GRACE_SECONDS)
        raise
    answer = job.wiring.answer_length, job.wiring.answer_dtype
    unreached_seconds = SILENCES_TO_GIVE_UP * silent_seconds
    transport = mpi.MPIMaster(part, *answer, largest_answer(*answer), unreached_seconds)
    return Master(job, transport, interrupted)


def _serve(make: Callable[[int | None], MapJob], part: Intracomm, unreached_seconds: float) -> None:
    """Be a worker until the master says stop; what goes wrong here is told to the master."""
    from ..pool import mpi

    worker = part.rank - 1
    job: MapJob | None = None
    failure: Exception | None = None
    try:
        job = make(worker)
    except Exception as error:
        failure = error

    def work() -> Work:
        if job is None:
            assert failure is not None
            raise failure
        return job.work(worker)

    wiring = NO_WIRING if job is None else job.wiring
    answer = wiring.answer_length, wiring.answer_dtype
    buffer = wire.new_buffer(largest_answer(*answer))
    request = wiring.request_length, wiring.request_dtype
    n_bytes = wire.message_bytes(*answer)
    end = mpi.MPIWorker(part, *request, wiring.n_numbers, buffer, n_bytes, unreached_seconds)
    delay, faults, checksum = None, None, False
    if job is not None:
        delay, faults, checksum = job.delay, job.faults, job.checksum
    with contextlib.suppress(SystemExit):
        end.run(worker_loop(worker, work, delay, end.now, buffer, faults, checksum))
