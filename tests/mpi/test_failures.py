"""Exceptions, killed workers, refused files: all ranks end soon, what they wrote is readable."""

import os
import signal
import subprocess
import time

import pytest

import mpicode
from mpicode.config import Config
from mpicode.results import read_run

N_RANKS = 5
# The promise is 5 s; the rest is for a machine that has other things to do.
SECONDS_TO_END = 10
WORKER_1 = 2  # its rank


@pytest.mark.parametrize(
    ("what", "rank", "ranks"),
    [
        ("gradient", WORKER_1, None),
        ("gradient", WORKER_1, N_RANKS),
        ("construct", WORKER_1, None),
        ("evaluate", 0, None),
        ("regularise", 0, N_RANKS),
        ("construct", 0, N_RANKS),
    ],
)
def test_an_exception_in_a_users_problem_ends_all_ranks(run, config, stage, what, rank, ranks):
    path = config(problem={"name": stage.name}, data={"test_fraction": 0.2})
    call = 0 if what == "construct" else 1
    stage.fail(what, rank, call)
    if rank:
        stage.hold("regularise", 0, 1)  # the run does not end before the worker has failed
    job = run(path, ranks=ranks)
    job.until(stage.failed, "the exception")
    if rank:
        stage.release("regularise", 0)
    ended = job.wait()
    assert time.monotonic() - stage.failed_at() < SECONDS_TO_END
    assert ended.code == 1
    assert ended.err.count(f"ArithmeticError: on purpose in {what}-{rank}") == 1
    assert 'watched.py", line' in ended.err
    who = f"worker {rank - 1} (rank {rank}) on " if rank else "master (rank 0) on "
    assert f"{who}{os.uname().nodename}" in ended.err
    if what != "construct":
        made = read_run(path.with_suffix(".h5"))
        assert not made.complete
        assert "ArithmeticError" in made.attrs["outcome"] or "WorkerFailed" in made.attrs["outcome"]


def test_an_exception_ends_ranks_that_compute_for_long(run, config, stage):
    path = config(problem={"name": stage.name})
    stage.hold("gradient", 3)
    stage.hold("gradient", 4)
    stage.fail("gradient", WORKER_1, 1)
    job = run(path)
    job.until(stage.failed, "the exception")
    ended = job.wait()
    assert time.monotonic() - stage.failed_at() < SECONDS_TO_END
    assert ended.code == 1
    assert f"ArithmeticError: on purpose in gradient-{WORKER_1}" in ended.err


@pytest.mark.parametrize("rank", [0, WORKER_1])
def test_a_problem_that_leaves_the_program_ends_all_ranks(run, config, stage, rank):
    what = "gradient" if rank else "regularise"
    path = config(problem={"name": stage.name})
    stage.fail(what, rank, 1, how="exit")
    stage.hold("regularise", 0, 1)
    job = run(path)
    job.until(stage.failed, "it leaves")
    stage.release("regularise", 0)
    ended = job.wait()
    assert time.monotonic() - stage.failed_at() < SECONDS_TO_END
    assert ended.code != 0
    assert f"leaving in {what}-{rank}" in ended.err


@pytest.mark.parametrize("ranks", [None, N_RANKS], ids=["outside MPI", "under mpirun"])
def test_a_killed_worker_ends_a_job_that_is_not_to_survive(run, config, stage, ranks):
    faults = {"survive": False}
    path = config(problem={"name": stage.name}, run={"iterations": 1000}, faults=faults)
    stage.hold("regularise", 0, 10)
    job = run(path, ranks=ranks)
    job.until(stage.held("regularise", 0), "iteration 10")
    os.kill(stage.pid(WORKER_1), signal.SIGKILL)
    killed = time.monotonic()
    ended = job.wait()
    assert time.monotonic() - killed < SECONDS_TO_END
    assert ended.code != 0
    made = read_run(f"{path.with_suffix('.h5')}.part")
    assert not made.complete
    assert made.n_iterations == 10


@pytest.fixture
def small_disk(tmp_path):
    """A disk with room for a short run."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", folder]
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no disk of our own: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


def keeps_the_previous_run(run, path, problem):
    """Run into a refusing disk; return what was said, after checking what is left."""
    output = Config.load(path).output.path
    short = Config.load(path, ["run.iterations=5", "problem.name='softmax'"])
    before = mpicode.run(short).parameters
    ended = run(path).wait()
    assert ended.code == 3, ended.err
    assert len(ended.errors) == 1, ended.err
    assert "Traceback" not in ended.err
    assert f"{output}.part: cannot be written: " in ended.errors[0]
    previous = read_run(output)
    assert previous.complete
    assert (previous.parameters == before).all()
    assert not read_run(f"{output}.part").complete
    return ended.errors[0]


def test_a_full_disk_is_told_and_the_previous_run_file_is_whole(run, config, small_disk):
    path = config(
        run={"iterations": 1_000_000},
        output={"path": str(small_disk / "run.h5"), "flush_seconds": 0.1},
    )
    assert "no space left on device" in keeps_the_previous_run(run, path, "softmax")


def test_a_file_that_may_not_grow_is_told_too(run, config, stage):
    path = config(
        problem={"name": stage.name}, run={"iterations": 1_000_000}, output={"flush_seconds": 0.1}
    )
    stage.limit_files(0, 600_000)
    assert "file too large" in keeps_the_previous_run(run, path, stage.name)
