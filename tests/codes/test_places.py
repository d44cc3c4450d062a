from collections import Counter
from itertools import combinations

import numpy as np
import pytest

from mpicode import codes
from mpicode.codes.places import spread

SCHEMES = [
    ("uncoded", {}),
    ("fractional-repetition", {"n_stragglers": 1}),
    ("fractional-repetition", {"n_stragglers": 2}),
    ("cyclic", {"n_stragglers": 2}),
    ("kadhe", {"replication": 4, "n_segments": 2}),
    ("graph", {"replication": 3}),
    ("bernoulli", {"load": 3}),
    ("erasure-head", {}),
]
NODES = {
    "by slot": [i // 3 for i in range(12)],
    "by node": [i % 4 for i in range(12)],
    "uneven": [0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2],
    "named": [["b", "a", "c"][i % 3] for i in range(12)],
}


def pairs(code, workers, nodes):
    """Pairs of copies of one block on one node."""
    held = Counter((nodes[w], b) for place, w in enumerate(workers) for b in code.blocks(place))
    return sum(n * (n - 1) // 2 for n in held.values())


@pytest.mark.parametrize(("name", "parameters"), SCHEMES)
@pytest.mark.parametrize("nodes", NODES.values(), ids=NODES)
def test_every_worker_has_one_place_and_no_block_lies_worse(name, parameters, nodes):
    code = codes.make(name, n_workers=12, seed=0, **parameters)
    workers = spread(code, nodes)
    assert sorted(workers) == list(range(12))
    as_numbered = list(range(12))
    assert workers == as_numbered or pairs(code, workers, nodes) < pairs(code, as_numbered, nodes)
    assert all(type(worker) is int for worker in workers)


@pytest.mark.parametrize("nodes", [["a"] * 12, list(range(12))], ids=["one node", "a node each"])
def test_where_there_is_nothing_to_choose_workers_stay_as_numbered(nodes):
    code = codes.make("fractional-repetition", n_workers=12, n_stragglers=2)
    assert spread(code, nodes) == list(range(12))


def decodable(code, workers, nodes, n_lost):
    """For each set of lost nodes, whether the sum is still exact."""
    place = np.argsort(workers)
    for lost in combinations(sorted(set(nodes)), n_lost):
        gone = [place[w] for w in range(code.n_workers) if nodes[w] in lost]
        yield code.decode(~np.isin(code.owner, gone)).residual < 1e-9


@pytest.mark.parametrize("n_stragglers", [1, 2, 3])
@pytest.mark.parametrize("nodes", NODES.values(), ids=NODES)
def test_no_node_takes_a_whole_group_if_any_placement_can_have_that(nodes, n_stragglers):
    code = codes.make("fractional-repetition", n_workers=12, n_stragglers=n_stragglers)
    assert all(decodable(code, spread(code, nodes), nodes, 1))


def test_as_numbered_a_node_can_take_whole_groups():
    code = codes.make("fractional-repetition", n_workers=12, n_stragglers=2)
    assert not any(decodable(code, list(range(12)), NODES["by node"], 1))


def test_groups_lie_on_few_sets_of_nodes():
    """Of 15 pairs of 6 nodes the 12 groups of 2 could lie on 12; they lie on 3."""
    nodes = [i % 6 for i in range(24)]
    code = codes.make("fractional-repetition", n_workers=24, n_stragglers=1)
    assert sum(decodable(code, spread(code, nodes), nodes, 2)) == 12
