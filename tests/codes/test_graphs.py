import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse.csgraph import connected_components

from mpicode.codes.graphs import adjacency, apart, regular_graph, second_eigenvalue

SIZES = [(2, 1), (3, 2), (9, 2), (5, 4), (6, 5), (16, 3), (25, 6), (24, 21), (300, 3), (400, 7)]


@pytest.mark.parametrize(("n", "degree"), SIZES)
def test_the_graph_is_simple_regular_connected_and_in_order(n, degree):
    edges = regular_graph(n, degree, seed=1)
    assert edges.shape == (n * degree // 2, 2)
    assert (edges[:, 0] < edges[:, 1]).all()
    assert (np.diff(edges @ [n, 1]) > 0).all()
    assert_array_equal(np.bincount(edges.ravel(), minlength=n), degree)
    assert connected_components(adjacency(edges, n))[0] == 1


@pytest.mark.parametrize(("n", "degree", "near"), [(24, 3, 0.95), (50, 4, 1.0), (200, 6, 1.05)])
def test_the_graph_expands_about_as_well_as_any_can(n, degree, near):
    """Ramanujan graphs have at most 2 sqrt(d - 1), which none of many vertices can do without."""
    for seed in range(3):
        found = second_eigenvalue(regular_graph(n, degree, seed), n)
        assert found <= near * 2 * np.sqrt(degree - 1)


def test_graphs_of_another_seed_are_others():
    assert (regular_graph(20, 3, seed=0) != regular_graph(20, 3, seed=1)).any()
    assert_array_equal(regular_graph(20, 3, seed=2), regular_graph(20, 3, seed=2))


def test_known_second_eigenvalues():
    def complete(n):
        return np.argwhere(np.triu(np.ones((n, n)), 1))

    assert_allclose(second_eigenvalue(complete(7), 7), 1)
    assert_allclose(second_eigenvalue(regular_graph(7, 2, 0), 7), 2 * np.cos(np.pi / 7))
    assert_allclose(second_eigenvalue(regular_graph(8, 2, 0), 8), 2)  # bipartite
    two = np.concatenate([complete(4), complete(4) + 4])
    assert_allclose(second_eigenvalue(two, 8), 3)  # not connected
    pairs = np.array([[a, b] for a in range(5) for b in (5, 6, 7, 8, 9)])
    assert_allclose(second_eigenvalue(pairs, 10), 5)


@pytest.mark.parametrize(("n", "degree"), [(16, 3), (12, 4), (40, 3), (9, 8), (30, 2)])
def test_neighbours_in_the_order_are_apart_in_the_graph(n, degree):
    edges = regular_graph(n, degree, seed=0)
    ordered = apart(edges, n)
    assert_array_equal(np.unique(ordered, axis=0), edges)
    size = n // 4
    for first in range(len(edges) - size + 1):
        window = ordered[first : first + size]
        assert np.bincount(window.ravel()).max() == 1
