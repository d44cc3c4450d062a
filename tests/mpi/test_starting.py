"""Every way to start a run, and every world that does not fit."""

import re

import h5py
import numpy as np
import pytest

import mpicode
from mpicode.config import Config
from mpicode.results import read_run

from .digits import DIGITS, descend, distance

N_RANKS = 5


def only_error(ended, code):
    """Return the one line with which a job ended that was told something wrong."""
    assert ended.code == code, ended.err
    assert len(ended.errors) == 1, ended.err
    assert "Traceback" not in ended.err
    return ended.errors[0]


@pytest.mark.parametrize(
    "ranks",
    [None, N_RANKS, N_RANKS + 2],
    ids=["outside MPI", "under mpirun", "with surplus ranks"],
)
def test_a_run(run, config, ranks):
    path = config()
    ended = run(path, ranks=ranks).wait()
    assert ended.code == 0, ended.err
    assert ended.out == ""
    assert ended.err.count("30 iterations done") == 1
    made = read_run(path.with_suffix(".h5"))
    assert made.complete
    assert distance(made.parameters, descend()) < 1e-10
    # one job or another, or no MPI at all: repetition gives the same bits
    virtual = mpicode.run(Config.load(path).replace("output", path=None))
    np.testing.assert_array_equal(made.parameters, virtual.parameters)


@pytest.mark.parametrize(
    ("ranks", "told"),
    [(1, "1 rank = 1 master + 0 workers"), (N_RANKS - 2, "3 ranks = 1 master + 2 workers")],
)
def test_too_few_ranks(run, config, ranks, told):
    error = only_error(run(config(), ranks=ranks).wait(), 2)
    assert "run.n_workers" in error
    assert "5 ranks = 1 master + 4 workers" in error
    assert told in error


def test_a_launcher_of_another_mpi(run, config):
    """Each of its ranks finds itself alone; one of them says so."""
    path = config()
    ranks = [run(path, environment={"PMI_SIZE": "3", "PMI_RANK": str(rank)}) for rank in range(3)]
    ended = [rank.wait() for rank in ranks]
    error = only_error(ended[0], 2)
    assert "3 ranks" in error
    assert "PMI_SIZE=3" in error
    assert "MPI" in error.replace("PMI_SIZE", "")
    assert [rank.errors for rank in ended[1:]] == [[], []]


def test_a_wrong_configuration_under_mpirun_is_told_once(run, config):
    path = config(optimizer={"step_sizes": 0.5})
    error = only_error(run(path, ranks=N_RANKS).wait(), 2)
    assert "optimizer.step_sizes" in error


def test_a_wrong_table_under_mpirun_is_told_once(run, config):
    path = config(runs={"iterations": 1})
    error = only_error(run(path, ranks=N_RANKS).wait(), 2)
    assert "did you mean 'run'" in error


def test_one_rank_without_a_configuration_ends_them_all(start, config):
    fine, absent = [config()], ["absent.toml"]
    ended = start("-m", "mpicode", "run", ranks=[(2, fine), (1, absent), (2, fine)]).wait()
    error = only_error(ended, 2)
    assert "absent.toml" in error
    assert "rank 2" in error


@pytest.mark.parametrize("ranks", [None, N_RANKS], ids=["outside MPI", "under mpirun"])
def test_data_that_is_missing(run, config, ranks):
    path = config(data={"path": "absent.h5"})
    assert "absent.h5" in only_error(run(path, ranks=ranks).wait(), 3)


@pytest.mark.parametrize("kind", ["missing", "damaged"])
def test_data_that_one_worker_cannot_read(run, config, tmp_path, kind):
    other = tmp_path / "other.h5"
    if kind == "damaged":
        damage(other)
    path = config()
    ranks = [(2, []), (1, ["--set", f"data.path={other}"]), (2, [])]
    error = only_error(run(path, ranks=ranks).wait(), 3)
    assert "worker 1 (rank 2)" in error
    assert str(other) in error
    if kind == "damaged":
        assert re.search(r"other\.h5: X, rows \d+ to \d+: .* its checksum does not match", error)


def damage(path):
    """Write the digits to ``path``, with one bit of the values changed."""
    with h5py.File(DIGITS) as file:
        chunk = file["X"].id.get_chunk_info(0)
    content = bytearray(DIGITS.read_bytes())
    content[chunk.byte_offset + chunk.size // 2] ^= 1
    path.write_bytes(content)
