"""How a run gets its gradients: what the master does and what workers do, by the code's family."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from ..pool import Kind, Stream, Work, WorkerPool
from ..pool.worker import Renew
from .asynchronous.rounds import Rounds
from .asynchronous.strategy import Asynchronous
from .checkpoints import State
from .coded_data import CodedData
from .coded_gradient import CodedGradient
from .common import Common
from .data_checks import check_function
from .data_rules import check_stability
from .data_setup import DataSetup
from .gathering import Gathering
from .loop import Strategy
from .placement import place
from .restoration import Restoration, Scheme, shrinkage_for
from .setup import Setup
from .shrinkage import Shrinkage
from .synchronous import Synchronous
from .works import Works

Record = Callable[[Mapping[str, Any], int], None]
MakeWork = Callable[[int], Work]


class Conduct(NamedTuple):
    """What the master of one run has.

    strategy  : whom to ask what, and when to step
    arrays    : returns what a run file keeps of the code at work
    record_by : says who is to be called with the arrays of each further code, and the iteration it
                begins with
    shrinkage : what sums that are not exact are divided by
    """

    strategy: Strategy
    arrays: Callable[[], dict[str, Any]]
    record_by: Callable[[Record], None]
    shrinkage: float = 1.0


Method = Callable[[WorkerPool, State, bool], Conduct]
"""Of pool, state, and whether a checkpoint gives up what is under way; see `Asynchronous`."""


def method_for(setup: Common, nodes: Sequence[str]) -> Method:
    """Return what makes the conduct of a run, given its pool.

    nodes : (n_workers,) the node that each worker is on

    Raises `ConfigError` where rounding would spoil the gradients. The master alone asks: it takes
    many decodings.
    """
    if isinstance(setup, DataSetup):
        check_stability(setup.rules, setup.dtype, setup.config.decoding.max_error)
        check_function(setup)
        return lambda pool, state, empties: _by_data(setup, pool, state)
    assert isinstance(setup, Setup)
    workers = place(setup.config, setup.code, nodes)
    if setup.config.asynchronous.mode is not None:
        scheme = Scheme(setup, Shrinkage(), workers)
        return lambda pool, state, empties: _one_by_one(scheme, pool, state, empties)
    scheme = Scheme(setup, shrinkage_for(setup), workers)
    return lambda pool, state, empties: _by_gradients(scheme, pool, nodes, state)


def _one_by_one(scheme: Scheme, pool: WorkerPool, state: State, empties: bool) -> Conduct:
    assert isinstance(pool, Stream)
    if scheme.setup.config.asynchronous.mode == "round":
        rounds = Rounds(pool, scheme.setup, scheme.workers, state)
        return Conduct(rounds, scheme.arrays, lambda record: None)
    strategy = Asynchronous(pool, scheme.setup, scheme.workers, state, empties)

    def arrays() -> dict[str, Any]:
        return {**scheme.arrays(), **strategy.code_arrays()}

    return Conduct(strategy, arrays, strategy.record_codes_by)


def _by_gradients(scheme: Scheme, pool: WorkerPool, nodes: Sequence[str], state: State) -> Conduct:
    setup, shrinkage = scheme.setup, scheme.shrinkage
    when_lost = setup.config.faults.when_lost
    restoration = Restoration(scheme, pool, nodes) if when_lost == "restore" else None
    gradient = CodedGradient(
        *(pool, setup.code, setup.segments, setup.rules, shrinkage),
        *(when_lost, restoration, scheme.workers),
    )

    def arrays() -> dict[str, Any]:
        return (scheme if restoration is None else restoration.scheme).arrays()

    def record_by(record: Record) -> None:
        if restoration is not None:
            restoration.record = record

    strategy = Synchronous(gradient, setup.problem, state)
    return Conduct(strategy, arrays, record_by, shrinkage.stopped)


def _by_data(setup: DataSetup, pool: WorkerPool, state: State) -> Conduct:
    gather = Gathering(pool, setup.rules, Kind.GRADIENT, setup.config.faults.when_lost)
    gradient = CodedData(gather, setup.rules, setup.arithmetic, setup.slots, setup.problem)
    strategy = Synchronous(gradient, setup.problem, state)
    return Conduct(strategy, lambda: {"storage": setup.code.storage}, lambda record: None)


def works_of(setup: Common, nodes: Sequence[str]) -> tuple[MakeWork, Renew | None]:
    """Return what makes the work of a worker, and what makes it under a later code."""
    if isinstance(setup, DataSetup):
        return setup.work, None
    assert isinstance(setup, Setup)
    works = Works(setup, place(setup.config, setup.code, nodes))
    return works.first, works.repacked if setup.config.asynchronous.mode else works.renewed
