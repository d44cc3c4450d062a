"""Workers that die one after the other: the code is made anew over those left, the path stays."""

import itertools
import json
import shutil
import weakref
from importlib import import_module

import numpy as np
import pytest

import mpicode
from mpicode.pool.members import LOST, NOT_RESTORED, REASSIGNED, REFUSED
from mpicode.pool.virtual import VirtualMaster
from mpicode.results import lost, read_run
from mpicode.train.blocks import Blocks
from mpicode.train.works import Works

from .schemes import EXACT, WORKERS, make

ITERATIONS = 60
NONE = {"name": "none"}
# (table code, who dies one by one: s + 3 of them)
SCHEMES = {
    "cyclic": ({"name": "cyclic", "n_stragglers": 2}, (3, 11, 0, 7, 5)),
    "fractional-repetition": (
        {"name": "fractional-repetition", "n_stragglers": 2},
        (4, 3, 5, 11, 0),
    ),
    "kadhe": ({"name": "kadhe", "replication": 4, "n_segments": 2}, (0, 4, 8, 1, 5)),
}


class Mortal(VirtualMaster):
    """The virtual transport, whose workers die when they are told to."""

    latest = None

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.at = []  # (time, worker), ascending
        type(self).latest = self

    def kill(self, worker):
        self._workers[worker].die()
        self._losses.append((worker, "killed"))

    def wait(self, deadline=None):
        while not self._losses:
            moment = self.at[0][0] if self.at else np.inf
            first = moment <= (np.inf if deadline is None else deadline)
            arrived = super().wait(moment if first else deadline)
            # what a dead worker was sending is not whole
            living = [slot for slot in arrived if not self._workers[slot.worker].dead]
            if living:
                return living
            if first and self.now() >= moment:
                self.kill(self.at.pop(0)[1])
            elif not arrived:
                return []
        return []


@pytest.fixture
def mortal(monkeypatch):
    monkeypatch.setattr(import_module("mpicode.train.run"), "VirtualMaster", Mortal)
    Mortal.latest = None


class Killer:
    """A recorder that kills workers between iterations: {iteration: workers}."""

    def __init__(self, deaths):
        self.deaths = deaths
        self.done = 0

    def iteration(self, columns, workers):
        for worker in self.deaths.get(self.done, ()):
            Mortal.latest.kill(worker)
        self.done += 1


@pytest.fixture
def job(mortal, tables, tmp_path):
    """Run 12 workers of which some die: the result, and what the run file says."""
    numbers = itertools.count()

    def run(deaths, recorders=(), resume=False, **changes):
        config = tables(
            run={"n_workers": 12, "iterations": ITERATIONS},
            output={"path": str(tmp_path / f"{next(numbers)}.h5")},
            checkpoint={"keep": 0},
            delays={"name": "bernoulli", "probability": 0.1, "seconds": 0.001},
        )
        for name, table in changes.items():
            whole = name in ("code", "delays")
            config[name] = table if whole else {**config.get(name, {}), **table}
        result = mpicode.run(config, recorders=[Killer(deaths), *recorders], resume=resume)
        return result, read_run(result.path)

    return run


@pytest.fixture
def plain(tables):
    """The descent itself: one worker that lives."""
    return mpicode.run(tables(run={"n_workers": 1, "iterations": ITERATIONS}))


def is_the_descent(result, plain):
    """Hold each iterate to that of the descent, by its loss."""
    expected = plain.history["loss"][: result.n_iterations]
    np.testing.assert_allclose(result.history["loss"], expected, rtol=1e-10)
    assert (result.history["residual"] < 1e-20).all()


def events(made, kind):
    return [event for event in made.events if event["kind"] == kind]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_more_deaths_than_tolerated_one_by_one_leave_the_path_as_it_was(job, plain, scheme):
    code, victims = SCHEMES[scheme]
    result, made = job({4 + 10 * k: [who] for k, who in enumerate(victims)}, code=code)
    assert result.complete
    is_the_descent(result, plain)
    gap = np.linalg.norm(result.parameters - plain.parameters)
    assert gap <= 1e-10 * np.linalg.norm(plain.parameters)
    assert made.iterations["n_lost"][-1] == len(victims) == 5
    assert len(events(made, LOST)) == 5
    told = events(made, REASSIGNED)
    assert len(told) == 5
    # each code is there with the iteration it began with, over workers that lived then
    assert [one["iteration"] for one in made.codes[1:]] == [e["iteration"] for e in told]
    for place, (one, event) in enumerate(zip(made.codes[1:], told, strict=True)):
        assert 5 + 10 * place <= event["iteration"] < 14 + 10 * place
        assert not set(one["workers"]) & set(victims[: place + 1])
        assert one["encoding"].shape[0] == len(one["workers"]) == one["owner"].size
        assert json.dumps(one["workers"].tolist()) in event["detail"]
    # the last one decodes without any two of its workers
    last = made.codes[-1]
    encoding = last["encoding"].toarray()
    n_segments = code.get("n_segments", 1)
    target = np.repeat(np.eye(n_segments), encoding.shape[1] // n_segments, axis=1)
    for further in itertools.combinations(range(len(last["workers"])), 2):
        there = encoding[~np.isin(last["owner"], further)]
        missed = target - np.linalg.lstsq(there.T, target.T, rcond=None)[0].T @ there
        assert np.abs(missed).max() < 1e-10
    # nobody who has no part in a code is asked
    arrived = made.workers["arrived"][last["iteration"] :].any(axis=0)
    assert set(np.flatnonzero(arrived)) <= set(last["workers"])


def test_then_it_still_tolerates_any_s_workers(job, plain):
    code, victims = SCHEMES["cyclic"]
    deaths = {1 + 3 * k: [who] for k, who in enumerate(victims)}
    left = sorted(set(range(12)) - set(victims))
    for further in itertools.combinations(left, 2):
        # no restoration helps against two at once
        result, made = job({**deaths, 17: further}, code=code, run={"iterations": 20}, delays=NONE)
        is_the_descent(result, plain)
        assert len(events(made, REASSIGNED)) == 5
        assert made.iterations["n_lost"][-1] == 7


def test_a_death_in_the_middle_of_the_restoration_begins_it_again(job, plain):
    # reading the new rows takes 1.8 ms or more, an iteration about as long
    result, made = job({4: [1], 5: [2]}, code=SCHEMES["cyclic"][0], delays=NONE)
    is_the_descent(result, plain)
    [told] = events(made, REASSIGNED)
    assert "10 of 12 workers, of which any 2 may be lost" in told["detail"]
    assert made.codes[1]["workers"].tolist() == [0, *range(3, 12)]


def test_a_death_while_an_answer_is_awaited(job, plain, monkeypatch):
    begun = Mortal.__init__

    def doomed(transport, *arguments, **options):
        begun(transport, *arguments, **options)
        transport.at = [(0.0021, 3), (0.0023, 5), (0.0123, 7)]

    monkeypatch.setattr(Mortal, "__init__", doomed)
    result, made = job({}, code=SCHEMES["cyclic"][0])
    is_the_descent(result, plain)
    assert [event["worker"] for event in events(made, LOST)] == [3, 5, 7]
    assert len(events(made, REASSIGNED)) == 2


def test_more_deaths_at_once_than_tolerated_are_approximate_until_restored(job):
    result, made = job({4: [1, 2, 3, 4]}, code=SCHEMES["cyclic"][0])
    assert result.complete
    [told] = events(made, REASSIGNED)
    residual = made.iterations["residual"]
    began = int(told["iteration"])
    assert (residual[:5] < 1e-20).all()
    assert (residual[5:began] > 0.1).all()
    assert began > 5
    assert (residual[began:] < 1e-20).all()
    assert made.iterations["loss"][-1] < made.iterations["loss"][4]


def test_nothing_is_restored_if_so_told(job):
    faults = {"when_lost": "approximate"}
    _, made = job({4: [1, 2, 3]}, code=SCHEMES["cyclic"][0], faults=faults)
    assert not events(made, REASSIGNED)
    assert len(made.codes) == 1
    assert (made.iterations["residual"][5:] > 0.1).all()
    result, _ = job({4: [1, 2, 3]}, code=SCHEMES["cyclic"][0], faults={"when_lost": "stop"})
    assert result.error.exit_code == 4


def test_what_cannot_be_made_for_fewer_is_said_once(job):
    # the plane of seven points is the smallest design there is
    code = {"name": "bibd", "load": 3}
    result, made = job({4: [1], 20: [2]}, code=code, run={"n_workers": 7})
    assert result.complete
    assert not events(made, REASSIGNED)
    details = [event["detail"] for event in events(made, NOT_RESTORED)]
    assert details == [f"'bibd' cannot be made for the {n} workers left" for n in (6, 5)]


@pytest.mark.parametrize("name", WORKERS)
def test_every_scheme_goes_on_over_fewer(job, plain, name):
    result, made = job({4: [1]}, code={"name": name}, run={"n_workers": WORKERS[name]}, delays=NONE)
    assert result.complete
    [told] = events(made, REASSIGNED) or events(made, NOT_RESTORED)
    if name in EXACT:
        assert (made.iterations["residual"][told["iteration"] :] < 1e-20).all()
        if make(name).max_stragglers:
            is_the_descent(result, plain)
    assert 1 not in made.codes[-1].get("workers", ())
    assert made.iterations["loss"][-1] < made.iterations["loss"][5]


class Sizes:
    """A recorder that watches what the stores of rows keep in memory."""

    def __init__(self, made):
        self.made = made
        self.most = 0
        self.counts = []

    def iteration(self, columns, workers):
        self.most = max(self.most, sum(store._n_bytes for store in set(self.made)))
        self.counts.append(len(self.made))


@pytest.mark.parametrize("memory_mb", [10.0, 0.3])
def test_rows_of_an_old_code_are_let_go_of(job, plain, monkeypatch, memory_mb):
    made = weakref.WeakSet()
    begun = Blocks.__init__

    def watched(store, *arguments, **options):
        begun(store, *arguments, **options)
        made.add(store)

    monkeypatch.setattr(Blocks, "__init__", watched)
    sizes = Sizes(made)
    result, file = job(
        {4: [1], 14: [2], 24: [3], 34: [4], 44: [5]},
        code=SCHEMES["cyclic"][0],
        data={"memory_mb": memory_mb},
        delays=NONE,
        recorders=[sizes],
    )
    is_the_descent(result, plain)
    assert len(events(file, REASSIGNED)) == 5
    everything = 1797 * (64 * 8 + 8)
    # old and new together while workers change over
    assert sizes.most <= min(2.0 * everything, memory_mb * 1e6)
    assert sizes.most > min(everything, memory_mb * 1e6) / 2
    assert max(sizes.counts) == 2
    assert sizes.counts[-1] == 1


class Vanish:
    """A recorder that takes the data away when the first iteration is over."""

    def __init__(self, path):
        self.path = path

    def iteration(self, columns, workers):
        self.path.unlink(missing_ok=True)


def test_where_rows_cannot_be_read_any_more_the_old_code_goes_on(job, plain, tmp_path, digits):
    path = tmp_path / "vanishing.h5"
    shutil.copy(digits, path)
    result, made = job(
        {4: [1], 20: [2]},
        code=SCHEMES["cyclic"][0],
        data={"path": str(path)},
        recorders=[Vanish(path)],
        delays=NONE,
    )
    assert result.complete
    is_the_descent(result, plain)
    refused = events(made, REFUSED)
    assert {event["worker"] for event in refused} == {0, *range(2, 12)}
    assert all(event["detail"] == f"DataError: {path}: no such file" for event in refused)
    details = [event["detail"] for event in events(made, NOT_RESTORED)]
    assert details == ["'cyclic' cannot be made for the 0 workers left"] * 2
    assert not events(made, REASSIGNED)


def test_one_who_cannot_read_its_rows_is_left_out(job, plain, monkeypatch):
    renewed = Works.renewed

    def reluctant(works, worker, numbers, cancelled):
        if worker == 6:
            raise OSError("disk on fire")
        return renewed(works, worker, numbers, cancelled)

    monkeypatch.setattr(Works, "renewed", reluctant)
    result, made = job({4: [1], 24: [2]}, code=SCHEMES["cyclic"][0], delays=NONE)
    is_the_descent(result, plain)
    told = [(int(e["worker"]), e["kind"]) for e in made.events if e["kind"] != LOST]
    assert told == [(6, REFUSED), (-1, REASSIGNED)] * 2
    assert "10 of 12 workers" in events(made, REASSIGNED)[0]["detail"]
    assert 6 not in made.codes[-1]["workers"]


def test_a_resumed_run_begins_with_all_workers_and_says_so(job, plain, tmp_path):
    changes = {"checkpoint": {"keep": 2}, "output": {"path": str(tmp_path / "run.h5")}}
    changes |= {"code": SCHEMES["cyclic"][0], "delays": NONE}
    job({4: [1]}, run={"iterations": 30}, **changes)
    result, made = job({}, resume=True, **changes)
    is_the_descent(result, plain)
    assert [one.get("workers", np.arange(12)).size for one in made.codes] == [12, 11, 12]
    assert made.codes[2]["iteration"] == 30
    # nobody is drawn as lost who answers later
    assert lost(made) == {}
