from types import SimpleNamespace

import numpy as np
import pytest

from mpicode.errors import ConfigError, DataError
from mpicode.outcomes import Outcome
from mpicode.pool import delays
from mpicode.results import RunWriter, read_run

MESSAGE = [("worker", int), ("round", int), ("parameters_iteration", int), ("seconds", float)]

# Five iterations of 1 s. Worker 0 answers each after 0.25 s; worker 1 is late with iteration 0 and
# answers it at 2.5 s, then 3 after 0.5 s; worker 2 never answers again after iteration 1.
ANSWERS = [
    *[(0, 0, t, t + 0.25) for t in range(5)],
    (1, 0, 0, 2.5),
    (1, 0, 3, 3.5),
    (1, 0, 4, 4.5),
    (2, 0, 0, 0.75),
    (2, 0, 1, 1.25),
]


def record(answers=ANSWERS, n_iterations=5, n_workers=3, started=None):
    number = np.arange(n_iterations)
    return SimpleNamespace(
        iterations={
            "iteration": number,
            "started": number.astype(float) if started is None else np.array(started, float),
            "seconds": np.ones(n_iterations),
        },
        workers={"arrived": np.ones((n_iterations, n_workers), bool)},
        messages=np.array(answers, dtype=MESSAGE),
    )


def replay(run, n_workers=3, **parameters):
    return delays.make(
        "replay",
        {"path": "run.h5", **parameters},
        n_workers=n_workers,
        seed=0,
        read_run=lambda p: run,
    )


def at(model, worker, now):
    return round(model.seconds(worker, 99, now, 0.5), 12)


def test_a_request_is_held_until_the_worker_was_free():
    model = replay(record(), whole_latency=True)
    assert [at(model, 0, t) for t in (0.0, 0.125, 3.0)] == [0.25, 0.125, 0.25]
    assert [at(model, 1, t) for t in (0.0, 1.0, 2.25)] == [2.5, 1.5, 0.25]


def test_an_idle_moment_is_as_late_as_the_next_request_on_record():
    model = replay(record(), whole_latency=True)
    assert at(model, 1, 2.75) == 0.5
    assert at(model, 0, 0.5) == 0.25


def test_the_quickest_answer_of_the_file_is_the_work_itself():
    model = replay(record())
    assert [at(model, w, 0.0) for w in range(3)] == [0.0, 2.25, 0.5]
    assert at(model, 0, 3.125) == 0.0


def test_a_worker_that_fell_silent_is_held_to_the_end_of_the_record():
    model = replay(record(), whole_latency=True)
    assert at(model, 2, 1.5) == 3.0  # asked at 2, silent until 5
    assert at(model, 2, 4.0) == 1.0


def test_a_worker_never_heard_of_is_held_from_the_start():
    model = replay(record(n_workers=4), n_workers=4)
    assert at(model, 3, 0.5) == 4.25


def test_a_longer_run_meets_the_record_again():
    model = replay(record())
    for worker in range(3):
        for now in np.arange(0, 5, 0.125):
            assert at(model, worker, now) == at(model, worker, now + 15.0)


def test_several_messages_and_second_rounds_count_once():
    answers = [(0, 0, 0, 0.25), (0, 0, 0, 0.5), (0, 1, 0, 0.9), (0, 0, 1, 1.25)]
    model = replay(record(answers, n_iterations=2, n_workers=1), n_workers=1, whole_latency=True)
    assert [at(model, 0, t) for t in (0.0, 0.75, 1.0)] == [0.5, 0.25, 0.25]


def test_a_busy_worker_was_asked_when_it_was_free():
    # the answer to iteration 0 lands at 1.5, in iteration 1, whose request can only go out then
    model = replay(record([(0, 0, 0, 1.5), (0, 0, 1, 1.75)], n_workers=1), n_workers=1)
    assert at(model, 0, 1.5) == 0.0
    assert at(model, 0, 0.0) == 1.25


@pytest.mark.parametrize(
    ("run", "n_workers", "text"),
    [
        (record(), 4, "run.h5 records 3 workers, the run has 4"),
        (record(answers=[]), 3, "run.h5 records 5 iterations and 0 messages"),
        (record(n_iterations=0), 3, "run.h5 records 0 iterations"),
        (record(started=[0, 2, 1, 3, 4]), 3, "run.h5: the times of its iterations do not rise"),
        (
            record(started=[0, 1, 2, 3, np.nan]),
            3,
            "run.h5: the times of its iterations do not rise",
        ),
    ],
)
def test_a_file_that_cannot_serve_is_named(run, n_workers, text):
    with pytest.raises(ConfigError, match=text):
        replay(run, n_workers)


def test_a_reader_is_needed():
    with pytest.raises(ConfigError, match="'replay' wants read_run"):
        delays.make("replay", {"path": "run.h5"}, n_workers=3, seed=0)


def test_the_run_file_of_a_run_can_be_replayed(tmp_path):
    path = tmp_path / "run.h5"
    with RunWriter(path, {"config": "", "seed": 0}, n_workers=3) as writer:
        for worker, round, t, seconds in ANSWERS:
            writer.message(t, round, worker, worker, t, seconds, Outcome.USED)
        for t in range(5):
            writer.iteration({"started": float(t), "seconds": 1.0}, {})
        writer.close(np.zeros(1), complete=True, outcome="done")
    fake = replay(record())
    model = delays.make("replay", {"path": str(path)}, n_workers=3, seed=0, read_run=read_run)
    for now in np.arange(0, 6, 0.125):
        assert [at(model, w, now) for w in range(3)] == [at(fake, w, now) for w in range(3)]


def test_a_missing_file_is_named(tmp_path):
    path = str(tmp_path / "gone.h5")
    with pytest.raises(DataError, match=r"gone\.h5: no such file"):
        delays.make("replay", {"path": path}, n_workers=3, seed=0, read_run=read_run)
