import numpy as np
import pytest
from numpy.testing import assert_array_equal

from mpicode.codes.designs import bi_regular, coset, placement
from mpicode.errors import ConfigError


@pytest.mark.parametrize(
    ("n", "load", "replication"),
    [(40, 3, 6), (12, 4, 4), (5, 5, 5), (6, 1, 3), (1, 1, 1), (9, 4, 3)],
)
def test_degrees_are_equal_and_no_edge_is_double(n, load, replication):
    graph = bi_regular(n, load, replication)
    assert graph.shape == (n * load // replication, n)
    assert set(np.unique(graph)) <= {0, 1}
    assert_array_equal(graph.sum(axis=0), load)
    assert_array_equal(graph.sum(axis=1), replication)


def test_the_seed_decides():
    assert_array_equal(bi_regular(20, 3, 3, seed=1), bi_regular(20, 3, 3, seed=1))
    assert (bi_regular(20, 3, 3, seed=1) != bi_regular(20, 3, 3, seed=2)).any()


def test_mixing_leaves_nothing_of_the_regular_start():
    # Two workers next to each other share 3 of 4 blocks at the start, and 4 * 3 / 40 at random.
    shared = [bi_regular(40, 4, 4, seed)[:, [0, 1]].all(axis=1).sum() for seed in range(30)]
    assert np.mean(shared) < 1


def test_a_coset_graph_is_a_circulant_side_by_side():
    graph = coset(27, 3, [0, 1, 4])
    assert graph.shape == (9, 27)
    first = graph[:, :9]
    assert_array_equal(graph, np.tile(first, 3))
    assert_array_equal(first[0].nonzero()[0], [0, 1, 4])
    for row in range(1, 9):
        assert_array_equal(first[row], np.roll(first[row - 1], 1))


@pytest.mark.parametrize(
    ("given", "shape", "replication"),
    [
        (("bibd", 13, 2, None, None), (13, 13), 4),
        (("bibd", 13, 2, 3, None), (26, 13), 3),
        (("srg", 16, 2, 6, None), (16, 16), 6),
        (("srg", 16, 2, None, None), (16, 16), 5),
        (("biregular", 12, 3, None, None), (12, 12), 4),
        (("biregular", 2, 3, None, None), (2, 2), 2),
        (("biregular", 12, 2, None, 2), (12, 12), 2),
        (("biregular", 12, 2, 4, 2), (6, 12), 4),
        (("coset", 12, 2, None, None), (6, 12), 4),
        (("coset", 12, 2, 6, None), (6, 12), 6),
        (("coset", 12, 3, None, 3), (4, 12), 9),
        (("coset", 2, 2, None, None), (1, 2), 2),
    ],
)
def test_what_is_not_given_the_design_chooses(given, shape, replication):
    graph = placement(*given, seed=0)
    assert graph.shape == shape
    assert_array_equal(graph.sum(axis=1), replication)
    assert len(set(graph.sum(axis=0).tolist())) == 1


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("biregular", 40, 2, 7, 3), r"replication: 40 .* 120 copies, not 7 .* 6 or 8"),
        (
            ("biregular", 5, 2, 9, 2),
            r"replication: .* 10 copies, not 9 .* nearest valid: repl.* 5$",
        ),
        (("biregular", 5, 2, 2, 0), r"code\.load: wants at least 1, got 0"),
        (("biregular", 5, 2, None, 6), r"code\.load: .* hold 6 of 5 blocks; nearest valid: 5"),
        (("biregular", 5, 2, 0, 2), r"code\.replication: wants at least 1, got 0"),
        (("coset", 7, 2, None, None), r"code\.n_segments: .* n_segments = 2 .*got 7.* 6 or 8"),
        (("coset", 2, 3, None, None), r"code\.n_segments: .*got 2; nearest valid: n_workers 3"),
        (("coset", 12, 2, 5, None), r"code\.replication: .*not 5 .* nearest valid: .*4 or 6"),
        (("coset", 12, 2, None, 7), r"code\.load: .* hold 7 of 6 blocks; nearest valid: 6"),
        (("coset", 12, 2, 1, None), r"code\.replication: .*nearest valid: .*2"),
        (("srg", 16, 2, 5, 6), r"code\.load: .* load is 6 and replication 5"),
    ],
)
def test_impossible_numbers_are_answered_with_the_nearest(given, said):
    with pytest.raises(ConfigError, match=said):
        placement(*given, seed=0)
