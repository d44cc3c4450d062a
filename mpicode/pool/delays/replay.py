"""The delays of a recorded run, met again at the same seconds of run time."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np

from ...errors import ConfigError
from .base import Delay


class Recorded(Protocol):
    """What `Replay` reads of a run file."""

    iterations: Mapping[str, np.ndarray]
    workers: Mapping[str, np.ndarray]


class Replay(Delay):
    """Workers are as late as worker ``i`` of the run file ``path`` was at that second of its run.

    What is injected is the latency beyond the quickest answer of the whole file, since the worker
    that replays it computes on its own; with ``whole_latency`` it is all of it, for simulations
    whose computing takes no time. Where a worker did not answer within an iteration, it is held
    until the start of the iteration in which it answered next. A run longer than the record meets
    it again from its start.

    The run file is read by ``read_run`` (`mpicode.results.read_run`), handed over as context: the
    format of run files is the business of `mpicode.results` alone, and a delay model may not import
    its sibling. Only ``iterations["seconds"]`` (n_iterations,) and ``workers["latency_seconds"]``
    (n_iterations, n_workers) are looked at.
    """

    name = "replay"

    def __init__(
        self,
        *,
        path: str,
        whole_latency: bool = False,
        n_workers: int,
        read_run: Callable[[str], Recorded] | None,
    ) -> None:
        if read_run is None:
            raise ConfigError(
                "delays.name: 'replay' wants read_run=mpicode.results.read_run in delays.make"
            )
        run = read_run(path)
        seconds = np.asarray(run.iterations["seconds"], dtype=np.float64)
        latency = np.array(run.workers.get("latency_seconds", np.empty((0, 0))), dtype=np.float64)
        if latency.ndim != 2 or latency.shape[0] != len(seconds) or not len(seconds):
            raise ConfigError(
                f"delays.path: {path} records {latency.shape[0]} rows of worker latencies "
                f"for {len(seconds)} iterations"
            )
        if latency.shape[1] < n_workers:
            raise ConfigError(
                f"delays.path: {path} records {latency.shape[1]} workers, the run has {n_workers}"
            )
        if not np.isfinite(latency).any():
            raise ConfigError(f"delays.path: {path} holds no worker latency")
        if not (np.isfinite(seconds).all() and (seconds >= 0).all() and seconds.sum() > 0):
            raise ConfigError(f"delays.path: {path} holds iterations without a duration")
        ends = np.cumsum(seconds)
        self._length = float(ends[-1])
        self._starts: list[float] = [0.0, *ends[:-1].tolist()]
        self._delay = latency if whole_latency else np.maximum(latency - np.nanmin(latency), 0.0)

    def seconds(self, worker: int, iteration: int, now: float, load: float) -> float:
        """Return the recorded delay of ``worker`` at second ``now`` of the recorded run."""
        now %= self._length
        row = bisect_right(self._starts, now) - 1
        column = self._delay[row:, worker]
        answered = np.flatnonzero(np.isfinite(column))
        if len(answered) and answered[0] == 0:
            return float(column[0])
        until = self._starts[row + int(answered[0])] if len(answered) else self._length
        return until - now
