"""The waits of `Backoff`, under a clock that only its own sleeps and looks move."""

import importlib.util
import os
import time

import pytest

from mpicode.pool import backoff

LOOK = 1e-6


class Clock:
    """Stands in for the real one; remembers each sleep with the time waited before it."""

    def __init__(self):
        self.now = 5.0
        self.since = 5.0
        self.sleeps = []

    def sleep(self, seconds):
        self.sleeps.append((self.now - self.since, seconds))
        self.now += seconds

    def look(self):
        self.now += LOOK


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def waiting(clock, monkeypatch):
    """A `Backoff` of a module that was loaded while time stood still."""

    def read():
        return clock.now

    for name in ("perf_counter", "monotonic", "time"):
        monkeypatch.setattr(time, name, read)
    monkeypatch.setattr(time, "sleep", clock.sleep)
    monkeypatch.setattr(os, "sched_yield", lambda: None)
    spec = importlib.util.spec_from_file_location("patched_backoff", backoff.__file__)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Backoff()


def wait(waiting, clock, seconds):
    """Look and pause until ``seconds`` have passed, as a transport does."""
    clock.since = clock.now
    clock.sleeps.clear()
    waiting.reset()
    while clock.now - clock.since < seconds:
        clock.look()
        waiting.pause()
    return clock.sleeps


def test_an_answer_of_microseconds_pays_for_no_sleep(waiting, clock):
    assert wait(waiting, clock, 40e-6) == []


def test_sleeps_grow_and_are_bounded(waiting, clock):
    sleeps = wait(waiting, clock, 3.0)
    lengths = [seconds for _, seconds in sleeps]
    assert lengths == sorted(lengths)
    assert lengths[0] >= 20e-6
    assert lengths[-1] == 5e-3
    assert {s for waited, s in sleeps if waited > 0.25} == {5e-3}


def test_no_wait_becomes_longer_by_more_than_a_fiftieth(waiting, clock):
    for waited, seconds in wait(waiting, clock, 3.0):
        # an answer may come just after the sleep began
        assert seconds <= max(20e-6, 0.02 * (waited + LOOK))


def test_a_long_wait_burns_no_core(waiting, clock):
    sleeps = wait(waiting, clock, 60.0)
    assert sum(seconds for _, seconds in sleeps) > 0.99 * 60.0
    assert len(sleeps) < 60.0 / 5e-3 + 1000


def test_a_new_wait_begins_at_the_shortest(waiting, clock):
    first = list(wait(waiting, clock, 0.5))
    again = wait(waiting, clock, 0.5)
    assert [s for _, s in again] == pytest.approx([s for _, s in first])


def test_a_shorter_slack_can_be_asked_for_anywhere():
    backoff.sharpen_sleep()
