import numpy as np
from numpy.testing import assert_allclose

from mpicode.codes.edge_weights import edge_weights


def graph(rng):
    """A random graph, seldom regular, often with isolated vertices; some edges lost."""
    n_vertices = int(rng.integers(2, 30))
    every = np.argwhere(np.triu(np.ones((n_vertices, n_vertices)), 1))
    kept = rng.random(len(every)) < rng.uniform(0, 4) / n_vertices
    return n_vertices, every[kept].astype(np.intp)


def incidence(n_vertices, edges):
    matrix = np.zeros((n_vertices, len(edges)))
    np.put_along_axis(matrix, edges.T, 1.0, axis=0)
    return matrix


def test_the_weights_are_a_least_squares_solution_on_random_graphs():
    rng = np.random.default_rng(0)
    for _ in range(500):
        n_vertices, edges = graph(rng)
        matrix = incidence(n_vertices, edges)
        weights = edge_weights(n_vertices, edges)
        least = np.linalg.lstsq(matrix, np.ones(n_vertices), rcond=1e-12)[0]
        assert_allclose(matrix @ weights, matrix @ least, rtol=0, atol=1e-12)


def components(n_vertices, edges):
    """The sides of each component: two sets, or None where there is an odd cycle."""
    side = {}
    for root in range(n_vertices):
        if root in side:
            continue
        side[root], members, odd = 0, [root], False
        for vertex in members:
            for edge in edges[(edges == vertex).any(axis=1)]:
                other = int(edge.sum()) - vertex
                odd |= side.get(other) == side[vertex]
                if other not in side:
                    side[other] = 1 - side[vertex]
                    members.append(other)
        ones = sum(side[v] for v in members)
        yield None if odd else (len(members) - ones, ones)


def test_what_is_missed_follows_from_the_sides_of_bipartite_components():
    rng = np.random.default_rng(1)
    kinds = set()
    for _ in range(200):
        n_vertices, edges = graph(rng)
        sums = incidence(n_vertices, edges) @ edge_weights(n_vertices, edges)
        sides = list(components(n_vertices, edges))
        wanted = sum((a - b) ** 2 / (a + b) for a, b in filter(None, sides))
        assert_allclose(np.sum((sums - 1) ** 2), wanted, rtol=1e-11, atol=1e-20)
        kinds.update("odd" if pair is None else "even" for pair in sides)
    assert kinds == {"odd", "even"}


def test_a_path_of_many_edges_is_decoded_too():
    # Where steps of conjugate gradients get nowhere, and a sum of ones passes every edge.
    for n_vertices in (1000, 1001):
        path = np.column_stack([np.arange(n_vertices - 1), np.arange(1, n_vertices)])
        sums = incidence(n_vertices, path) @ edge_weights(n_vertices, path)
        short = n_vertices % 2 / n_vertices
        assert_allclose(sums, 1 - short * (-1.0) ** np.arange(n_vertices), atol=1e-11)
