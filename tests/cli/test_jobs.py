"""``mpicode jobs`` on run files and a scheduler that says what it is told to."""

import argparse
import datetime
import json
import os

import pytest

from mpicode.cli import jobs
from mpicode.errors import DataError, GaveUp
from mpicode.results import RunWriter
from mpicode.slurm import queue
from mpicode.slurm.queue import Queued

CONFIG = "[run]\niterations = 100\n"
LIMIT = datetime.datetime(2100, 1, 2, 3, 4, 5)


@pytest.fixture
def write(tmp_path):
    """Write a run of ten iterations of 2 s; ``ends``: whether its file is whole."""
    open_files = []

    def make(name, outcome="done", complete=True, ends=True, **attrs):
        writer = RunWriter(tmp_path / f"{name}.h5", {"config": CONFIG, **attrs}, 2)
        for t in range(10):
            writer.iteration({"loss": 10.0 - t, "started": 2.0 * t, "seconds": 2.0}, {})
        if ends:
            writer.close(None, complete, outcome)
        else:
            writer.flush()
            open_files.append(writer)
        return writer

    return make


@pytest.fixture
def told(tmp_path, capsys, monkeypatch):
    """Run the command with these jobs in the queue; its rows, and what it says."""

    def run(*known):
        def answer():
            if known == ("silent",):
                raise GaveUp("squeue did not answer")
            return None if known == (None,) else list(known)

        monkeypatch.setattr(queue, "jobs", answer)
        parser = argparse.ArgumentParser()
        jobs.add_parser(parser.add_subparsers())
        options = parser.parse_args(["jobs", str(tmp_path), "--json"])
        assert options.command(options) == 0
        out, err = capsys.readouterr()
        options.json = False
        assert options.command(options) == 0
        again = capsys.readouterr()
        assert again.out == ""
        return {row.pop("run"): row for row in json.loads(out)}, err + again.err

    return run


@pytest.fixture
def job(tmp_path):
    def make(number, state="running", name="x", reason="", script=True):
        path = tmp_path / f"{name}.sbatch" if script else None
        return Queued(number, state, reason, LIMIT, name, tmp_path, path)

    return make


def test_runs_that_have_ended(write, told):
    write("a", job="5")
    write("b", "interrupted", complete=False, job="6_1")
    rows, table = told()
    assert (rows["a"]["state"], rows["b"]["state"]) == ("done", "interrupted")
    assert (rows["a"]["job"], rows["b"]["job"]) == ("5", "6_1")
    row = rows["b"]
    assert (row["iteration"], row["iterations"], row["loss"]) == (10, 100, 1.0)
    assert row["seconds_per_iteration"] == 2.0
    assert row["estimated_end"] is row["time_limit"] is None
    assert "10/100" in table


def test_the_end_is_estimated_from_the_pace_so_far(write, told, job):
    writer = write("a", ends=False, job="7")
    written = datetime.datetime(2090, 5, 6, 7, 8, 9)
    os.utime(writer.part, (written.timestamp(), written.timestamp()))
    rows, table = told(job("7"))
    row = rows["a"]
    assert row["state"] == "running"
    assert row["iteration"] == 10
    # 90 iterations of 2 s from when the file was written
    end = datetime.datetime.fromisoformat(row["estimated_end"]).replace(tzinfo=None)
    assert end == written + datetime.timedelta(seconds=180)
    assert datetime.datetime.fromisoformat(row["time_limit"]).replace(tzinfo=None) == LIMIT
    assert "2090-05-06 07:11" in table


def test_a_job_that_waits_is_told_with_its_reason(write, told, job):
    write("x", "interrupted", complete=False, job="7")
    rows, _ = told(job("9", "pending", reason="Resources"))
    assert list(rows) == ["x"]
    assert (rows["x"]["job"], rows["x"]["state"]) == ("9", "pending (Resources)")
    assert rows["x"]["iteration"] == 10
    assert rows["x"]["estimated_end"] is None


def test_a_requeued_job_has_its_own_file(write, told, job):
    write("x-2", "interrupted", complete=False, job="7_2")
    rows, _ = told(job("7_2", "pending", reason="BeginTime"), job("7_3", "running"))
    assert rows["x-2"]["state"] == "pending (BeginTime)"
    assert (rows["x-3"]["state"], rows["x-3"]["iteration"]) == ("running", None)


def test_what_is_over_is_told_by_the_file_as_long_as_there_is_one(write, told, job):
    write("x")
    cancelled = [job(number, "cancelled", "y") for number in ("9", "10")]
    rows, _ = told(job("8", "completed"), *cancelled)
    assert rows["x"]["state"] == "done"
    assert (rows["y"]["job"], rows["y"]["state"]) == ("10", "cancelled")


def test_a_file_that_nobody_writes_any_more_is_broken_off(write, told, job):
    writer = write("x", ends=False, job="7")
    assert told()[0]["x"]["state"] == "running"  # by this process, as its lock tells
    writer._unlock()
    assert told()[0]["x"]["state"] == "broken off"
    assert told(job("7", "node_fail"))[0]["x"]["state"] == "broken off (node fail)"
    # where nobody can be asked it may go on on another host
    for silence in (None, "silent"):
        assert told(silence)[0]["x"]["state"] == "not finished"


def test_a_scheduler_that_does_not_answer_leaves_the_files(write, told):
    write("a")
    rows, said = told("silent")
    assert list(rows) == ["a"]
    assert "mpicode: squeue did not answer; only the files are known" in said


def test_a_run_that_is_made_again_is_one_run(write, told):
    write("a")
    write("a", ends=False)
    assert list(told()[0]) == ["a"]


def test_jobs_of_other_folders_are_left_out(told, tmp_path):
    elsewhere = tmp_path / "else"
    rows, said = told(Queued("3", "running", "", None, "z", elsewhere, elsewhere / "z.sbatch"))
    assert rows == {}
    assert f"no runs and no jobs in {tmp_path}" in said


def test_a_job_without_a_script_has_its_own_name(told, job):
    assert list(told(job("4", name="by hand", script=False))[0]) == ["by hand"]


def test_a_folder_that_is_not_there_is_told(tmp_path):
    options = argparse.Namespace(folder=tmp_path / "none", json=False)
    with pytest.raises(DataError, match=r"none: no such file or directory$"):
        jobs.command(options)
