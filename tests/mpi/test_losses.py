"""Workers and masters that die at a chosen moment, in jobs that go on without them."""

import os
import signal
from pathlib import Path

import pytest

from mpicode.pool.members import LOST, RETURNED, SILENT
from mpicode.results import read_run

from .digits import descend, distance

CYCLIC = {"name": "cyclic", "n_stragglers": 2}
DEADLY = [signal.SIGKILL, signal.SIGSEGV]


def events(path, kind):
    return [(int(e["worker"]), e["detail"]) for e in read_run(path).events if e["kind"] == kind]


def whole(path, iterations=30):
    """Return what a run wrote, having checked that it is the descent, whole."""
    made = read_run(path.with_suffix(".h5"))
    assert made.complete
    assert made.n_iterations == iterations
    assert distance(made.parameters, descend(iterations)) < 1e-10
    return made


@pytest.mark.parametrize("number", DEADLY)
@pytest.mark.parametrize("victims", [[2], [2, 4]], ids=["one", "as many as tolerated"])
def test_workers_that_die_while_they_compute_are_done_without(run, config, stage, number, victims):
    path = config(problem={"name": stage.name}, code=CYCLIC)
    for rank in victims:
        stage.hold("gradient", rank, 5)
    job = run(path)
    for rank in victims:
        job.until(stage.held("gradient", rank), f"rank {rank} computes")
        os.kill(stage.pid(rank), number)
    ended = job.wait()
    assert ended.code == 0, ended.err
    made = whole(path)
    lost = events(path.with_suffix(".h5"), LOST)
    assert sorted(worker for worker, _ in lost) == [rank - 1 for rank in victims]
    assert made.iterations["n_lost"][-1] == len(victims)
    for rank in victims:
        assert f"worker {rank - 1} (rank {rank}) lost: " in ended.err


def test_an_idle_worker_that_dies_is_done_without(run, config, stage):
    path = config(problem={"name": stage.name}, code=CYCLIC)
    stage.hold("regularise", 0, 10)
    job = run(path)
    job.until(stage.held("regularise", 0), "iteration 10")
    os.kill(stage.pid(3), signal.SIGKILL)
    stage.release("regularise", 0)
    assert job.wait().code == 0
    whole(path)


def test_a_worker_that_dies_before_it_is_ready_is_done_without(run, config, stage):
    path = config(problem={"name": stage.name}, code=CYCLIC)
    stage.hold("construct", 2)
    job = run(path)
    job.until(stage.held("construct", 2), "rank 2 gets ready")
    os.kill(stage.pid(2), signal.SIGKILL)
    assert job.wait().code == 0
    whole(path)


def test_more_deaths_than_tolerated_leave_the_best_estimate(run, config, stage):
    path = config(problem={"name": stage.name}, code=CYCLIC, faults={"when_lost": "approximate"})
    stage.hold("regularise", 0, 10)
    job = run(path)
    job.until(stage.held("regularise", 0), "iteration 10")
    for rank in (1, 2, 4):
        os.kill(stage.pid(rank), signal.SIGKILL)
    stage.release("regularise", 0)
    assert job.wait().code == 0
    made = read_run(path.with_suffix(".h5"))
    assert made.complete
    residual = made.iterations["residual"]
    assert (residual[:11] < 1e-20).all()
    assert (residual[11:] > 0.1).all()
    assert made.iterations["loss"][-1] < made.iterations["loss"][10]


def test_more_deaths_than_tolerated_stop_the_run_if_it_is_told_so(run, config, stage):
    path = config(
        problem={"name": stage.name}, code={"name": "uncoded"}, faults={"when_lost": "stop"}
    )
    stage.hold("gradient", 3, 10)
    job = run(path)
    job.until(stage.held("gradient", 3), "iteration 10")
    os.kill(stage.pid(3), signal.SIGKILL)
    ended = job.wait()
    assert ended.code == 4
    assert len(ended.errors) == 1
    assert "3 of 4 messages arrived, which 'uncoded' cannot decode (workers lost: [2])" in ended.err
    made = read_run(path.with_suffix(".h5"))
    assert not made.complete
    assert made.n_iterations == 10
    assert distance(made.parameters, descend(9)) < 1e-10


def test_the_death_of_all_workers_ends_the_run(run, config, stage):
    path = config(problem={"name": stage.name})
    stage.hold("regularise", 0, 10)
    job = run(path)
    job.until(stage.held("regularise", 0), "iteration 10")
    for rank in (1, 2, 3, 4):
        os.kill(stage.pid(rank), signal.SIGKILL)
    stage.release("regularise", 0)
    ended = job.wait()
    assert ended.code == 4
    assert "0 of 4 messages arrived" in ended.errors[0]
    assert read_run(path.with_suffix(".h5")).n_iterations == 11


def test_an_exception_can_be_the_loss_of_a_worker(run, config, stage):
    path = config(problem={"name": stage.name}, faults={"on_error": "lose"})
    stage.fail("gradient", 2, 3)
    ended = run(path).wait()
    assert ended.code == 0, ended.err
    whole(path)
    [(worker, detail)] = events(path.with_suffix(".h5"), LOST)
    assert worker == 1
    assert "ArithmeticError: on purpose in gradient-2" in detail


def test_a_process_that_ends_unnoticed_by_mpi_is_noticed(run, config, stage):
    path = config(problem={"name": stage.name}, code={"name": "uncoded"})
    stage.fail("gradient", 2, 3, how="vanish")
    ended = run(path).wait()
    assert ended.code == 0, ended.err
    assert events(path.with_suffix(".h5"), LOST) == [(1, "its process has ended")]


def test_a_stopped_worker_is_not_waited_for_and_taken_back(run, config, stage):
    path = config(
        problem={"name": stage.name},
        code={"name": "uncoded"},
        faults={"silent_seconds": 1.0},
        run={"iterations": 1_000_000},
    )
    stage.hold("gradient", 3, 10)
    stage.hold("regularise", 0, 20)
    job = run(path)
    job.until(stage.held("gradient", 3), "iteration 10")
    os.kill(stage.pid(3), signal.SIGSTOP)
    job.until(stage.held("regularise", 0), "iteration 20")
    os.kill(stage.pid(3), signal.SIGCONT)
    stage.hold("gradient", 3, 12)
    stage.release("regularise", 0)
    job.until(stage.held("gradient", 3, 12), "it is asked again")
    stage.release("gradient", 3)
    job.signal(signal.SIGTERM)
    assert job.wait().code == 4
    made = read_run(path.with_suffix(".h5"))
    assert events(path.with_suffix(".h5"), SILENT) == [(2, "no answer for 1 s")]
    assert events(path.with_suffix(".h5"), RETURNED) == [(2, "answers again")]
    n_arrived = made.iterations["n_arrived"]
    assert n_arrived[5] == 4
    assert n_arrived[15] == 3
    assert n_arrived[-1] == 4


def test_a_worker_stopped_for_ever_does_not_hold_up_the_end(run, config, stage):
    path = config(problem={"name": stage.name})
    stage.hold("gradient", 2, 5)
    job = run(path)
    job.until(stage.held("gradient", 2), "iteration 5")
    os.kill(stage.pid(2), signal.SIGSTOP)
    assert job.wait().code == 0
    whole(path)


def test_a_run_whose_mpirun_is_gone_saves_its_state(run, config, stage):
    path = config(problem={"name": stage.name})
    for rank in (3, 4):
        stage.hold("gradient", rank, 10)
    job = run(path)
    for rank in (3, 4):
        job.until(stage.held("gradient", rank, 10), f"worker {rank - 1} computes")
    master = Path(f"/proc/{stage.pid(0)}/stat").read_text()
    os.kill(int(master.rpartition(")")[2].split()[1]), signal.SIGKILL)
    job.until(path.with_suffix(".h5").exists, "the run is saved")
    ended = job.wait()
    assert ended.code == 4
    assert len(ended.errors) == 1
    assert "ended before the master did" in ended.errors[0]
    made = read_run(path.with_suffix(".h5"))
    assert not made.complete
    assert made.attrs["outcome"] == "interrupted"
    assert distance(made.parameters, descend(made.n_iterations)) < 1e-10
    assert any(path.with_suffix(".checkpoints").iterdir())


@pytest.mark.parametrize("number", DEADLY)
def test_the_death_of_the_master_is_told(run, config, stage, number):
    path = config(problem={"name": stage.name})
    stage.hold("regularise", 0, 10)
    job = run(path)
    job.until(stage.held("regularise", 0), "iteration 10")
    os.kill(stage.pid(0), number)
    ended = job.wait()
    assert ended.code == 4
    assert ended.errors == [
        "mpicode: error: the master (rank 0) died; what it had saved is whole, and the run can be "
        "resumed"
    ]
    made = read_run(f"{path.with_suffix('.h5')}.part")
    assert not made.complete
    assert made.n_iterations == 10
