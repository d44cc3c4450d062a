"""Redundancy restored under MPI: deaths beyond what the code tolerates, one after the other."""

import os
import signal

from mpicode.pool.members import LOST, REASSIGNED
from mpicode.results import read_run

from .digits import descend, distance

CYCLIC = {"name": "cyclic", "n_stragglers": 1}
FOREVER = {"n_workers": 5, "iterations": 1_000_000}


def finish(job, path):
    """Let the run end; return what it wrote, having checked that its path is the descent."""
    job.signal(signal.SIGTERM)
    assert job.wait().code == 4
    made = read_run(path.with_suffix(".h5"))
    assert (made.iterations["residual"] < 1e-20).all()
    assert distance(made.parameters, descend(made.n_iterations)) < 1e-10
    return made


def test_deaths_beyond_tolerance_with_restoration_in_between(run, config, stage):
    path = config(problem={"name": stage.name}, code=CYCLIC, run=FOREVER)
    job = run(path)
    for times, rank in enumerate((2, 5, 1), start=1):
        stage.hold("gradient", rank, 5 * times)
        job.until(stage.held("gradient", rank), f"rank {rank} computes")
        os.kill(stage.pid(rank), signal.SIGKILL)
        job.until(job.said(": reassigned: ", times), f"restoration {times}")
    made = finish(job, path)
    assert [one.get("workers", range(5)).tolist() for one in made.codes[1:]] == [
        [0, 2, 3, 4],
        [0, 2, 3],
        [2, 3],
    ]
    last = made.codes[-1]["iteration"]
    assert not made.workers["arrived"][last:, [0, 1, 4]].any()
    # both of the last two tolerate the loss of the other
    assert made.iterations["n_arrived"][last:].min() >= 1


def test_a_death_during_the_restoration_begins_it_again(run, config, stage):
    path = config(problem={"name": stage.name}, code={**CYCLIC, "n_stragglers": 2}, run=FOREVER)
    job = run(path)
    stage.hold("gradient", 2, 5)
    # rank 3 is busy with an early iteration and so not asked to get ready
    stage.hold("gradient", 3, 5)
    job.until(stage.held("gradient", 2), "rank 2 computes")
    job.until(stage.held("gradient", 3), "rank 3 computes")
    os.kill(stage.pid(2), signal.SIGKILL)
    job.until(job.said("worker 1 (rank 2) lost: "), "the loss of rank 2")
    stage.hold("regularise", 0, 50)
    job.until(stage.held("regularise", 0), "iterations under the old code")
    assert not job.said("reassigned")()
    os.kill(stage.pid(3), signal.SIGKILL)
    stage.release("regularise", 0)
    job.until(job.said(": reassigned: "), "the restoration")
    stage.hold("gradient", 5, 5)
    job.until(stage.held("gradient", 5), "rank 5 computes")
    os.kill(stage.pid(5), signal.SIGKILL)
    job.until(job.said(": reassigned: ", 2), "the next restoration")
    made = finish(job, path)
    assert [one["workers"].tolist() for one in made.codes[1:]] == [[0, 3, 4], [0, 3]]


def test_with_nobody_left_who_has_a_part_the_run_waits_for_the_others(run, config, stage):
    """Of five workers, two groups of two work and one is idle; all four die at once."""
    path = config(
        problem={"name": stage.name},
        code={"name": "fractional-repetition", "n_stragglers": 1},
        run={**FOREVER, "n_workers": 6},
    )
    job = run(path)
    stage.hold("gradient", 1, 5)
    job.until(stage.held("gradient", 1), "rank 1 computes")
    os.kill(stage.pid(1), signal.SIGKILL)
    job.until(job.said(": reassigned: "), "the restoration")
    stage.hold("regularise", 0)
    job.until(stage.held("regularise", 0), "an iteration of the new code")
    for rank in (2, 3, 4, 5):
        os.kill(stage.pid(rank), signal.SIGKILL)
    stage.release("regularise", 0)
    job.until(job.said(": reassigned: ", 2), "the worker who was idle")
    made = finish(job, path)
    assert [one["workers"].tolist() for one in made.codes[1:]] == [[1, 2, 3, 4], [5]]
    assert sum(event["kind"] == LOST for event in made.events) == 5
    assert "n_stragglers is 0 now" in made.events[made.events["kind"] == REASSIGNED][-1]["detail"]
