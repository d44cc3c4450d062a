"""What squeue prints, as SLURM 22.05 printed it; the scheduler itself is tried beside this."""

import datetime
from pathlib import Path

import pytest

from mpicode.errors import GaveUp
from mpicode.slurm import queue

B = "\x1f"
STAY = "/home/me/my runs"
RUNNING = B.join(
    ["7_2", "RUNNING", "None", "2026-11-22T10:27:38", "a|b c", STAY, "/home/me/x.sbatch"]
)
PENDING = B.join(["8", "PENDING", "Resources", "N/A", "wrap", "/home/me", "(null)"])


def test_a_line_is_a_job():
    running, pending = queue.parse(f"{RUNNING}\n{PENDING}\n")
    assert running == queue.Queued(
        "7_2", "running", "", datetime.datetime(2026, 11, 22, 10, 27, 38), "a|b c",
        Path("/home/me/my runs"), Path("/home/me/x.sbatch"),
    )  # fmt: skip
    assert (pending.reason, pending.limit, pending.script) == ("Resources", None, None)
    assert not running.is_over


def test_the_run_file_stands_beside_the_script():
    element, plain = queue.parse(f"{RUNNING}\n{RUNNING.replace('7_2', '7')}")
    assert element.run_file == Path("/home/me/x-2.h5")
    assert plain.run_file == Path("/home/me/x.h5")
    assert queue.parse(PENDING)[0].run_file is None


@pytest.mark.parametrize(
    "text", ["", "\n\n", "slurm_load_jobs error: Unable to contact", B * 5, RUNNING + B]
)
def test_what_is_no_line_of_ours_is_passed_over(text):
    assert queue.parse(text) == []


@pytest.mark.parametrize("state", ["COMPLETED", "FAILED", "TIMEOUT", "NODE_FAIL", "CANCELLED"])
def test_a_job_that_has_ended_is_over(state):
    assert queue.parse(RUNNING.replace("RUNNING", state))[0].is_over


@pytest.mark.parametrize("state", ["REQUEUED", "COMPLETING", "SUSPENDED", "REQUEUE_HOLD"])
def test_a_job_that_may_go_on_is_not(state):
    assert not queue.parse(RUNNING.replace("RUNNING", state))[0].is_over


def test_without_slurm_there_are_no_jobs_to_ask_for(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    assert queue.jobs() is None


@pytest.fixture
def squeue(tmp_path, monkeypatch):
    """Put a squeue first on PATH that runs these lines of shell."""

    def make(lines):
        program = tmp_path / "squeue"
        program.write_text(f"#!/bin/sh\n{lines}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    return make


def test_a_scheduler_that_refuses_is_told_in_one_line(squeue):
    squeue("echo 'first' >&2; echo 'squeue: error: no controller' >&2; exit 1")
    with pytest.raises(GaveUp, match=r"^squeue refuses: no controller$"):
        queue.jobs()
    squeue("exit 3")
    with pytest.raises(GaveUp, match=r"^squeue refuses: it ended with 3$"):
        queue.jobs()


def test_a_scheduler_that_does_not_answer_is_not_waited_for(squeue, monkeypatch):
    squeue("exec sleep 60")
    monkeypatch.setattr(queue, "_SECONDS_TO_ANSWER", 0.2)
    with pytest.raises(GaveUp, match=r"^squeue did not answer within 0.2 s$"):
        queue.jobs()


def test_the_format_asked_for_is_the_one_read(squeue, tmp_path):
    squeue(f'printf "%s\\n" "$@" > {tmp_path}/asked')
    assert queue.jobs() == []
    asked = (tmp_path / "asked").read_text().splitlines()
    assert f"--format={B.join(['%i', '%T', '%r', '%e', '%j', '%Z', '%o'])}" in asked
    assert "--me" in asked
