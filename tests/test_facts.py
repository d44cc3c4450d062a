import json
import os
import subprocess
import sys

import pytest

import mpicode
from mpicode import facts


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("mpirun (Open MPI) 5.0.11\n\nReport bugs to ...", ("Open MPI", "5.0.11")),
        ("Open MPI v4.1.4, package: Debian OpenMPI, ident: 4.1.4", ("Open MPI", "4.1.4")),
        ("Open MPI v5.0.12rc1, package: x", ("Open MPI", "5.0.12rc1")),
        ("HYDRA build details:\n    Version:      5.0.2\n", ("MPICH", "5.0.2")),
        ("MPICH Version:      4.2.3\nMPICH Release date: Tue", ("MPICH", "4.2.3")),
        ("Intel(R) MPI Library 2021.19 for Linux* OS", ("Intel MPI", "2021.19")),
        ("MVAPICH2 Version      :\t2.3.7\nMPICH...", ("MVAPICH", "2.3.7")),
        ("MPI VERSION    : CRAY MPICH version 8.1.28", ("Cray MPICH", "8.1.28")),
        ("", ("", "")),
        ("hello", ("", "")),
    ],
)
def test_vendors_are_told_apart(text, named):
    assert facts.vendor_and_version(text) == named


def test_the_facts_are_plain_and_those_of_this_process():
    found = json.loads(json.dumps(facts.collect("Open MPI v5.0.11, package: x")))
    assert found["mpi"] == "Open MPI 5.0.11"
    assert found["pid"] == os.getpid()
    assert found["mpicode"] == mpicode.__version__
    assert found["executable"] == sys.executable
    assert found["cores"] == len(found["cpus"]) >= facts.physical_cores() >= 1
    assert facts.collect()["mpi"] == ""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity here")
def test_cores_are_those_this_process_may_use():
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert facts.cpus() == [min(allowed)]
        assert facts.physical_cores() == 1
    finally:
        os.sched_setaffinity(0, allowed)


def test_blas_threads_are_those_in_use():
    code = "from mpicode.facts import blas; print(blas()[1])"
    told = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **threads},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for threads in (
            {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"},
        )
    ]
    wanted = min(2, os.cpu_count() or 1)
    assert told == ["1\n", f"{wanted}\n"]


@pytest.mark.parametrize(
    ("environment", "number"),
    [
        ({}, ""),
        ({"SLURM_JOB_ID": "7"}, "7"),
        ({"SLURM_JOB_ID": "9", "SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "2"}, "7_2"),
    ],
)
def test_a_job_has_the_number_that_squeue_shows(environment, number):
    assert facts.job(environment) == number
