"""Expander graphs: Raviv, Tamo, Tandon & Dimakis, arXiv:1707.03858, approximate part."""

from __future__ import annotations

from functools import cached_property

from ...errors import ConfigError
from ..assignment import AssignmentCode
from ..checks import check_stragglers, nearest
from ..graphs import adjacency, regular_graph, second_eigenvalue


class Expander(AssignmentCode):
    """Workers and blocks are the vertices of an expander; a worker sends its neighbours' mean.

    replication  : workers that hold a block, and blocks on a worker: the degree d of the graph;
                   n_workers * d must be even
    n_stragglers : answers not waited for
    n_blocks     : blocks in all, a multiple of n_workers; default n_workers

    The encoding is A / d. Decoded with the same coefficient n / (n - s) for every answer, the error
    over any s stragglers is at most ``(lambda / d) sqrt(n s / (n - s))`` for as many blocks as
    workers, where lambda is ``second_eigenvalue`` (theorem of the paper); least squares, used here,
    does no worse, so ``residual`` is at most the square of that.
    """

    name = "expander"

    def __init__(
        self,
        *,
        n_workers: int,
        replication: int = 4,
        n_stragglers: int = 1,
        n_blocks: int | None = None,
        seed: int = 0,
    ) -> None:
        check_stragglers(n_workers, n_stragglers)
        if not 1 <= replication < n_workers or n_workers * replication % 2:
            degrees = [d for d in range(1, n_workers) if n_workers * d % 2 == 0]
            least = max(1, replication) + 1
            near = (least, least + 1, n_workers - 1, n_workers + 1)
            workers = [n for n in near if n >= least and n * replication % 2 == 0]
            raise ConfigError(
                f"code.replication: no graph of {n_workers} vertices has degree {replication} "
                f"everywhere; nearest valid: {nearest(replication, degrees)}"
                + (f", or n_workers {nearest(n_workers, workers)}" if replication > 0 else "")
            )
        self.edges = regular_graph(n_workers, replication, seed)
        super().__init__(
            adjacency(self.edges, n_workers) / replication,
            n_stragglers=n_stragglers,
            n_blocks=n_blocks,
        )

    @cached_property
    def second_eigenvalue(self) -> float:
        """The second largest modulus among the eigenvalues of the graph."""
        return second_eigenvalue(self.edges, self.n_workers)
