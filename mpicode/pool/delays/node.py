"""Whole nodes go bad: the workers of a node are slow together."""

from __future__ import annotations

from ...errors import ConfigError
from .base import Delay, check_at_least_zero
from .two_state import TwoState


class Node(Delay):
    """As `Markov`, with one process for every ``workers_per_node`` consecutive workers.

    Worker ``i`` lives on node ``i // workers_per_node``; the last node may hold fewer. It is the
    pattern that codes built for independent stragglers do not expect.
    """

    name = "node"

    def __init__(
        self,
        *,
        workers_per_node: int,
        good_seconds: float,
        bad_seconds: float,
        seconds: float,
        n_workers: int,
        seed: int,
    ) -> None:
        if not 1 <= workers_per_node <= n_workers:
            raise ConfigError(
                f"delays.workers_per_node: must lie in [1, {n_workers}] for {n_workers} workers, "
                f"got {workers_per_node}"
            )
        self._workers_per_node = workers_per_node
        self._state = TwoState(good_seconds=good_seconds, bad_seconds=bad_seconds, seed=seed)
        self._seconds = check_at_least_zero("seconds", seconds)

    def seconds(self, worker: int, iteration: int, now: float, load: float) -> float:
        """Return ``seconds`` if the worker's node is in a bad spell at ``now``, else 0."""
        node = worker // self._workers_per_node
        return self._seconds if self._state.is_bad(node, now) else 0.0
