import numpy as np
import pytest

from mpicode import codes
from mpicode.codes.gradient.graph import Graph
from mpicode.codes.sets import straggler_sets
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
        {"n_workers": 15, "replication": 5, "n_stragglers": 7},
    )


@pytest.mark.parametrize(("n_workers", "replication"), [(60, 3), (60, 4), (600, 3)])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.25])
def test_the_weights_are_hardly_larger_than_they_must_be(n_workers, replication, share):
    code = codes.make("graph", n_workers=n_workers, replication=replication)
    arrived = np.random.default_rng(2).permutation(n_workers) >= share * n_workers
    least = np.linalg.norm(super(Graph, code).solve(arrived))
    assert code.decode(arrived).amplification <= 1.05 * least


def test_a_worker_holds_two_blocks_and_a_block_has_as_many_holders_as_asked():
    code = codes.make("graph", n_workers=30, replication=5, n_blocks=24)
    held = code.encoding.toarray()
    assert held.shape == (30, 24)
    assert (held.sum(axis=1) == 4).all()
    assert (held.sum(axis=0) == 5).all()
    assert len(np.unique(held, axis=0)) == 30


@pytest.mark.parametrize(("n", "degree"), [(24, 3), (20, 4), (40, 5), (28, 7)])
def test_no_set_of_stragglers_misses_more_than_the_second_eigenvalue_allows(n, degree):
    code = codes.make("graph", n_workers=n, replication=degree)
    rows = code.encoding.toarray()
    second = np.sort(np.linalg.eigvalsh(rows.T @ rows))[-2]  # degree + that of the adjacency
    for s in range(1, n, max(1, n // 12)):
        bound = second * n * s / ((n - s) * degree**2)
        for lost in np.concatenate(
            [straggler_sets(n, s, 20, np.random.default_rng(s)), code.hard_sets(s)]
        ):
            arrived = ~np.isin(np.arange(n), lost)
            fixed = np.sum((n / (degree * (n - s)) * arrived @ rows - 1) ** 2)
            assert fixed <= bound * (1 + 1e-9)
            assert code.decode(arrived).residual <= fixed * (1 + 1e-9) + 1e-20


@pytest.mark.parametrize(("n", "degree"), [(24, 3), (24, 4), (60, 3), (120, 3)])
def test_a_lost_node_of_consecutive_workers_costs_nothing(n, degree):
    code = codes.make("graph", n_workers=n, replication=degree)
    for size in (2, 4, code.n_vertices // 4):
        for first in range(n):
            node = (np.arange(n) - first) % n < size
            assert code.decode(~node).residual < 1e-20, f"{size} workers from {first} on"


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
