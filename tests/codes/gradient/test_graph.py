import numpy as np
import pytest
from numpy.testing import assert_allclose

from mpicode import codes
from mpicode.codes.edge_weights import edge_weights
from mpicode.codes.gradient.graph import Graph
from mpicode.errors import ConfigError

from ..approximate import ApproximateSuite
from ..suite import CodeSuite


class TestGraph(ApproximateSuite, CodeSuite):
    code = Graph
    cases = (
        {"n_workers": 1, "replication": 1, "n_stragglers": 0},
        {"n_workers": 7, "replication": 2, "n_stragglers": 2},
        {"n_workers": 12, "n_stragglers": 4, "n_blocks": 16},
        {"n_workers": 24, "replication": 4, "seed": 5},
        {"n_workers": 36, "replication": 8, "n_stragglers": 18},
    )


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


@pytest.mark.parametrize(("n_workers", "replication"), [(60, 3), (60, 4), (600, 3)])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.25])
def test_the_weights_are_hardly_larger_than_they_must_be(n_workers, replication, share):
    code = codes.make("graph", n_workers=n_workers, replication=replication)
    arrived = np.random.default_rng(2).permutation(n_workers) >= share * n_workers
    least = np.linalg.norm(super(Graph, code).solve(arrived))
    assert code.decode(arrived).amplification <= 1.05 * least


def test_a_path_of_many_edges_is_decoded_too():
    # The largest graph there is for its edges, where steps of gradients get nowhere.
    for n_vertices in (1000, 1001):
        path = np.column_stack([np.arange(n_vertices - 1), np.arange(1, n_vertices)])
        sums = incidence(n_vertices, path) @ edge_weights(n_vertices, path)
        short = n_vertices % 2 / n_vertices
        assert_allclose(sums, 1 - short * (-1.0) ** np.arange(n_vertices), atol=1e-11)


def test_a_worker_holds_two_blocks_and_a_block_has_as_many_holders_as_asked():
    code = codes.make("graph", n_workers=30, replication=5, n_blocks=24)
    held = code.encoding.toarray()
    assert held.shape == (30, 24)
    assert (held.sum(axis=1) == 4).all()
    assert (held.sum(axis=0) == 5).all()
    assert len(np.unique(held, axis=0)) == 30


def test_random_stragglers_cost_about_as_much_as_the_blocks_they_hold_alone():
    # Nearly all of the error is that of isolated vertices, n_vertices (s / n)^d of them.
    code = codes.make("graph", n_workers=300, replication=3)
    rng = np.random.default_rng(3)
    p = 0.2
    found = [code.decode(rng.permutation(300) >= p * 300).residual / 200 for _ in range(200)]
    error = np.std(found) / np.sqrt(len(found))
    assert p**3 - 3 * error < np.mean(found) < 2 * p**3 + 3 * error


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"n_workers": 7}, r"7 edges has degree 3 .* valid: 2, or n_workers 6 or 9$"),
        ({"n_workers": 12, "replication": 0}, r"code\.replication: .* degree 0 .* valid: 1$"),
        ({"n_workers": 12, "replication": 5}, r"degree 5 .* valid: 4, or n_workers 15$"),
        ({"n_workers": 12, "n_stragglers": 12}, r"code\.n_stragglers: 12 of 12 workers"),
        ({"n_workers": 12, "n_blocks": 12}, r"code\.n_blocks: 12 blocks .* by 8 .* 8 or 16"),
    ],
)
def test_what_cannot_be_is_refused(given, said):
    with pytest.raises(ConfigError, match=said):
        codes.make("graph", **given)
