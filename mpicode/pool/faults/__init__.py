"""Faults that a run injects into itself, by kind: ``faults.inject`` of the configuration.

A worker meets them in `mpicode.pool.worker.worker_loop`, and its transport carries out what happens
to the process: real signals under MPI, the same words under the virtual clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from ...errors import ConfigError
from ...registry import Registry, suggest
from ..delays.base import check_seed
from ..wire import Frame
from .base import Fault, Moment
from .disk import FullDisk
from .process import Exit, Kill, ProcessFault, Segfault, Stop
from .work import Corrupt, Drop, InjectedError, Lie, Raise, Slow

FAULTS: tuple[type[Fault] | type[FullDisk], ...] = (
    Kill,
    Segfault,
    Exit,
    Stop,
    Raise,
    Slow,
    Drop,
    Corrupt,
    Lie,
    FullDisk,
)

__all__ = ["FAULTS", "InjectedError", "Injection", "Moment", "ProcessFault", "Raise", "make"]


class Injection:
    """All faults of a run, as its workers and its master ask for them."""

    def __init__(self, faults: Sequence[Fault | FullDisk]) -> None:
        self._striking = [f for f in faults if isinstance(f, (ProcessFault, Raise))]
        self._slow = [f for f in faults if isinstance(f, Slow)]
        self._drop = [f for f in faults if isinstance(f, Drop)]
        self._lies = [f for f in faults if isinstance(f, Lie)]
        self._corrupt = [f for f in faults if isinstance(f, Corrupt)]
        self.disk_full_at = min(
            (f.iteration for f in faults if isinstance(f, FullDisk)), default=None
        )
        """Iteration after which the master's disk is full, None if it never is."""

    @property
    def corrupts(self) -> bool:
        """Whether any answer may be damaged."""
        return bool(self._corrupt)

    def due(self, worker: int, moment: Moment, iteration: int = -1) -> list[ProcessFault | Raise]:
        """Return what strikes the worker itself; to be asked once for each moment."""
        return [f for f in self._striking if f.strikes(worker, moment, iteration)]

    def slow_seconds(self, worker: int, iteration: int) -> float:
        """Return how long the worker sleeps before it computes."""
        return sum(f.seconds for f in self._slow if f.strikes(worker, "compute", iteration))

    def drops(self, worker: int, iteration: int) -> bool:
        """Return whether the worker's answers of this iteration come empty."""
        return any(f.strikes(worker, "send", iteration) for f in self._drop)

    def falsify(self, values: NDArray[Any], worker: int, iteration: int) -> None:
        """Replace the numbers of an answer, if the worker is to lie."""
        for fault in self._lies:
            if fault.strikes(worker, "send", iteration):
                fault.tell(values)

    def spoil(self, frame: Frame, worker: int, iteration: int) -> None:
        """Damage an answer that is about to leave, if it is to be damaged."""
        for fault in self._corrupt:
            if fault.strikes(worker, "send", iteration):
                fault.spoil(frame, worker, iteration)


def make(entries: Sequence[Mapping[str, Any]], *, n_workers: int, seed: int) -> Injection | None:
    """Build the faults; None without any. A wrong kind, key or value raises `ConfigError`."""
    if not entries:
        return None
    names = [cls.name for cls in FAULTS]
    faults = []
    for number, entry in enumerate(entries):
        key, parameters = f"faults.inject[{number}]", dict(entry)
        kind = parameters.pop("kind", None)
        if kind not in names:
            said = "missing" if kind is None else f"unknown kind {kind!r}"
            raise ConfigError(f"{key}.kind: {said}; {suggest(str(kind), names)}")
        registry: Registry[Fault | FullDisk] = Registry(key, FAULTS)
        context = {"key": key, "number": number, "n_workers": n_workers, "seed": check_seed(seed)}
        faults.append(registry.make(kind, parameters, **context))
    return Injection(faults)
