import numpy as np
import pytest

import mpicode
from mpicode import codes
from mpicode.codes.places import spread
from mpicode.config import Config
from mpicode.results import read_run
from mpicode.train.arrivals import simulate
from mpicode.train.placement import place, virtual_nodes

CODE = {"name": "stochastic-block", "load": 3}
NODES = [i // 3 for i in range(12)]


@pytest.fixture
def run(tables, tmp_path):
    """Run 12 workers on 4 virtual nodes; the run file."""

    def make(placement="spread", **changes):
        path = tmp_path / f"{placement}.h5"
        changes = {"code": CODE, "virtual": {"workers_per_node": 3}, **changes}
        changes.setdefault("decoding", {"correct_step": False})
        more = changes.pop("run", {})
        mpicode.run(
            tables(
                run={"n_workers": 12, "iterations": 4, "placement": placement, **more},
                output={"path": str(path)},
                **changes,
            )
        )
        return read_run(path)

    return make


def losing(node, how="approximate"):
    kills = [{"kind": "kill", "worker": 3 * node + i, "iteration": 2} for i in range(3)]
    return {"when_lost": how, "inject": kills}


@pytest.mark.parametrize("node", range(4))
def test_a_lost_node_costs_what_the_placement_says(run, node):
    code = codes.make(CODE["name"], n_workers=12, seed=0, load=3)
    residuals = {}
    for placement, workers in (("spread", spread(code, NODES)), ("as-numbered", list(range(12)))):
        saved = run(placement, faults=losing(node))
        kept = codes_of(saved)
        assert kept == ([] if placement == "as-numbered" else [workers])
        arrived = np.array([NODES[worker] != node for worker in workers])
        expected = code.decode(arrived[code.owner]).residual
        residuals[placement] = saved.iterations["residual"][3]
        assert residuals[placement] == pytest.approx(expected, abs=1e-12)
        assert not saved.workers["arrived"][3, 3 * node : 3 * node + 3].any()
    assert residuals["spread"] < 1e-12


def codes_of(saved):
    """Who had which place in each code of a run, for those that say so."""
    return [code["workers"].tolist() for code in saved.codes if "workers" in code]


def test_as_numbered_some_node_is_missed(run):
    worst = max(run("as-numbered", faults=losing(k)).iterations["residual"][3] for k in range(4))
    assert worst > 0.1


def test_who_computes_what_does_not_change_the_sum(run):
    changes = {"code": {"name": "cyclic", "n_stragglers": 2}}
    here, there = run("spread", **changes), run("as-numbered", **changes)
    assert codes_of(here)
    assert codes_of(there) == []
    np.testing.assert_allclose(here.parameters, there.parameters, rtol=0, atol=1e-10)


def test_a_code_made_anew_is_spread_over_the_nodes_too(run):
    saved = run(
        code={"name": "cyclic", "n_stragglers": 2},
        faults=losing(1, "restore"),
        run={"iterations": 12},
    )
    *_, last = codes_of(saved)
    left = [0, 1, 2, 6, 7, 8, 9, 10, 11]
    assert sorted(last) == left
    smaller = codes.make("cyclic", n_workers=9, seed=0, n_stragglers=2)
    assert last == [left[k] for k in spread(smaller, [NODES[worker] for worker in left])]
    assert last != left
    assert saved.iterations["residual"][-1] < 1e-12


def test_a_run_resumed_under_another_placement_goes_on(run, tmp_path):
    changes = {
        "code": {"name": "fractional-repetition", "n_stragglers": 1, "spread": False},
        "checkpoint": {"path": str(tmp_path / "states"), "every": 1},
    }
    whole = run(**changes)
    run(run={"iterations": 2}, **changes)
    config = Config.loads(read_run(tmp_path / "spread.h5").config)
    config = config.replace("run", iterations=4, placement="as-numbered")
    resumed = mpicode.run(config, resume=True)
    np.testing.assert_array_equal(resumed.parameters, whole.parameters)
    first, second = read_run(tmp_path / "spread.h5").codes
    assert "workers" in first
    assert "workers" not in second
    assert (first["iteration"], second["iteration"]) == (0, 2)


def test_the_arrivals_alone_are_those_of_the_run(tables, run):
    changes = {
        "code": {"name": "cyclic", "n_stragglers": 2},
        "delays": {
            "name": "node", "workers_per_node": 3, "good_seconds": 0.01, "bad_seconds": 0.01,
            "seconds": 0.02,
        },
        "virtual": {"workers_per_node": 3},
    }  # fmt: skip
    saved = run(run={"iterations": 20}, **changes)
    alone = simulate(Config.from_dict(tables(run={"n_workers": 12, "iterations": 20}, **changes)))
    np.testing.assert_array_equal(saved.iterations["seconds"], alone.seconds)
    np.testing.assert_array_equal(saved.iterations["residual"], alone.residual)


def test_the_order_can_be_left_alone(tables):
    changes = {"code": {"name": "cyclic", "n_stragglers": 2}, "virtual": {"workers_per_node": 3}}
    code = codes.make("cyclic", n_workers=12, n_stragglers=2)
    for placement, moved in (("spread", True), ("as-numbered", False)):
        config = Config.from_dict(tables(run={"n_workers": 12, "placement": placement}, **changes))
        nodes = virtual_nodes(config)
        assert (place(config, code, nodes) != list(range(12))) == moved
        some = codes.make("cyclic", n_workers=6, n_stragglers=2)
        places = place(config, some, nodes, [0, 1, 2, 5, 9, 10])
        assert sorted(places) == [0, 1, 2, 5, 9, 10]
        assert (places != [0, 1, 2, 5, 9, 10]) == moved
