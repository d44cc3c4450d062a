import json
import os
import subprocess
import sys
from argparse import ArgumentParser

import pytest

from mpicode import launch
from mpicode.cli import doctor
from mpicode.errors import ConfigError, GaveUp

SECONDS = 60
LAUNCHER_VARIABLES = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_RANK", "SLURM_STEP_ID")


@pytest.fixture(autouse=True)
def nobody_started_us(monkeypatch):
    for name in LAUNCHER_VARIABLES:
        monkeypatch.delenv(name, raising=False)


def parse(*arguments):
    parser = ArgumentParser()
    doctor.add_parser(parser.add_subparsers())
    return parser.parse_args(["doctor", *arguments])


def run(*arguments, environment=None):
    return subprocess.run(
        [sys.executable, "-m", "mpicode", "doctor", *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **(environment or {})},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


@pytest.fixture
def mpirun():
    try:
        return launch.find_mpirun()
    except ConfigError as error:
        pytest.skip(str(error))


def test_each_rank_is_asked(mpirun):
    done = run("-n", "3", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["can_run"] is True
    assert [facts["rank"] for facts in report["ranks"]] == [0, 1, 2]
    assert len({facts["pid"] for facts in report["ranks"]}) == 3
    assert {facts["mpi"] for facts in report["ranks"]} == {f"{mpirun.vendor} {mpirun.version}"}
    assert not any(problem["fatal"] for problem in report["problems"])


def test_the_table_goes_to_standard_error(mpirun):
    done = run("-n", "2", environment={"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"})
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert "2 ranks = 1 master + 1 worker" in done.stderr
    assert f"{mpirun.vendor} {mpirun.version}" in done.stderr
    if len(os.sched_getaffinity(0)) < 4:
        assert "warning: 2 ranks with up to 2 BLAS threads each" in done.stderr


def test_a_world_that_is_not_one_is_told_by_the_first_rank_alone():
    # what each rank sees under the launcher of another MPI
    first, second = (
        run("--json", environment={"PMI_SIZE": "2", "PMI_RANK": str(rank)}) for rank in range(2)
    )
    assert (first.returncode, second.returncode) == (2, 2)
    assert second.stdout == ""
    report = json.loads(first.stdout)
    assert report["can_run"] is False
    assert report["problems"][0]["fatal"] is True


def test_no_mpirun_is_a_diagnosis(monkeypatch, capsys):
    def missing():
        raise ConfigError("no mpirun anywhere")

    monkeypatch.setattr(launch, "find_mpirun", missing)
    assert doctor.doctor(parse()) == 2
    err = capsys.readouterr().err
    assert "error: no mpirun anywhere" in err


def test_an_installation_that_lacks_a_library_is_a_diagnosis(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "h5py", None)
    monkeypatch.setattr(launch, "find_mpirun", lambda: launch.Mpirun("mpirun", "Open MPI", "5.0"))
    monkeypatch.setattr(launch, "launch", lambda *args, **options: 1)
    assert doctor.doctor(parse()) == 2
    assert "error: rank 0 cannot load what it needs: ModuleNotFoundError" in capsys.readouterr().err


def test_no_mpi_library_is_a_diagnosis():
    done = run(environment={"PMI_SIZE": "1", "MPI4PY_LIBMPI": "/no/libmpi.so"})
    assert done.returncode == 2
    assert "error: cannot load MPI library /no/libmpi.so" in done.stderr


@pytest.mark.parametrize(
    ("ends", "text"),
    [(137, "error: mpirun ended with 137"), (GaveUp("no end in 60 s"), "error: no end in 60 s")],
)
def test_an_mpirun_that_fails_is_a_diagnosis(monkeypatch, capsys, ends, text):
    def failing(n_ranks, arguments, *, limit_seconds):
        assert (n_ranks, arguments) == (4, ["doctor"])
        if isinstance(ends, Exception):
            raise ends
        return ends

    monkeypatch.setattr(launch, "find_mpirun", lambda: launch.Mpirun("mpirun", "Open MPI", "5.0"))
    monkeypatch.setattr(launch, "launch", failing)
    assert doctor.doctor(parse("-n", "4")) == 2
    assert text in capsys.readouterr().err


def test_one_rank_is_too_few():
    with pytest.raises(ConfigError, match=r"at least 2 ranks, 1 master .* got 1"):
        doctor.doctor(parse("-n", "1"))


def test_neighbours_that_agree_share_a_line():
    ranks = [{"host": "a", "compiled": True}] * 3 + [{"host": "b", "compiled": False}]
    lines = [line.split() for line in doctor.table([*ranks, *ranks[:1], {"error": "x"}])]
    assert [line[:2] for line in lines] == [
        ["ranks", "host"],
        ["0-2", "a"],
        ["3", "b"],
        ["4", "a"],
        ["5", "-"],
    ]
    assert ["compiled" in line for line in lines[1:]] == [True, False, True, False]
