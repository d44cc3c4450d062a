"""What the scheduler's commands say, as recorded; that they say it is seen under a real one."""

import os

import pytest

from mpicode.errors import ConfigError, GaveUp
from mpicode.slurm import scheduler

DONE = "JobId=7 JobName=a b JobState=COMPLETED Reason=None Restarts=0 ExitCode=0:0 NodeList=n1"
SAVED = "JobId=7 JobName=a JobState=FAILED Reason=NonZeroExitCode Restarts=0 ExitCode=85:0"
KILLED = "JobId=7 JobName=a JobState=FAILED Reason=RaisedSignal:9 Restarts=0 ExitCode=0:9"
LATE = "JobId=7 JobName=a JobState=TIMEOUT Reason=TimeLimit Restarts=0 ExitCode=0:1"
RUNNING = "JobId=7 JobName=a JobState=RUNNING Reason=None Restarts=0 ExitCode=0:0"
NEVER = "JobId=7 JobName=a JobState=PENDING Reason=DependencyNeverSatisfied ExitCode=0:0"
SECOND = "JobId=9 ArrayJobId=7 ArrayTaskId=1 JobName=a JobState=FAILED Reason=None ExitCode=4:0"
FIRST = "JobId=8 ArrayJobId=7 ArrayTaskId=0 JobName=a JobState=COMPLETED Reason=None ExitCode=0:0"


@pytest.fixture
def commands(tmp_path, monkeypatch):
    """Put a command on an otherwise empty PATH, which says its texts one after the other."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(scheduler.time, "sleep", lambda seconds: None)

    def make(name, *texts, code=0):
        for number, text in enumerate(texts):
            (tmp_path / f"{name}-{number}").write_text(text + "\n")
        path = tmp_path / name
        path.write_text(
            "#!/bin/sh\nPATH=/usr/bin:/bin\n"
            f'n=$(cat "{path}-n" 2>/dev/null || echo 0)\n'
            f'[ -e "{path}-$n" ] || n=$((n - 1))\n'
            f'cat "{path}-$n"; echo $((n + 1)) > "{path}-n"; [ {code} = 0 ] || exit {code}\n'
        )
        path.chmod(0o755)

    return make


@pytest.mark.parametrize(
    ("texts", "code"),
    [
        ([DONE], 0),
        ([RUNNING, DONE], 0),
        ([RUNNING, SAVED], 85),
        ([KILLED], 137),
        ([f"{FIRST}\n{SECOND}"], 4),
        ([f"{FIRST}\n{RUNNING}", f"{FIRST}\n{FIRST}"], 0),
    ],
)
def test_waiting_returns_the_worst_exit_code(commands, texts, code):
    commands("scontrol", *texts)
    assert scheduler.wait("7", lambda text: None) == code


def test_changes_are_told_once(commands):
    commands("scontrol", RUNNING, RUNNING, DONE)
    said = []
    scheduler.wait("7", said.append)
    assert said == ["job 7: running", "job 7: completed"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (LATE, r"job 7 ended as timeout \(TimeLimit\)"),
        (NEVER, "job 7 can never begin"),
        (f"{FIRST}\n{SECOND.replace('FAILED', 'CANCELLED')}", "job 7_1 ended as cancelled"),
    ],
)
def test_a_job_that_somebody_ended_has_no_exit_code(commands, text, says):
    commands("scontrol", text)
    with pytest.raises(GaveUp, match=says):
        scheduler.wait("7", lambda text: None)


def test_a_job_that_is_forgotten(commands):
    commands("scontrol", "slurm_load_jobs error: Invalid job id specified", code=1)
    with pytest.raises(GaveUp, match=r"job 7: .*Invalid job id specified; its run file says"):
        scheduler.look("7")


@pytest.mark.parametrize(
    ("said", "number"), [("12", "12"), ("12;east", "12"), ("sbatch: note\n12", "12")]
)
def test_job_numbers(commands, tmp_path, said, number):
    commands("sbatch", said)
    assert scheduler.submit(tmp_path / "a.sbatch", os.environ) == number


def test_a_refusal_is_what_sbatch_says(commands, tmp_path):
    commands("sbatch", "sbatch: error: Batch job submission failed: Invalid qos", code=1)
    with pytest.raises(ConfigError, match=r"^sbatch refuses: Batch job .* Invalid qos$"):
        scheduler.submit(tmp_path / "a.sbatch", os.environ)


def test_no_number_is_no_job(commands, tmp_path):
    commands("sbatch", "thank you")
    with pytest.raises(GaveUp, match="told no job number: 'thank you'"):
        scheduler.submit(tmp_path / "a.sbatch", os.environ)


@pytest.mark.parametrize(
    ("said", "kinds"),
    [
        ("srun: MPI types are...\nsrun: none\nsrun: pmi2", ["none", "pmi2"]),
        (
            "MPI plugin types are...\n\tpmix\n\tnone\nspecific plugins: pmix_v4",
            ["pmix", "none"],
        ),
    ],
)
def test_kinds_of_mpi_by_old_and_new_versions(commands, said, kinds):
    commands("srun", said)
    assert scheduler.mpi_types() == kinds


def test_where_there_is_no_scheduler(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match=r"no sinfo on PATH: .* --print"):
        scheduler.partitions()
