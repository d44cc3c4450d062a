"""Each rule that ends an iteration, under real MPI, with worker 1 late."""

import numpy as np
import pytest

from mpicode.results import read_run

from .digits import write_config
from .jobs import starter
from .stage import PROGRAM

N_WORKERS = 4
SEVERAL = PROGRAM.with_name("several.py")
LATE = {"name": "fixed", "slow_workers": [1], "seconds": 0.3}
UNCODED = {"name": "uncoded"}

RUNS = {
    "deadline": {"code": UNCODED, "decoding": {"deadline": 0.1}},
    "count": {"code": UNCODED, "decoding": {"n_answers": 3}},
    "residual": {"code": UNCODED, "decoding": {"max_residual": 0.3}},
    "first": {"code": UNCODED, "decoding": {"n_answers": 2, "deadline": 100.0}},
    "fixed": {"code": UNCODED, "decoding": {"method": "fixed", "n_answers": 3}},
    "decodable": {"code": {"name": "cyclic"}, "decoding": {"deadline": 100.0}},
    "empty": {
        "code": UNCODED,
        "decoding": {"deadline": 0.02},
        "delays": {**LATE, "slow_workers": [0, 1, 2, 3]},
    },
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Run files by name, all made under one mpirun."""
    folder = tmp_path_factory.mktemp("rules")
    paths = [
        write_config(folder, name, **{"delays": LATE, "run": {"iterations": 4}, **tables})
        for name, tables in RUNS.items()
    ]
    with starter(folder) as start:
        ended = start(SEVERAL, 1, *paths, ranks=N_WORKERS + 1).wait()
    assert (ended.code, ended.out, ended.err) == (0, "", "")
    return {path.stem: read_run(path.with_suffix(".h5")) for path in paths}


@pytest.mark.parametrize("name", RUNS)
def test_the_run_comes_to_its_end(runs, name):
    assert runs[name].attrs["outcome"] == "4 iterations done"
    assert runs[name].complete


@pytest.mark.parametrize("name", ["deadline", "count", "residual", "first", "fixed", "decodable"])
def test_the_late_worker_is_not_waited_for(runs, name):
    assert not runs[name].workers["arrived"][:, 1].any()


def test_the_deadline_takes_what_has_come(runs):
    columns = runs["deadline"].iterations
    assert columns["seconds"].min() >= 0.1
    # worker 1 is missing, and on a busy machine perhaps others
    assert (columns["n_arrived"] <= 3).all()
    np.testing.assert_allclose(columns["residual"], 4 - columns["n_arrived"])
    some = columns["n_arrived"] > 0
    np.testing.assert_allclose(columns["shrinkage"][some], columns["n_arrived"][some] / 4)


@pytest.mark.parametrize(("name", "n_arrived"), [("count", 3), ("residual", 3), ("first", 2)])
def test_a_count_and_a_residual_end_the_wait(runs, name, n_arrived):
    columns = runs[name].iterations
    assert (columns["n_arrived"] == n_arrived).all()
    np.testing.assert_allclose(columns["shrinkage"], n_arrived / 4)
    assert runs[name].attrs["shrinkage"] == columns["shrinkage"][0]


def test_fixed_decoding_is_not_divided(runs):
    columns = runs["fixed"].iterations
    assert (columns["n_arrived"] == 3).all()
    assert (columns["shrinkage"] == 1).all()
    # 3 of 4 blocks, scaled up by 4 / 3
    np.testing.assert_allclose(columns["residual"], 1 + 3 / 9)


def test_what_can_be_decoded_ends_the_wait_before_any_rule(runs):
    columns = runs["decodable"].iterations
    # two messages of workers that share no block are enough, too
    assert (columns["n_arrived"] <= 3).all()
    assert columns["residual"].max() < 1e-20


def test_nothing_arrived(runs):
    run = runs["empty"]
    assert not run.workers["arrived"].any()
    assert not run.iterations["stepped"].any()
    assert np.isnan(run.iterations["loss"]).all()
    assert not run.parameters.any()


def test_a_run_that_never_gets_anything_leaves_with_4(run, config):
    path = config(
        code=UNCODED,
        decoding={"deadline": 1e-3},
        delays={**LATE, "slow_workers": [0, 1, 2, 3], "seconds": 1.0},
        run={"iterations": 10_000},
    )
    ended = run(path).wait()
    assert ended.code == 4
    (line,) = ended.errors
    assert "nothing arrived by the deadline of 100 iterations in a row" in line


def test_a_code_that_amplifies_too_much_is_refused_with_2(run, config, tmp_path):
    path = config(code={"name": "cyclic"}, decoding={"max_error": 1e-17})
    ended = run(path).wait()
    assert ended.code == 2
    (line,) = ended.errors
    assert "decoding.max_error: 1e-17, but without 1 of 4 workers" in line
    assert not list(tmp_path.glob("run.h5*"))
