import numpy as np
import pytest

from mpicode.codes.designs import known_strongly_regular, strongly_regular
from mpicode.errors import ConfigError

KNOWN = [(n, graph) for n in range(1, 90) for graph in known_strongly_regular(n)]
IDS = [f"{n}-{graph.load}" for n, graph in KNOWN]


@pytest.mark.parametrize(("n", "known"), KNOWN, ids=IDS)
def test_pairs_have_equally_many_neighbours_in_common(n, known):
    graph = known.build().astype(int)
    assert graph.shape == (n, n) == (known.n_blocks, n)
    np.testing.assert_array_equal(graph, graph.T)
    apart = 1 - np.eye(n, dtype=int) - graph
    common = graph @ graph
    adjacent, other = common[graph == 1][0], common[apart == 1][0]
    wanted = known.load * np.eye(n, dtype=int) + adjacent * graph + other * apart
    np.testing.assert_array_equal(common, wanted)


@pytest.mark.parametrize(
    ("n", "load", "adjacent", "other"),
    [
        (5, 2, 0, 1),  # the pentagon
        (9, 4, 1, 2),  # Paley, and rook
        (10, 3, 0, 1),  # Petersen
        (10, 6, 3, 4),  # triangular
        (16, 5, 0, 2),  # Clebsch
        (16, 6, 2, 2),  # rook
        (25, 12, 5, 6),  # Paley over 25 elements
        (36, 10, 4, 2),  # rook, where no field is
        (49, 18, 7, 6),  # three directions of a plane
        (50, 7, 0, 1),  # Hoffman and Singleton
    ],
)
def test_the_graphs_of_the_literature_are_there(n, load, adjacent, other):
    graph = strongly_regular(n, load).astype(int)
    common = graph @ graph
    first, second = common[0, graph[0] == 1], common[0, 1:][graph[0, 1:] == 0]
    assert (graph[0].sum(), first[0], second[0]) == (load, adjacent, other)


def test_without_a_load_the_least_is_taken():
    assert strongly_regular(16)[0].sum() == 5


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        (
            (12,),
            r"run\.n_workers: no strongly regular graph of 12 workers .* nearest valid: 10 or 13",
        ),
        ((16, 4), r"code\.load: .* with load 4 .* 5 \(load 5 of 16\), 6 .*or n_workers 9"),
        ((0,), r"run\.n_workers: .* nearest valid: 5"),
    ],
)
def test_unknown_numbers_are_answered_with_the_nearest(numbers, said):
    with pytest.raises(ConfigError, match=said):
        strongly_regular(*numbers)
