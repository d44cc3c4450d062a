"""Getting ready for another code beside the work on the one there is."""

import gc
import weakref

import numpy as np
import pytest

from mpicode.pool import wire
from mpicode.pool.background import Background, Job
from mpicode.pool.members import CORRUPT
from mpicode.pool.wire import Kind

from .conftest import Echo

ROWS = 40.0


class Renewer:
    """Makes the work of later generations; remembers what it was asked for."""

    def __init__(self):
        self.asked = []
        self.made = weakref.WeakSet()
        self.fails = {}

    def __call__(self, worker, numbers, cancelled):
        self.asked.append((worker, numbers.tolist()))
        if worker in self.fails:
            raise self.fails[worker]
        work = Echo(worker, (4,), {})
        self.made.add(work)
        return work, ROWS


@pytest.fixture
def ready(stage):
    """A pool of three watched workers that know how to get ready."""
    renewer = Renewer()
    made = stage(3, renew=renewer)
    made.renewer = renewer
    return made


def until_ready(made, own, ask, iteration):
    while made.pool.unprepared:
        ask(made.pool, iteration, own)
        iteration += 1
    return iteration


def test_workers_get_ready_beside_their_work(ready, own, ask):
    ask(ready.pool, 0, own(3))
    began = ready.pool.now()
    ready.pool.prepare(1, [0, 2], np.array([7, 8]))
    assert ready.pool.unprepared == {0, 2}
    iteration = until_ready(ready, own(3), ask, 1)
    # 20 s of virtual time for the rows; an iteration takes 2.5 s
    assert iteration > 5
    assert ready.pool.now() - began >= ROWS * 0.5
    assert sorted(ready.renewer.asked) == [(0, [7, 8]), (2, [7, 8])]
    ready.pool.change_over()
    assert sorted(ask(ready.pool, iteration, [*own(3)[:1], np.array([], int), own(3)[2]])) == [
        (0, 0),
        (2, 2),
    ]


def test_those_with_no_part_in_a_code_are_told(ready, own, ask):
    ask(ready.pool, 0, own(3))
    ready.pool.prepare(1, [0, 2], np.array([7]))
    iteration = until_ready(ready, own(3), ask, 1)
    ready.pool.change_over()
    nobody = np.array([], int)
    ask(ready.pool, iteration, [own(3)[0], nobody, own(3)[2]])
    # an assignment of no message, whereupon it lets go of what it had
    assert [e[3] for e in ready.transport.of_kind(Kind.ASSIGN)][-3:] == [0, 1, 2]


def test_a_busy_worker_is_told_when_it_is_idle(stage, own, ask):
    renewer = Renewer()
    made = stage(2, parts={0: [4], 1: [4] * 10}, renew=renewer)
    assert ask(made.pool, 0, own(2), enough=1) == [(0, 0)]
    made.pool.prepare(1, [0, 1], np.array([1]))
    assert [e[3] for e in made.transport.of_kind(Kind.PREPARE)] == [0]
    iteration = until_ready(made, own(2), ask, 1)
    assert [e[3] for e in made.transport.of_kind(Kind.PREPARE)] == [0, 1]
    made.pool.change_over()
    assert len(ask(made.pool, iteration, own(2))) == 2


def test_an_answer_of_the_old_code_is_late_and_not_mixed(stage, own, ask):
    renewer = Renewer()
    made = stage(2, delays={(1, 30): 50.0}, renew=renewer)
    made.pool.prepare(1, [0, 1], np.array([1]))
    iteration = until_ready(made, own(2), ask, 0)
    assert iteration < 30
    # worker 1 is asked under the old code, and answers under the new
    assert ask(made.pool, 30, own(2), enough=1) == [(0, 0)]
    made.pool.change_over()
    again = [np.array([worker]) for worker in range(2)]
    taken = ask(made.pool, 30, again, enough=2)  # the very same iteration
    assert sorted(taken) == [(0, 0), (1, 1)]
    assert [row[6].label for row in made.log][-1] in ("dropped", "stale-dropped")
    assert made.pool.close() == []


def test_another_preparation_takes_the_place_of_one_that_is_not_over(ready, own, ask):
    ready.pool.prepare(1, [0, 1, 2], np.array([1]))
    ask(ready.pool, 0, own(3))
    ready.pool.prepare(2, [0, 1], np.array([2]))
    iteration = until_ready(ready, own(3), ask, 1)
    assert [asked for asked in ready.renewer.asked if asked[1] == [2]] == [(0, [2]), (1, [2])]
    ready.pool.change_over()
    ask(ready.pool, iteration, [*own(3)[:2], np.array([], int)])
    del ready.transport.log[:]
    gc.collect()
    assert len(ready.renewer.made) == 2


def test_one_who_changed_over_late_can_get_ready_at_once(ready, own, ask):
    """It was busy when the others changed over, and is asked to get ready again when idle."""
    ready.delay._seconds.update({(1, 40): 30.0})
    ready.pool.prepare(1, [0, 1, 2], np.array([1]))
    until_ready(ready, own(3), ask, 0)
    assert len(ask(ready.pool, 40, own(3), enough=2)) == 2
    ready.pool.change_over()
    ask(ready.pool, 41, own(3), enough=2)
    ready.pool.prepare(2, [0, 1, 2], np.array([2]))
    until_ready(ready, own(3), ask, 42)
    ready.pool.change_over()
    assert len(ask(ready.pool, 200, own(3))) == 3
    assert ready.pool.close() == []


def test_who_cannot_get_ready_goes_on_as_before(ready, own, ask):
    ready.renewer.fails = {1: OSError("disk on fire")}
    ready.pool.prepare(1, [0, 1, 2], np.array([1]))
    iteration = until_ready(ready, own(3), ask, 0)
    assert ready.pool.refusals == {1: "OSError: disk on fire"}
    assert len(ask(ready.pool, iteration, own(3))) == 3


def test_a_request_for_a_code_that_nobody_prepared_is_an_error(ready, own):
    ready.pool.prepare(1, [0], np.array([1]))
    ready.pool.change_over()
    ready.pool.begin(Kind.GRADIENT, 0, np.zeros(7), own(3))
    with pytest.raises(Exception, match="this worker is without a part in 1"):
        list(ready.pool.answers())


def test_an_answer_of_another_generation_is_refused(stage, own, monkeypatch):
    made = stage(1)
    made.pool.begin(Kind.GRADIENT, 0, np.zeros(7), own(1))
    pack = wire.Frame.pack
    monkeypatch.setattr(wire.Frame, "pack", lambda frame, *fields: pack(frame, *fields[:-1], 3))
    assert list(made.pool.answers()) == []
    [change] = made.pool.members.take_changes()
    assert (change.kind, change.detail) == (CORRUPT, "answers for code 3, was asked for code 0")


def test_the_end_comes_while_workers_get_ready(ready, own, ask):
    ready.pool.prepare(1, [0, 1, 2], np.array([1]))
    ask(ready.pool, 0, own(3))
    assert ready.pool.close() == []


def test_jobs_run_one_after_the_other_and_are_told_that_nobody_wants_them():
    background, order = Background(), []

    def endless(cancelled):
        while not cancelled():
            pass
        order.append("first")
        return 1

    first, second = Job(endless), Job(lambda cancelled: order.append("second") or 2)
    background.start(first)
    background.start(second)
    assert not second.done
    first.cancel()
    background.close(60.0)
    assert order == ["first", "second"]
    assert (first.result(), second.result()) == (1, 2)


def test_the_exception_of_a_job_is_for_whoever_asks():
    job = Job(lambda cancelled: 1 / 0)
    job.run()
    assert job.done
    assert job.failed
    with pytest.raises(ZeroDivisionError):
        job.result()
