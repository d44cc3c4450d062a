"""Injected faults under real MPI: real signals, real damage, the outcome a user sees."""

from mpicode.pool.members import CORRUPT, LOST
from mpicode.results import read_run

from .digits import descend, distance

CYCLIC = {"name": "cyclic", "n_stragglers": 2}


def ends_well(run, path, iterations=30):
    ended = run(path).wait()
    assert ended.code == 0, ended.err
    made = read_run(path.with_suffix(".h5"))
    assert made.complete
    assert distance(made.parameters, descend(iterations)) < 1e-10
    events = [(int(e["worker"]), e["kind"]) for e in made.events if e["worker"] >= 0]
    return made, events


def test_killed_and_stopped_workers(run, config):
    inject = [
        {"kind": "kill", "worker": 0, "iteration": 3, "at": "send"},
        {"kind": "stop", "worker": 2, "iteration": 5, "seconds": 1.0},
        {"kind": "stop", "worker": 1, "iteration": 5, "seconds": 1.0},
    ]
    made, events = ends_well(run, config(code=CYCLIC, faults={"inject": inject}))
    assert events == [(0, LOST)]
    assert max(made.iterations["wait"]) > 0.9


def test_damaged_answers(run, config):
    inject = [
        {"kind": "corrupt", "worker": 1, "iteration": 2, "iterations": 3, "damage": "header"},
        {"kind": "corrupt", "worker": 3, "iteration": 4, "iterations": 3},
    ]
    made, events = ends_well(run, config(code=CYCLIC, faults={"inject": inject}))
    assert set(events) <= {(1, CORRUPT), (3, CORRUPT)}
    # who came too late in an iteration was not looked at any more
    assert events
    assert made.workers["corrupt"].any()


def test_a_worker_that_leaves_without_a_word_at_the_end(run, config):
    inject = [{"kind": "exit", "worker": 1, "at": "shutdown"}]
    ends_well(run, config(code=CYCLIC, faults={"inject": inject}))


def test_a_full_disk(run, config):
    path = config(
        run={"iterations": 1_000_000}, faults={"inject": [{"kind": "full-disk", "iteration": 20}]}
    )
    ended = run(path).wait()
    assert ended.code == 3, ended.err
    assert "cannot be written: file too large" in ended.err
    assert read_run(f"{path.with_suffix('.h5')}.part").n_iterations >= 20


def test_a_wrong_fault_is_told_before_anything_starts(run, config):
    ended = run(config(faults={"inject": [{"kind": "kill", "worker": 4, "iteration": 1}]})).wait()
    assert ended.code == 2
    assert ended.errors == [
        "mpicode: error: faults.inject[0].worker: worker 4 does not exist, "
        "4 workers count from 0 to 3"
    ]
