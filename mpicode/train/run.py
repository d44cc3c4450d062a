"""One run, from a configuration to a result: on an MPI communicator, or in process."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .. import kernels
from ..config import Config
from ..errors import ConfigError, MpicodeError
from ..facts import blas, job
from ..pool import (
    Stream,
    Work,
    WorkerPool,
    largest_answer,
    request_length,
    wire,
    worker_loop,
)
from ..pool.transport import Transport
from ..pool.virtual import VirtualMaster
from ..pool.worker import Renew
from ..watch import tell_all_present
from .common import NO_WIRING, Common
from .data_setup import DataSetup
from .full_disk import FullDisk, disk_as_before
from .keeper import Keeper
from .loop import Recorder, Result, train
from .method import MakeWork, Method, method_for, works_of
from .pace import Paced, go_through, pace
from .placement import virtual_nodes
from .setup import build
from .uncoded import uncoded_delay
from .world import SILENCES_TO_GIVE_UP, costs, refuse_world

if TYPE_CHECKING:
    from mpi4py.MPI import Intracomm

# What the others may take to leave: a delay that has begun is served to its end, but after an error
# every rank is to be gone within 5 s.
_GRACE_SECONDS = 5.0
_VIRTUAL = "virtual clock"
_GRACE_SECONDS_AFTER_ERROR = 3.0


def run(
    config: Config | Mapping[str, Any] | str | os.PathLike[str],
    comm: Intracomm | None = None,
    *,
    recorders: list[Recorder] | None = None,
    interrupted: Callable[[], bool] = lambda: False,
    resume: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> Result | None:
    """Train as the configuration says.

    config      : a `Config`, the nested tables of one, or the path of a TOML file
    comm        : an mpi4py communicator whose rank 0 becomes the master and ranks 1 to
                  ``run.n_workers`` the workers; all its ranks must call. None: the workers live in
                  this process, under a virtual clock
    recorders   : objects with a method ``iteration(columns, workers)``, called after each iteration
    interrupted : asked while waiting; True ends the run with what it has
    resume      : go on from the newest checkpoint that is whole; where there is none, begin
    say         : called on the master with each line that a user should read: about checkpoints,
                  and blocks that the rows do not fill evenly

    Returns the `Result` on the master, None on all other ranks. A run that gave up (not decodable,
    diverged, interrupted) returns as well, with the reason in ``Result.error``. Raises
    `ConfigError` (also for a checkpoint of another run), `DataError`, or `WorkerFailed` with the
    traceback of a worker's exception; the workers are released first, and the run file, if one is
    written, is readable.
    """
    if isinstance(config, Mapping):
        config = Config.from_dict(config)
    elif not isinstance(config, Config):
        config = Config.load(os.fspath(config))
    if comm is None:
        refuse_world()
        return _run_virtual(config, _Hooks(recorders or [], interrupted, resume, say))
    return _run_mpi(config, comm, _Hooks(recorders or [], interrupted, resume, say))


class _Hooks(NamedTuple):
    """What the caller of `run` wants beside the configuration."""

    recorders: list[Recorder]
    interrupted: Callable[[], bool]
    resume: bool
    say: Callable[[str], None]


def _run_virtual(config: Config, hooks: _Hooks) -> Result:
    with contextlib.ExitStack() as closing:
        setup = build(config)
        closing.callback(setup.close)
        keeper = Keeper(setup, "virtual", hooks.resume, hooks.say)
        closing.callback(keeper.close)
        nodes = virtual_nodes(config)
        method = method_for(setup, nodes)  # it looks at gradients, which the next line leaves out
        setup, paced = pace(setup) if keeper.goes_through else (setup, None)
        first, renewed = works_of(setup, nodes)
        answer = setup.wiring.answer_length, setup.wiring.answer_dtype
        transport = VirtualMaster(
            first,
            setup.code.n_workers,
            *answer,
            largest_answer(*answer),
            setup.delay,
            costs(config),
            faults=setup.faults,
            checksum=setup.checksum,
            renew=renewed,
        )
        transport.interrupted = hooks.interrupted
        pool = _pool(setup, transport)
        return _master(setup, method, pool, _VIRTUAL, hooks, keeper, paced)


def _run_mpi(config: Config, comm: Intracomm, hooks: _Hooks) -> Result | None:
    from ..pool import mpi

    n_workers = config.run.n_workers
    if comm.size < n_workers + 1:
        raise ConfigError(
            f"run.n_workers: {n_workers} workers need {n_workers + 1} ranks, but "
            f"{comm.size} ranks = 1 master + {comm.size - 1} workers"
        )
    nodes = mpi.hosts(comm)[1 : n_workers + 1]
    part = mpi.group(comm, n_workers)
    if part is None:
        return None
    if part.rank > 0:
        _serve(config, part, nodes)
        return None
    tell_all_present()
    with contextlib.ExitStack() as closing:
        try:
            setup = build(config)
            closing.callback(setup.close)
            answer = setup.wiring.answer_length, setup.wiring.answer_dtype
            keeper = Keeper(setup, "real", hooks.resume, hooks.say)
            closing.callback(keeper.close)
            method = method_for(setup, nodes)
        except BaseException:
            closing.close()
            # the workers wait: release them before anything is said
            nothing = 0, np.dtype(np.float64)
            WorkerPool(
                mpi.MPIMaster(part, *nothing, largest_answer(*nothing)),
                payload_length=0,
                dtype=nothing[1],
            ).close(_GRACE_SECONDS_AFTER_ERROR)
            raise
        unreached_seconds = SILENCES_TO_GIVE_UP * config.faults.silent_seconds
        transport = mpi.MPIMaster(part, *answer, largest_answer(*answer), unreached_seconds)
        transport.interrupted = hooks.interrupted
        pool = _pool(setup, transport)
        return _master(setup, method, pool, mpi.library_version(), hooks, keeper)


def _pool(setup: Common, transport: Transport) -> WorkerPool:
    faults = setup.config.faults
    make = WorkerPool if setup.config.asynchronous.mode is None else Stream
    return make(
        transport,
        payload_length=setup.wiring.request_length,
        dtype=setup.wiring.request_dtype,
        silent_seconds=faults.silent_seconds,
        errors_end=faults.on_error == "stop",
        checksum=setup.checksum,
    )


def _serve(config: Config, part: Intracomm, nodes: Sequence[str]) -> None:
    """Be a worker until the master says stop; what goes wrong here is told to the master."""
    from ..pool import mpi

    worker = part.rank - 1
    setup: Common | None = None
    first: MakeWork | None = None
    renewed: Renew | None = None
    failure: Exception | None = None
    try:
        setup = build(config, worker)
        first, renewed = works_of(setup, nodes)
    except Exception as error:
        failure = error

    def make_work() -> Work:
        if first is None:
            assert failure is not None
            raise failure
        return first(worker)

    wiring = NO_WIRING if setup is None else setup.wiring
    answer = wiring.answer_length, wiring.answer_dtype
    buffer = wire.new_buffer(largest_answer(*answer))
    asked = wiring.request_length
    if config.asynchronous.mode is not None:
        asked = request_length(asked, wiring.request_dtype, part.size - 1)
    end = mpi.MPIWorker(
        part,
        asked,
        wiring.request_dtype,
        wiring.n_numbers,
        buffer,
        wire.message_bytes(*answer),
        SILENCES_TO_GIVE_UP * config.faults.silent_seconds,
    )
    delay, faults, checksum = None, None, False
    if setup is not None:
        delay, faults, checksum = setup.delay, setup.faults, setup.checksum
    end.run(worker_loop(worker, make_work, delay, end.now, buffer, faults, checksum, renewed))
    if setup is not None:
        setup.close()


@disk_as_before()
def _master(
    setup: Common,
    method: Method,
    pool: WorkerPool,
    mpi: str,
    hooks: _Hooks,
    keeper: Keeper,
    paced: Paced | None = None,
) -> Result:
    config = setup.config
    if keeper.finished is not None:
        keeper.finished.silent = pool.close(_GRACE_SECONDS)
        return keeper.finished
    if isinstance(setup, DataSetup) and setup.slots.note is not None:
        hooks.say(setup.slots.note)
    recorders = hooks.recorders
    state = keeper.state
    writer = None
    try:
        conduct = method(pool, state, mpi == _VIRTUAL)
        strategy = conduct.strategy
        pool.start(0.0 if paced else state.seconds)
        if paced:
            go_through(pool, strategy, paced, state, config.checkpoint)
            pool.members.take_changes()  # those the run file knows
            keeper.check_time(pool.now())
        if config.output.path is not None:
            attrs = {
                "config": config.to_toml(),
                "seed": config.run.seed,
                "mpi": mpi,
                "hosts": pool.hosts,
                "job": job(),
                "compiled": kernels.COMPILED,
                "blas_threads": blas()[1],
                "shrinkage": conduct.shrinkage,
            }
            writer = keeper.run_file(config.output.path, attrs, conduct.arrays(), pool.n_workers)
            conduct.record_by(writer.code)
            pool.log = strategy.log(writer.message)
            recorders = [writer, *recorders]
            if setup.faults is not None and setup.faults.disk_full_at is not None:
                recorders.append(FullDisk(writer.part, setup.faults.disk_full_at))
        checkpoints = keeper.checkpoints(pool.now, writer)
        result = train(
            pool,
            strategy,
            state,
            config.run,
            _evaluator(setup) if setup.has_test else None,
            recorders,
            checkpoints,
            setup.loss if isinstance(setup, DataSetup) else None,
        )
        result.checkpoint = checkpoints.last
        if writer is not None:
            writer.close(result.parameters, result.complete, result.outcome)
            result.path = writer.path
    except BaseException as error:
        try:
            if writer is not None:
                writer.__exit__(type(error), error, error.__traceback__)
        finally:
            # the workers are let go even if the disk refuses
            silent = pool.close(_GRACE_SECONDS_AFTER_ERROR)
        if isinstance(error, MpicodeError):
            error.silent = tuple(silent)
        raise
    result.silent = pool.close(_GRACE_SECONDS)
    result.shrinkage = conduct.shrinkage
    if result.n_iterations:
        started = result.history["started"]
        result.uncoded_delay = uncoded_delay(setup.delay, pool.n_workers, started)
    return result


def _evaluator(setup: Common) -> Callable[[NDArray[np.float64]], tuple[float, float]]:
    def evaluate(x: NDArray[np.float64]) -> tuple[float, float]:
        x = x.astype(setup.dtype)
        loss = correct = n_rows = 0.0
        for rows in setup.test_rows():
            chunk_loss, chunk_correct = setup.problem.evaluate(x, rows)
            loss, correct, n_rows = loss + chunk_loss, correct + chunk_correct, n_rows + len(rows.y)
        return loss / n_rows, correct / n_rows

    return evaluate
