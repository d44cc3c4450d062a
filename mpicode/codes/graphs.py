"""Random regular graphs that are good expanders, and how good they are."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse.csgraph import connected_components

Edges = npt.NDArray[np.intp]

# Up to so many vertices several random graphs compete for the least second eigenvalue. Beyond, any
# of them is within a few percent of the best there can be (Friedman; Alon & Boppana).
DRAW_VERTICES = 256
DRAWS = 16

# Exchanges tried per edge: the distribution of the second eigenvalue no longer moves (measured).
EXCHANGES = 10


def regular_graph(n_vertices: int, degree: int, seed: int) -> Edges:
    """Return the edges of a good connected regular graph, (n_vertices * degree / 2, 2), sorted.

    ``n_vertices * degree`` must be even and ``degree < n_vertices``. No loops, no double edges.
    Of several random graphs the one whose second eigenvalue has the least modulus is taken; the
    graphs of degree 2 and less are a ring and a matching.
    """
    ring = _ring(n_vertices, degree)
    if degree <= 2:
        return ring
    rng = np.random.default_rng([seed, n_vertices, degree])
    if n_vertices > DRAW_VERTICES:
        edges = _exchanged(ring, rng)
        while connected_components(adjacency(edges, n_vertices), directed=False)[0] > 1:
            edges = _exchanged(ring, rng)
        return edges
    candidates = [ring, *(_exchanged(ring, rng) for _ in range(DRAWS))]
    # Six digits: hosts whose last digits differ must make the same choice.
    found = [float(f"{second_eigenvalue(edges, n_vertices):.5e}") for edges in candidates]
    return candidates[int(np.argmin(found))]


def adjacency(edges: Edges, n_vertices: int) -> sparse.csr_array:
    """Return the symmetric 0/1 matrix of a graph, (n_vertices, n_vertices)."""
    ends = np.concatenate([edges, edges[:, ::-1]])
    ones = np.ones(len(ends))
    return sparse.csr_array((ones, (ends[:, 0], ends[:, 1])), shape=(n_vertices, n_vertices))


def apart(edges: Edges, n_vertices: int) -> Edges:
    """Return the edges in an order in which neighbours in it, also several, meet in no vertex.

    Next is always the edge whose ends were used longest ago, so that about n_vertices / 2
    consecutive ones are apart.
    """
    used = np.full(n_vertices, -1)
    rest = edges
    ordered = np.empty_like(edges)
    for place in range(len(edges)):
        ends = np.sort(used[rest], axis=1)
        chosen = np.lexsort((ends[:, 0], ends[:, 1]))[0]
        ordered[place] = rest[chosen]
        used[rest[chosen]] = place
        rest = np.delete(rest, chosen, axis=0)
    return ordered


def second_eigenvalue(edges: Edges, n_vertices: int) -> float:
    """Return the second largest modulus among the eigenvalues of a regular graph's adjacency.

    It is the degree itself if the graph is bipartite or not connected; of the order of
    ``2 sqrt(degree - 1)`` if it is a good expander.
    """
    matrix = adjacency(edges, n_vertices).toarray()
    # The largest belongs to the vector of ones, which is taken out.
    matrix -= 2 * len(edges) / n_vertices**2
    return float(np.abs(np.linalg.eigvalsh(matrix)).max())


def _ring(n: int, degree: int) -> Edges:
    """Return the graph in which every vertex is joined with those nearest to it on a ring."""
    vertices = np.arange(n)
    steps = [
        np.column_stack([vertices, (vertices + step) % n]) for step in range(1, degree // 2 + 1)
    ]
    if degree % 2:
        steps.append(np.column_stack([vertices[: n // 2], vertices[: n // 2] + n // 2]))
    return _sorted(np.concatenate(steps))


def _exchanged(edges: Edges, rng: np.random.Generator) -> Edges:
    """Exchange ends between random pairs of edges, which keeps all degrees, many times."""
    pairs = [(int(a), int(b)) for a, b in edges]
    present = set(pairs)
    tries = EXCHANGES * len(pairs)
    chosen = rng.integers(len(pairs), size=(tries, 2)).tolist()
    turned = (rng.random(tries) < 0.5).tolist()
    for (i, j), turn in zip(chosen, turned, strict=True):
        (a, b), (c, d) = pairs[i], pairs[j][::-1] if turn else pairs[j]
        one, other = (min(a, d), max(a, d)), (min(b, c), max(b, c))
        if a == d or b == c or one in present or other in present:
            continue
        present -= {pairs[i], pairs[j]}
        present |= {one, other}
        pairs[i], pairs[j] = one, other
    return _sorted(np.array(pairs, dtype=np.intp))


def _sorted(edges: Edges) -> Edges:
    ordered = np.sort(edges, axis=1)
    return ordered[np.lexsort((ordered[:, 1], ordered[:, 0]))]
