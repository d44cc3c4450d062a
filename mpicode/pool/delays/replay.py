"""The delays of a recorded run, met again at the same seconds of run time."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np

from ...errors import ConfigError
from .base import Delay


class Recorded(Protocol):
    """What `Replay` reads of a run file; `mpicode.results.RunData` is one."""

    @property
    def iterations(self) -> Mapping[str, np.ndarray]:
        """Columns (n_iterations,): ``iteration``, and ``started`` and ``seconds`` in seconds."""

    @property
    def workers(self) -> Mapping[str, np.ndarray]:
        """Columns (n_iterations, n_workers); only their width is looked at."""

    @property
    def messages(self) -> np.ndarray:
        """Fields ``worker``, ``round``, ``parameters_iteration`` and ``seconds`` of landing."""


class Replay(Delay):
    """Each worker is as late as its namesake was at that second of the recorded run ``path``.

    From the messages of the file, whatever became of them, it is known when each worker was busy:
    from a request until the last message that answers it. A request in such a span is held until
    its end, less the quickest answer of the whole file, since the worker that replays it computes
    on its own; ``whole_latency`` leaves that in, for simulations in which computing takes no time.
    A request in between is as late as the next one on record. A request that was never answered
    lasts until the end of the record, and a run longer than the record meets it again from its
    start.

    The file is read by ``read_run`` (`mpicode.results.read_run`), handed over as context: the
    format of run files is the business of `mpicode.results` alone, and a delay model may not import
    its sibling. A file that cannot serve raises `ConfigError`.
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
        recorded = max((table.shape[1] for table in run.workers.values()), default=0)
        if recorded < n_workers:
            raise ConfigError(
                f"delays.path: {path} records {recorded} workers, the run has {n_workers}"
            )
        started = np.asarray(run.iterations["started"], dtype=np.float64)
        if not len(started) or not len(run.messages):
            raise ConfigError(
                f"delays.path: {path} records {len(started)} iterations and "
                f"{len(run.messages)} messages, nothing to replay"
            )
        self._length = float(started[-1] + run.iterations["seconds"][-1])
        if not (
            np.isfinite(self._length)
            and self._length > started[0]
            and (np.diff(started) >= 0).all()
        ):
            raise ConfigError(f"delays.path: {path}: the times of its iterations do not rise")
        self._spans = [_busy(run, worker, started, self._length) for worker in range(n_workers)]
        answered = [span for spans in self._spans for span in spans if span[1] < self._length]
        quickest = min((end - start for start, end in answered), default=0.0)
        self._own = 0.0 if whole_latency else quickest
        self._ends = [[end for _, end in spans] for spans in self._spans]

    def seconds(self, worker: int, iteration: int, now: float, load: float) -> float:
        """Return how long ``worker`` was still busy at second ``now`` of the recorded run."""
        now %= self._length
        spans = self._spans[worker]
        position = bisect_right(self._ends[worker], now) % len(spans)
        start, end = spans[position]
        since = now if start <= now < end else start
        return max(end - since - self._own, 0.0)


def _busy(
    run: Recorded, worker: int, started: np.ndarray, length: float
) -> list[tuple[float, float]]:
    """Return when the worker was busy, as rising pairs of seconds that do not overlap."""
    # The request of a second round is posted when the first has ended, which is not on record.
    mine = run.messages[(run.messages["worker"] == worker) & (run.messages["round"] == 0)]
    landed: dict[int, float] = {}
    for iteration, seconds in zip(
        mine["parameters_iteration"].tolist(), mine["seconds"].tolist(), strict=True
    ):
        landed[iteration] = max(seconds, landed.get(iteration, 0.0))
    starts = dict(zip(run.iterations["iteration"].tolist(), started.tolist(), strict=True))
    spans: list[tuple[float, float]] = []
    free = 0.0
    for iteration in sorted(landed.keys() & starts.keys()):
        begin, end = max(starts[iteration], free), landed[iteration]  # only the idle are asked
        if end > begin:
            spans.append((begin, end))
            free = end
    unanswered = started[started >= free]
    if len(unanswered) and unanswered[0] < length:
        spans.append((float(unanswered[0]), length))
    return spans
