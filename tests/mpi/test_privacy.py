"""Workers of a code with masks open their own coded file under MPI, and no other data."""

from pathlib import Path

import numpy as np
import pytest

import mpicode
from mpicode import codes
from mpicode.codes.data.field import masks, quantise
from mpicode.datasets.encode import encode_dataset
from mpicode.datasets.mixing import Field
from mpicode.results import read_run

from .stage import PROGRAM

AUDITED = PROGRAM.with_name("audited.py")
PRIME = 2**61 - 1
N, D, N_WORKERS = 60, 4, 3
CODES = {
    "berrut": {"n_blocks": 2, "n_colluding": 1, "n_stragglers": 0},
    "lagrange": {"n_blocks": 1, "n_colluding": 1, "n_stragglers": 0, "prime": PRIME},
}


@pytest.fixture
def plain(write_data):
    rng = np.random.default_rng(5)
    X = rng.standard_normal((N, D))
    return write_data(X, X @ np.arange(1.0, D + 1), "plain.h5")


@pytest.fixture
def encoded(plain, tmp_path):
    """Encode the plain file; return the name of the code, its parameters and the folder."""

    def make(name):
        parameters = CODES[name]
        made = codes.make(name, n_workers=N_WORKERS, **parameters)
        prime = parameters.get("prime")
        field = Field(prime, 12, 24, quantise, masks) if prime else None
        encode_dataset(
            plain, tmp_path / "coded", made, {**parameters, "seed": 0}, field=field, order="none"
        )
        return {"name": name, **parameters}, tmp_path / "coded"

    return make


@pytest.fixture
def job(config, plain, tmp_path):
    def make(code, coded, path=plain, **tables):
        return config(
            **{
                "data": {"path": str(path)} | ({"coded": str(coded)} if coded else {}),
                "problem": {"name": "least-squares", "intercept": False, "l2": 0.0},
                "code": code,
                "optimizer": {"step_size": 0.2},
                "run": {"n_workers": N_WORKERS, "iterations": 5},
                **tables,
            }
        )

    return make


def opened(folder, rank):
    """Return the HDF5 files that a rank has opened, but for the run file."""
    lines = (folder / f"opened-{rank}").read_text().splitlines()
    assert lines  # the configuration, if nothing else
    return {line for line in lines if line.endswith(".h5") and not line.endswith("run.h5")}


@pytest.mark.parametrize("name", CODES)
def test_a_worker_needs_and_opens_its_own_file_and_nothing_else(
    start, encoded, job, plain, tmp_path, name
):
    """Each rank has a folder of its own, and the plain file is not where workers would look."""
    code, coded = encoded(name)
    wanted = mpicode.run(job(code, coded)).parameters
    made = job(code, coded, path=tmp_path / "is-not-there.h5")
    groups = [(1, ["--set", f"data.path={plain}"])]
    for worker in range(N_WORKERS):
        own = tmp_path / f"own-{worker}"
        own.mkdir()
        (coded / f"worker-{worker:05d}.h5").rename(own / f"worker-{worker:05d}.h5")
        groups.append((1, ["--set", f"data.coded={own}"]))
    ended = start(AUDITED, tmp_path, "run", made, ranks=groups).wait()
    assert ended.code == 0, ended.err
    assert np.array_equal(read_run(tmp_path / "run.h5").parameters, wanted)
    for worker in range(N_WORKERS):
        own = tmp_path / f"own-{worker}" / f"worker-{worker:05d}.h5"
        assert opened(tmp_path, worker + 1) == {str(own)}
    # the master, who knows the data, does open it
    assert {plain, str(coded / "coded.h5")} <= opened(tmp_path, 0)


def test_nor_does_it_in_an_inference(start, encoded, job, tmp_path):
    code, coded = encoded("berrut")
    made = job(code, coded, optimizer=None, infer={"batch_size": 20})
    ended = start(AUDITED, tmp_path, "infer", made, ranks=N_WORKERS + 1).wait()
    assert ended.code == 0, ended.err
    for worker in range(N_WORKERS):
        assert opened(tmp_path, worker + 1) == {str(coded / f"worker-{worker:05d}.h5")}


def test_without_masks_it_does_which_shows_that_the_lists_are_whole(start, job, plain, tmp_path):
    code = {"name": "letcc", "n_blocks": 2}
    ended = start(AUDITED, tmp_path, "run", job(code, None), ranks=N_WORKERS + 1).wait()
    assert ended.code == 0, ended.err
    for worker in range(N_WORKERS):
        assert opened(tmp_path, worker + 1) == {plain}


def test_plain_data_ruined_after_encoding_is_no_matter_to_workers(
    start, encoded, job, plain, tmp_path
):
    """The master has a copy; what workers would find is no dataset any more."""
    code, coded = encoded("lagrange")
    made = job(code, coded)
    wanted = mpicode.run(made).parameters
    copy = tmp_path / "copy.h5"
    Path(plain).rename(copy)
    Path(plain).write_bytes(b"nothing")
    groups = [(1, ["--set", f"data.path={copy}"]), (N_WORKERS, [])]
    ended = start("-m", "mpicode", "run", made, ranks=groups).wait()
    assert ended.code == 0, ended.err
    assert np.array_equal(read_run(tmp_path / "run.h5").parameters, wanted)
