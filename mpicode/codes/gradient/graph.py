"""Graph codes: Glasgow & Wootters, "Approximate Gradient Coding with Optimal Decoding", 2020."""

from __future__ import annotations

from math import gcd, isqrt
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from ...errors import ConfigError
from ..assignment import AssignmentCode
from ..checks import check_stragglers, nearest
from ..edge_weights import edge_weights
from ..graphs import apart, regular_graph


class Graph(AssignmentCode):
    """Blocks are the vertices of a regular graph, a worker is an edge and holds its two ends.

    replication  : copies of a block: the degree d of the graph, which has 2 n_workers / d vertices
    n_stragglers : answers not waited for
    n_blocks     : blocks in all, a multiple of the number of vertices; default that number

    Only a block in a component without an odd cycle can be missed, by the little that its sides
    differ in size: all such components together miss ``sum (L - R)^2 / (L + R)`` blocks. On an
    expander with random stragglers nearly all blocks are in one large component, and the share that
    is missed falls nearly as ``(s / n)^d``. No set of s stragglers misses more blocks than
    ``(d + l) n s / (d^2 (n - s))``, l the second eigenvalue of the graph (theorems of the paper).
    Decoded optimally in linear time.
    """

    name = "graph"

    def __init__(
        self,
        *,
        n_workers: int,
        replication: int = 3,
        n_stragglers: int = 1,
        n_blocks: int | None = None,
        seed: int = 0,
    ) -> None:
        check_stragglers(n_workers, n_stragglers)
        if not _exists(n_workers, replication):
            degrees = [d for d in range(1, isqrt(2 * n_workers) + 1) if _exists(n_workers, d)]
            raise ConfigError(
                f"code.replication: no graph with {n_workers} edges has degree {replication} "
                f"everywhere; nearest valid: {nearest(replication, degrees)}"
                + _other_workers(n_workers, replication)
            )
        self.n_vertices = 2 * n_workers // replication
        # A node of consecutive workers takes at most one or two copies of a block with it.
        graph = regular_graph(self.n_vertices, replication, seed)
        self.edges = apart(graph, self.n_vertices)
        self._by_vertex = np.lexsort((self.edges[:, 1], self.edges[:, 0]))
        ends = (np.repeat(np.arange(n_workers), 2), self.edges.ravel())
        super().__init__(
            sparse.csr_array((np.ones(2 * n_workers), ends), shape=(n_workers, self.n_vertices)),
            n_stragglers=n_stragglers,
            n_blocks=n_blocks,
        )

    def solve(self, arrived: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
        """Decode along the components that the edges which arrived form."""
        coefficients = np.zeros((1, self.n_messages))
        rows = self._by_vertex[arrived[self._by_vertex]]
        coefficients[0, rows] = edge_weights(self.n_vertices, self.edges[rows])
        return coefficients


def _exists(n_edges: int, degree: int) -> bool:
    """Return whether a simple graph with so many edges has this degree everywhere."""
    return degree >= 1 and 2 * n_edges % degree == 0 and 2 * n_edges >= degree * (degree + 1)


def _other_workers(n_edges: int, degree: int) -> str:
    """Return with how many edges nearby there is a graph of this degree, as an error names them."""
    if degree < 1:
        return ""
    least, step = degree * (degree + 1) // 2, degree // gcd(degree, 2)
    below = n_edges // step * step
    valid = [n for n in (least, below, below + step) if _exists(n, degree)]
    return f", or n_workers {nearest(n_edges, valid)}"
