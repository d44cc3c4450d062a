from __future__ import annotations

import numpy as np
import pytest

from mpicode.outcomes import Outcome
from mpicode.results import UNANSWERED, RunWriter, intervals, lost, read_run, waiting_avoided

USED, LATE, DROPPED = Outcome.USED, Outcome.STALE_DROPPED, Outcome.DROPPED


@pytest.fixture
def run(tmp_path):
    """Three workers, three iterations of one second; what happens is told in the messages."""

    def make(messages, started=True, owner=(0, 1, 2)):
        with RunWriter(tmp_path / "run.h5", {}, 3) as writer:
            writer.code({"owner": np.array(owner)}, 0)
            for iteration in range(3):
                row = {"seconds": 1.0} | ({"started": float(iteration)} if started else {})
                writer.iteration(row, {})
            for landed_in, worker, asked_in, seconds, outcome in messages:
                writer.message(landed_in, 0, worker, worker, asked_in, seconds, outcome)
        return read_run(tmp_path / "run.h5")

    return make


IN_TIME = [(t, worker, t, t + 0.5, USED) for t in range(3) for worker in (0, 1)]


def test_nothing_is_avoided_when_all_are_waited_for(run):
    assert waiting_avoided(run([*IN_TIME, *((t, 2, t, t + 0.9, USED) for t in range(3))])) == 0.0


@pytest.mark.parametrize("started", [True, False])
def test_what_the_last_answer_of_each_iteration_came_too_late_is_avoided(run, started):
    # worker 2 serves iteration 0 until 1.25 and is withdrawn from iteration 1 at 2.1
    late = [(1, 2, 0, 1.25, LATE), (2, 2, 1, 2.1, DROPPED), (2, 2, 2, 2.9, USED)]
    assert waiting_avoided(run([*IN_TIME, *late], started)) == pytest.approx(0.25 + 0.1)


def test_only_the_last_of_several_late_workers_counts(run):
    late = [(1, 1, 0, 1.25, LATE), (1, 2, 0, 1.5, LATE)]
    on_time = [m for m in IN_TIME if m[1:3] != (1, 0)]
    on_time += [(t, 2, t, t + 0.9, USED) for t in (1, 2)]
    assert waiting_avoided(run([*on_time, *late])) == pytest.approx(0.5)


def test_a_worker_silent_to_the_end_counts_until_the_end(run):
    silent = run([*IN_TIME, (0, 2, 0, 0.5, USED)])
    assert waiting_avoided(silent) == pytest.approx(1.0)
    last = intervals(silent).where(intervals(silent).outcome == UNANSWERED)
    assert (last.worker.tolist(), last.iteration.tolist()) == ([2], [1])
    assert (last.began.tolist(), last.ended.tolist()) == ([1.0], [3.0])


def test_a_worker_that_owns_no_message_is_not_waited_for(run):
    assert waiting_avoided(run(IN_TIME, owner=(0, 1))) == 0.0


def test_a_worker_is_busy_from_when_it_could_be_asked(run):
    late = [(1, 2, 0, 1.25, LATE), (2, 2, 1, 2.1, DROPPED), (2, 2, 2, 2.9, USED)]
    busy = intervals(run([*IN_TIME, *late]))
    mine = busy.where(busy.worker == 2)
    np.testing.assert_allclose(mine.began, [0.0, 1.25, 2.1])
    np.testing.assert_allclose(mine.ended, [1.25, 2.1, 2.9])
    assert mine.outcome.tolist() == [LATE, DROPPED, USED]
    assert mine.iteration.tolist() == [0, 1, 2]


def test_several_messages_of_one_request_are_one_interval(run):
    several = [(0, 2, 0, 0.2, USED), (0, 2, 0, 0.8, USED), (1, 2, 0, 1.2, DROPPED)]
    busy = intervals(run([*IN_TIME, *several, (2, 2, 2, 2.5, USED)]))
    first = busy.where((busy.worker == 2) & (busy.iteration == 0))
    assert first.outcome.tolist() == [USED]
    assert (first.began.tolist(), first.ended.tolist()) == ([0.0], [1.2])


def test_an_empty_run_avoids_nothing(tmp_path):
    RunWriter(tmp_path / "run.h5", {}, 3).close(None, False, "nothing")
    assert waiting_avoided(read_run(tmp_path / "run.h5")) == 0.0


def test_a_lost_worker_is_waited_for_until_it_is_lost(tmp_path):
    with RunWriter(tmp_path / "run.h5", {}, 3) as writer:
        writer.code({"owner": np.arange(3)}, 0)
        for iteration in range(4):
            writer.iteration({"seconds": 1.0, "started": float(iteration)}, {})
            for worker in (0, 1):
                if iteration < 2 or worker == 0:
                    at = iteration + 0.5
                    writer.message(iteration, 0, worker, worker, iteration, at, USED)
        writer.event(1, 1.25, 2, "lost", "died")
        # from iteration 2 on worker 0 alone has a part
        writer.code({"owner": np.array([0]), "workers": np.array([0])}, 2)
    made = read_run(tmp_path / "run.h5")
    open_still = intervals(made).where(intervals(made).outcome == UNANSWERED)
    assert open_still.worker.tolist() == [2]
    assert (open_still.began.tolist(), open_still.ended.tolist()) == ([0.0], [1.25])
    assert waiting_avoided(made) == pytest.approx(0.25)
    assert lost(made) == {2: 1.25}
