"""Signals to the launcher, and workers that stand still."""

import os
import signal

import pytest

from mpicode.results import read_run

from .digits import descend, distance

N_RANKS = 5


def waiting_for_ever(run, path, stage, ranks=None):
    """Start a run, and return its job once both workers of a group are held while they compute."""
    for rank in (3, 4):
        stage.hold("gradient", rank, 10)
    job = run(path, ranks=ranks)
    for rank in (3, 4):
        job.until(stage.held("gradient", rank), f"worker {rank - 1} computes")
    return job


@pytest.mark.parametrize(
    ("number", "ranks"),
    [(signal.SIGINT, None), (signal.SIGTERM, None), (signal.SIGUSR1, N_RANKS)],
    ids=["Ctrl-C", "SIGTERM", "SIGUSR1 to the user's mpirun"],
)
def test_a_signal_saves_the_run_and_ends_it(run, config, stage, number, ranks):
    path = config(problem={"name": stage.name}, run={"iterations": 1_000_000})
    job = waiting_for_ever(run, path, stage, ranks)
    job.signal(number)
    saved = path.with_suffix(".h5")
    job.until(saved.exists, "the run is saved")
    for rank in (3, 4):
        stage.release("gradient", rank)
    ended = job.wait()
    assert ended.code == 4
    assert len(ended.errors) == 1
    assert "interrupted by a signal" in ended.errors[0]
    made = read_run(saved)
    assert not made.complete
    assert made.attrs["outcome"] == "interrupted"
    assert made.n_iterations > 0
    assert distance(made.parameters, descend(made.n_iterations)) < 1e-10


@pytest.mark.parametrize(
    ("number", "more", "held"),
    [
        (signal.SIGINT, (), "none"),
        (signal.SIGTERM, (), "none"),
        (signal.SIGTERM, ("--simulate",), "none"),
        (signal.SIGTERM, (), "0"),
        (signal.SIGTERM, ("--set", "faults.survive=false"), "0"),
        (signal.SIGUSR1, (), "2"),
    ],
    ids=["Ctrl-C", "alone", "simulated", "master", "master of a plain job", "worker"],
)
def test_a_set_up_is_ended_at_once(run, config, stage, tmp_path, number, more, held):
    """Whoever it is that is held in it: it is never released."""
    path = config(problem={"name": stage.name}, checkpoint={"every": 5})
    stage.hold("construct", held)
    job = run(path, "--interrupted-exit-code", "77", *more)
    job.until(stage.held("construct", held), "the set-up is under way")
    job.signal(number)
    ended = job.wait()
    assert ended.code == 77, ended.err
    assert "Traceback" not in ended.err
    # a plain mpirun that ends its ranks may lose what the master said last
    assert len(ended.errors) == 1 or (more and held == "0" and not ended.errors)
    for error in ended.errors:
        assert "interrupted" in error
        # the master may still be at its own set-up when a worker is held in its
        assert "before anything had begun" in error or held == "2"
    assert list(tmp_path.glob("*.h5*")) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_the_users_mpirun_ends_the_run_and_what_it_did_is_readable(run, config, stage, number):
    """Open MPI gives its ranks a quarter of a second, which on a busy machine may not be enough."""
    path = config(problem={"name": stage.name}, run={"iterations": 1_000_000})
    job = waiting_for_ever(run, path, stage, N_RANKS)
    job.signal(number)
    ended = job.wait()
    assert ended.code != 0
    saved = path.with_suffix(".h5")
    made = read_run(saved if saved.exists() else f"{saved}.part")
    assert not made.complete
    assert made.n_iterations > 0
    if saved.exists():
        assert made.attrs["outcome"] == "interrupted"
        assert distance(made.parameters, descend(made.n_iterations)) < 1e-10


def test_a_worker_that_stands_still_costs_nothing_but_itself(run, config, stage):
    path = config(problem={"name": stage.name})
    stage.hold("regularise", 0, 10)
    job = run(path)
    job.until(stage.held("regularise", 0), "iteration 10")
    os.kill(stage.pid(2), signal.SIGSTOP)
    stage.release("regularise", 0)
    ended = job.wait()
    assert ended.code == 0, ended.err
    made = read_run(path.with_suffix(".h5"))
    assert made.complete
    assert distance(made.parameters, descend()) < 1e-10
    assert not made.workers["arrived"][11:, 1].any()


def test_a_worker_that_goes_on_is_used_again(run, config, stage):
    """Workers 0 and 1 hold the same blocks; they stand still in turn."""
    path = config(problem={"name": stage.name})
    stage.hold("regularise", 0, 10)
    job = run(path)
    job.until(stage.held("regularise", 0), "iteration 10")
    stage.hold("gradient", 1)
    stage.hold("regularise", 0, 20)
    job.until(stage.held("gradient", 1), "worker 0 computes")
    os.kill(stage.pid(1), signal.SIGSTOP)
    stage.release("gradient", 1)
    job.until(stage.held("regularise", 0, 20), "iteration 20")
    os.kill(stage.pid(2), signal.SIGSTOP)
    os.kill(stage.pid(1), signal.SIGCONT)
    stage.release("regularise", 0)
    ended = job.wait()
    assert ended.code == 0, ended.err
    made = read_run(path.with_suffix(".h5"))
    arrived = made.workers["arrived"]
    assert not arrived[11:21, 0].any()
    assert arrived[21:, 0].all()
    assert distance(made.parameters, descend()) < 1e-10
