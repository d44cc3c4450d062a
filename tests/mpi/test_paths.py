"""What a run computes does not depend on codes, on stragglers or on the transport."""

import numpy as np
import pytest

import mpicode
from mpicode import codes
from mpicode.config import Config
from mpicode.errors import ConfigError
from mpicode.results import read_run
from mpicode.train.partition import Partition

from .digits import N_SAMPLES, descend, distance, write_config
from .jobs import starter
from .stage import PROGRAM

N_WORKERS = 4
SEVERAL = PROGRAM.with_name("several.py")
# A code that is not named here is made with its defaults.
PARAMETERS = {"cyclic": {"n_stragglers": 1}, "ignore-stragglers": {"n_stragglers": 1}}
LATE = {"name": "fixed", "slow_workers": [1], "seconds": 0.01}
BATCH = 100


def _made(name):
    """Return the code, None where there is none of so few workers."""
    try:
        return codes.make(name, n_workers=N_WORKERS, **PARAMETERS.get(name, {}))
    except ConfigError:
        return None


MADE = {name: code for name in codes.names("gradient") if (code := _made(name)) is not None}
EXACT = [name for name, code in MADE.items() if code.max_stragglers is not None]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Run files by name, all made under one mpirun, worker 1 late where that matters not."""
    folder = tmp_path_factory.mktemp("paths")
    wanted = {name: {"code": {"name": name, **PARAMETERS.get(name, {})}} for name in MADE}
    repetition = wanted["fractional-repetition"]["code"]
    wanted["again"] = {"code": repetition, "delays": {**LATE, "slow_workers": [0, 3]}}
    wanted["batch"] = {"code": repetition, "run": {"batch_size": BATCH}}
    wanted["batch-cyclic"] = {**wanted["cyclic"], "run": {"batch_size": BATCH}}
    wanted["float32"] = {"code": repetition, "run": {"dtype": "float32"}}
    paths = [write_config(folder, name, **{"delays": LATE, **t}) for name, t in wanted.items()]
    with starter(folder) as start:
        ended = start(SEVERAL, 1, *paths, ranks=N_WORKERS + 1).wait()
    assert (ended.code, ended.out, ended.err) == (0, "", "")
    return {path.stem: read_run(path.with_suffix(".h5")) for path in paths}


def virtually(run):
    """Return the result of the same run in this process, under the virtual clock."""
    config = Config.loads(run.config)
    return mpicode.run(config.replace("output", path=None))


@pytest.fixture(scope="module")
def reference():
    return descend()


def test_most_schemes_are_tried():
    assert {"uncoded", "fractional-repetition", "cyclic", "kadhe", "ye-abbe"} <= set(EXACT)


@pytest.mark.parametrize("name", EXACT)
def test_an_exact_code_walks_the_path_of_gradient_descent(runs, reference, name):
    assert runs[name].complete
    assert distance(runs[name].parameters, reference) < 1e-10
    assert runs[name].iterations["residual"].max() < 1e-20


def test_a_code_that_ignores_stragglers_walks_another_path(runs, reference):
    run = runs["ignore-stragglers"]
    assert distance(run.parameters, reference) > 1e-4
    assert run.iterations["residual"].min() > 0
    assert run.iterations["loss"][-1] < run.iterations["loss"][0]


@pytest.mark.parametrize("name", EXACT)
def test_both_transports_walk_the_same_path(runs, name):
    virtual = virtually(runs[name])
    assert distance(runs[name].parameters, virtual.parameters) < 1e-12
    assert distance(runs[name].iterations["loss"], virtual.history["loss"]) < 1e-12


def test_repetition_gives_the_same_bits_whoever_answers(runs):
    one, two = runs["fractional-repetition"], runs["again"]
    assert (one.workers["arrived"] != two.workers["arrived"]).any()
    virtual = virtually(one)
    for run in (one, two):
        np.testing.assert_array_equal(run.parameters, virtual.parameters)
        np.testing.assert_array_equal(run.iterations["loss"], virtual.history["loss"])


def test_only_without_a_code_is_the_late_worker_waited_for(runs):
    assert not runs["fractional-repetition"].workers["arrived"][:, 1].all()
    assert runs["uncoded"].workers["arrived"].all()


@pytest.mark.parametrize("name", ["batch", "batch-cyclic"])
def test_mini_batches_are_the_same_rows_for_every_holder(runs, name):
    partition = Partition(N_SAMPLES, N_WORKERS, 0.0, seed=0)

    def weights(iteration):
        w = np.zeros(partition.n_train)
        for block in range(N_WORKERS):
            start, stop = partition.extent(block)
            rows = start + partition.slots(iteration, block, BATCH)
            w[rows] = (stop - start) / (partition.n_train * len(rows))
        assert np.count_nonzero(w) == BATCH
        return w

    assert distance(runs[name].parameters, descend(weights=weights)) < 1e-10


def test_many_runs_in_one_world_end_cleanly(start, config):
    """However late the last answers are: each run is over while somebody still sends one."""
    path = config(run={"iterations": 4}, output=None)
    ended = start(SEVERAL, 60, path, ranks=N_WORKERS + 1).wait()
    assert ended.code == 0, ended.err


def test_single_precision_is_that_of_the_messages(runs, reference):
    off = distance(runs["float32"].parameters, reference)
    assert 1e-10 < off < 1e-4
