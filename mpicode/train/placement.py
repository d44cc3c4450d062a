"""Which worker has which place in the code of a run, by the nodes that the workers are on."""

from __future__ import annotations

from collections.abc import Sequence

from ..codes import GradientCode
from ..codes.places import spread
from ..config import Config


def virtual_nodes(config: Config) -> list[str]:
    """Return the node of each worker under the virtual clock, (n_workers,)."""
    per_node = config.virtual.workers_per_node
    return [f"node {worker // per_node}" for worker in range(config.run.n_workers)]


def place(
    config: Config, code: GradientCode, nodes: Sequence[str], workers: Sequence[int] | None = None
) -> list[int]:
    """Return ``workers``, by their numbers in the run, in the order of the code's places.

    nodes   : (n_workers,) of the run
    workers : those who have a part in the code, as many as it has places; by default all
    """
    workers = range(len(nodes)) if workers is None else workers
    if config.run.placement == "as-numbered":
        return list(workers)
    return [workers[k] for k in spread(code, [nodes[worker] for worker in workers])]
