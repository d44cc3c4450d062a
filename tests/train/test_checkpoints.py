"""Going on from checkpoints under the virtual clock: as if there had been no break, bit for bit."""

import dataclasses
import errno
import os
import threading

import numpy as np
import pytest

import mpicode
from mpicode import disk
from mpicode.config import Checkpoint as Table
from mpicode.errors import ConfigError, DataError, WorkerFailed
from mpicode.optimizers import make as make_optimizer
from mpicode.results import CheckpointFolder, read_checkpoint, read_run
from mpicode.results.checkpoint import front, to_bytes
from mpicode.train.checkpoints import Checkpoints, Identity, State


@pytest.fixture
def rows(write_data):
    """Write 60 rows of a regression, ``seed`` for others, and return the path."""

    def write(seed=0, name="data.h5"):
        rng = np.random.default_rng(seed)
        X = rng.standard_normal((60, 3))
        return write_data(X, X @ [1.0, 2.0, 3.0] + 0.1 * rng.standard_normal(60), name)

    return write


@pytest.fixture
def job(rows, tables, tmp_path):
    """Least squares on 6 workers of whom some are late, into a run file; and what differs."""
    path = rows()

    def make(**changes):
        made = tables(
            data={"path": path, "test_fraction": 0.25},
            problem={"name": "least-squares"},
            optimizer={"name": "heavy-ball", "step_size": 0.05},
            code={"name": "cyclic", "n_stragglers": 2},
            run={"n_workers": 6, "iterations": 40, "evaluate_every": 7, "batch_size": 30},
            delays={"name": "pareto", "scale": 1e-4, "shape": 1.1},
            output={"path": str(tmp_path / "run.h5")},
            checkpoint={"every": 9},
        )
        for name, table in changes.items():
            same = table.get("name") in (None, made.get(name, {}).get("name"))
            made[name] = {**(made.get(name, {}) if same else {}), **table}
        return made

    return make


@pytest.fixture
def whole(job, tmp_path):
    """The run without a break, of ``changes``."""
    return lambda **changes: mpicode.run(
        job(**{**changes, "output": {"path": str(tmp_path / "whole.h5")}})
    )


class Killed(BaseException):
    """Ends a run at once, as a signal that nobody can catch would."""


class Kill:
    """A recorder that kills the run once it has done ``n`` iterations."""

    def __init__(self, n):
        self.n = n

    def iteration(self, columns, workers):
        if columns["iteration"] + 1 == self.n:
            raise Killed


def killed(config, n, resume=False):
    with pytest.raises(Killed):
        mpicode.run(config, recorders=[Kill(n)], resume=resume)
    settle()


def settle():
    """A real kill ends the thread that writes as well; here it has to come to its end."""
    for thread in threading.enumerate():
        if thread.name == "checkpoint":
            thread.join()


def resumed(config):
    """Resume; return the result and what was said."""
    said = []
    return mpicode.run(config, resume=True, say=said.append), said


def refused(config):
    with pytest.raises(ConfigError) as caught:
        mpicode.run(config, resume=True)
    assert caught.value.exit_code == 2
    text = str(caught.value)
    assert "\n" not in text
    return text


def states(tmp_path):
    """The checkpoints, oldest first."""
    return sorted((tmp_path / "run.checkpoints").iterdir())


def iterations(tmp_path):
    return [read_checkpoint(path).iteration for path in states(tmp_path)]


def events(path, kind):
    return [event for event in read_run(path).events if event["kind"] == kind]


def same_run(one, other):
    """Whether two run files tell the same, but for the evaluation at the end of a shorter run."""
    np.testing.assert_array_equal(one.parameters, other.parameters)
    for name, column in one.iterations.items():
        if name not in ("test_loss", "test_accuracy"):
            np.testing.assert_array_equal(column, other.iterations[name], err_msg=name)
    for name, table in one.workers.items():
        np.testing.assert_array_equal(table, other.workers[name], err_msg=name)
    np.testing.assert_array_equal(one.messages, other.messages)
    assert len(one.codes) == len(other.codes) == 1


@pytest.mark.parametrize("n", [1, 10, 19, 39])
def test_a_killed_run_goes_on_as_if_nothing_had_happened(job, whole, tmp_path, n):
    killed(job(), n)
    result, said = resumed(job())
    assert len(said) == 1
    if n < 10:
        assert said == [f"no checkpoint in {tmp_path / 'run.checkpoints'}: begins with iteration 0"]
    else:
        assert said[0].startswith(f"goes on with iteration {(n - 1) // 9 * 9} from ")
        (event,) = events(result.path, "resumed")
        assert event["iteration"] == (n - 1) // 9 * 9
    assert result.complete
    expected = whole()
    np.testing.assert_array_equal(result.parameters, expected.parameters)
    for name, column in expected.history.items():
        np.testing.assert_array_equal(result.history[name], column, err_msg=name)
        assert result.history[name].dtype == column.dtype
    assert result.uncoded_delay == expected.uncoded_delay
    same_run(read_run(expected.path), read_run(result.path))


@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": {"name": "nesterov", "step_size": 0.05}},
        {"optimizer": {"name": "adam", "step_size": 0.05, "amsgrad": True}},
        {"delays": {"name": "markov", "good_seconds": 1e-3, "bad_seconds": 1e-3, "seconds": 1e-3}},
        {"decoding": {"deadline": 2e-4}},
        {"code": {"name": "ignore-stragglers", "n_stragglers": 2}},
        {"run": {"dtype": "float32", "batch_size": 12}},
        {"data": {"memory_mb": 0.0}},
    ],
    ids=lambda changes: next(iter(next(iter(changes.values())).values())),
)
def test_so_does_any_other(job, whole, changes):
    killed(job(**changes), 30)
    result, said = resumed(job(**changes))
    assert [line.split(" from ")[0] for line in said] == ["goes on with iteration 27"]
    same_run(read_run(whole(**changes).path), read_run(result.path))


def test_it_may_be_killed_again_and_again(job, whole):
    killed(job(), 12)
    killed(job(), 26, resume=True)
    killed(job(), 27, resume=True)
    result, _ = resumed(job())
    same_run(read_run(whole().path), read_run(result.path))
    assert [e["iteration"] for e in events(result.path, "resumed")] == [9, 18, 18]


def test_what_was_busy_at_the_break_is_busy_after_it(job, whole):
    """Who answers next depends on it, and on that the last bits: without it this test is empty."""
    changes = {"delays": {"name": "fixed", "slow_workers": [1, 4], "seconds": 5e-3}}
    late = whole(**changes).history["n_withdrawn"]
    assert late[8] == 0
    assert late.max() > 0
    killed(job(**changes), 10)
    result, _ = resumed(job(**changes))
    same_run(read_run(whole(**changes).path), read_run(result.path))


def test_the_gradients_before_the_checkpoint_are_not_computed_again(job, monkeypatch):
    from mpicode.problems import LeastSquares

    computed = []
    gradient = LeastSquares.gradient

    def counted(self, *arguments):
        computed.append(1)
        return gradient(self, *arguments)

    monkeypatch.setattr(LeastSquares, "gradient", counted)
    mpicode.run(job())
    n_whole = len(computed)
    killed(job(), 28)
    computed.clear()
    resumed(job())
    assert 0 < len(computed) < n_whole * 15 / 40


def test_a_finished_run_goes_on_when_more_is_asked_for(job, whole, tmp_path):
    short = {"run": {"iterations": 23}}
    first = mpicode.run(job(**short))
    assert first.checkpoint == states(tmp_path)[-1]
    before = first.path.read_bytes()
    result, said = resumed(job(**short))
    assert said == []
    assert result.outcome == "nothing to do: 23 iterations done"
    assert result.complete
    np.testing.assert_array_equal(result.parameters, first.parameters)
    assert result.history.keys() >= first.history.keys()
    assert result.loss == first.loss
    assert first.path.read_bytes() == before
    assert resumed(job(run={"iterations": 5}))[0].outcome == (
        "nothing to do: 23 iterations done, run.iterations is 5"
    )
    assert first.path.read_bytes() == before
    result, _ = resumed(job())
    assert result.outcome == "40 iterations done"
    same_run(read_run(whole().path), read_run(result.path))


def test_a_finished_run_whose_file_is_gone_is_finished_again(job, whole):
    result = mpicode.run(job())
    result.path.unlink()
    again, said = resumed(job())
    assert "goes on with iteration 40" in said[0]
    assert "40 of the 40 iterations" in said[1]
    assert read_run(again.path).complete
    np.testing.assert_array_equal(again.parameters, result.parameters)
    np.testing.assert_array_equal(again.history["loss"], result.history["loss"])


def test_a_goal_that_was_reached_may_be_moved(job, whole):
    losses = whole().history["loss"]
    target = float(losses[20])
    first = mpicode.run(job(run={"target_loss": target}))
    n = first.n_iterations
    assert resumed(job(run={"target_loss": target}))[0].outcome.startswith("nothing to do: target")
    result, said = resumed(job())
    assert f"goes on with iteration {n - 1} from" in said[0]
    same_run(read_run(whole().path), read_run(result.path))


def test_so_may_the_time(job, whole):
    limit = float(whole().history["started"][20]) * 1.001
    first = mpicode.run(job(run={"max_seconds": limit}))
    assert first.n_iterations in (20, 21)
    assert "nothing to do" in resumed(job(run={"max_seconds": limit}))[0].outcome
    result, _ = resumed(job())
    same_run(read_run(whole().path), read_run(result.path))


def test_an_interrupted_run_leaves_a_checkpoint(job, whole):
    asked = iter(range(10**6))
    changes = {"checkpoint": {"every": 1000}}
    first = mpicode.run(job(**changes), interrupted=lambda: next(asked) > 200)
    assert first.error is not None
    assert 0 < first.n_iterations < 40
    saved = read_checkpoint(first.checkpoint)
    assert (saved.iteration, saved.outcome) == (first.n_iterations, "interrupted")
    result, _ = resumed(job(**changes))
    same_run(read_run(whole(**changes).path), read_run(result.path))


def test_a_run_that_is_interrupted_while_the_clock_is_set_loses_nothing(job, whole):
    killed(job(), 30)
    asked = iter(range(10**6))
    first = mpicode.run(job(), resume=True, interrupted=lambda: next(asked) > 60)
    assert first.outcome == "interrupted"
    assert read_checkpoint(first.checkpoint).iteration == 27
    result, _ = resumed(job())
    same_run(read_run(whole().path), read_run(result.path))


def test_a_run_that_gives_up_leaves_a_checkpoint(job, tmp_path):
    changes = {"decoding": {"deadline": 1e-12}, "run": {"iterations": 300}}
    first = mpicode.run(job(**changes))
    assert "nothing arrived" in first.outcome
    assert read_checkpoint(first.checkpoint).iteration == first.n_iterations == 100
    # one more without an answer is one too many
    again, _ = resumed(job(**changes))
    assert "nothing arrived" in again.outcome
    assert again.n_iterations == 101
    result, _ = resumed(job(run={"iterations": 120}))
    assert result.outcome == "120 iterations done"


def test_the_state_of_a_run_that_diverged_is_not_kept(job, tmp_path):
    changes = {
        "optimizer": {"step_size": 1e30},
        "run": {"iterations": 300},
        "checkpoint": {"every": 1},
    }
    result = mpicode.run(job(**changes))
    assert "diverged" in result.outcome
    for path in states(tmp_path):
        saved = read_checkpoint(path)
        assert saved.iteration <= result.n_iterations
        assert np.isfinite(saved.parameters).all()


def test_an_exception_on_a_worker_leaves_a_checkpoint(job, whole, monkeypatch, tmp_path):
    from mpicode.problems import LeastSquares

    gradient = LeastSquares.gradient
    left = [400]

    def failing(self, *arguments):
        left[0] -= 1
        if not left[0]:
            raise MemoryError("on purpose")
        return gradient(self, *arguments)

    changes = {"checkpoint": {"every": 1000}}
    with monkeypatch.context() as patch:
        patch.setattr(LeastSquares, "gradient", failing)
        with pytest.raises(WorkerFailed):
            mpicode.run(job(**changes, faults={"on_error": "stop"}))
    (path,) = states(tmp_path)
    assert read_checkpoint(path).iteration > 0
    result, _ = resumed(job(**changes, faults={"on_error": "stop"}))
    same_run(read_run(whole(**changes).path), read_run(result.path))


def damage(path, how):
    data = bytearray(path.read_bytes())
    if how == "flipped":
        data[len(data) // 2] ^= 1
    elif how == "cut":
        del data[-100:]
    else:
        data.clear()
    path.write_bytes(data)


@pytest.mark.parametrize("how", ["flipped", "cut", "emptied"])
def test_a_damaged_checkpoint_falls_back_to_the_one_before(job, whole, tmp_path, how):
    killed(job(), 30)
    assert iterations(tmp_path) == [18, 27]
    older, newest = states(tmp_path)
    damage(newest, how)
    result, said = resumed(job())
    assert len(said) == 2
    assert said[0].startswith(f"{newest}: damaged")
    assert f"the checkpoint before it is used, {older.name}" in said[0]
    assert said[1].startswith("goes on with iteration 18")
    same_run(read_run(whole().path), read_run(result.path))
    assert newest not in states(tmp_path)
    assert iterations(tmp_path) == [36, 40]


def test_where_all_are_damaged_that_is_told(job, tmp_path):
    killed(job(), 30)
    for path in states(tmp_path):
        damage(path, "cut")
    with pytest.raises(DataError, match=r"checksum does not match; 2 of 2 checkpoints"):
        mpicode.run(job(), resume=True)


def test_so_are_parameters_that_are_not_as_many_as_the_problem_has(job, tmp_path):
    killed(job(), 30)
    path = states(tmp_path)[-1]
    checkpoint = read_checkpoint(path)
    n = checkpoint.parameters.size
    rest = to_bytes(dataclasses.replace(checkpoint, parameters=checkpoint.parameters[:-1]))
    path.write_bytes(front(rest) + bytes(rest))
    with pytest.raises(DataError, match=rf"{path.name}: {n - 1} parameters, the problem has {n}$"):
        mpicode.run(job(), resume=True)


@pytest.mark.parametrize(
    ("key", "changes"),
    [
        ("run.seed: 7, but ", {"run": {"seed": 7}}),
        ("run.dtype: 'float32', but ", {"run": {"dtype": "float32"}}),
        ("run.batch_size: 12, but ", {"run": {"batch_size": 12}}),
        ("data.test_fraction: 0.5, but ", {"data": {"test_fraction": 0.5}}),
        ("problem.l2: 0.1, but ", {"problem": {"l2": 0.1}}),
        ("optimizer.name: 'adam', but ", {"optimizer": {"name": "adam", "step_size": 0.05}}),
        ("optimizer.step_size: 0.1, but ", {"optimizer": {"step_size": 0.1}}),
        ("code.n_stragglers: 1, but ", {"code": {"n_stragglers": 1}}),
        ("code.name: 'uncoded', but ", {"code": {"name": "uncoded"}}),
    ],
    ids=lambda value: value.split(":")[0] if isinstance(value, str) else "",
)
def test_a_checkpoint_of_another_run_is_refused(job, tmp_path, key, changes):
    killed(job(), 10)
    text = refused(job(**changes))
    assert text.startswith(key)
    assert f"{states(tmp_path)[0]} is of a run with " in text
    # nothing was lost by asking
    assert iterations(tmp_path) == [9]


def test_so_is_one_of_other_rows(job, rows, tmp_path):
    killed(job(), 10)
    assert refused(job(data={"path": rows(1, "other.h5")})).startswith("data.path: the rows have ")
    # the same rows elsewhere are the same rows
    result, _ = resumed(job(data={"path": rows(0, "copy.h5")}))
    assert result.complete


def test_a_scheme_that_makes_another_code_is_refused(job, monkeypatch):
    killed(job(), 10)
    make = mpicode.codes.make

    def other(name, **parameters):
        code = make(name, **parameters)
        code.encoding = 2.0 * code.encoding
        return code

    monkeypatch.setattr(mpicode.codes, "make", other)
    assert refused(job()).startswith("code: its encoding hashes to ")


def test_defaults_may_be_written_out(job):
    killed(job(), 10)
    changes = {"optimizer": {"momentum": 0.9, "schedule": "constant"}, "problem": {"l2": 0}}
    assert resumed(job(**changes))[0].complete


@pytest.mark.parametrize(
    "changes",
    [
        {"run": {"evaluate_every": 3}},
        {"delays": {"name": "none"}},
        {"delays": {"scale": 2e-4}},
        {"virtual": {"latency_seconds": 1e-3}},
        {"decoding": {"deadline": 1.0}},
        {"data": {"memory_mb": 100.0}},
        {"checkpoint": {"every": 4, "keep": 5}},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_may_change(job, whole, changes):
    killed(job(), 30)
    result, said = resumed(job(**changes))
    assert [line.split(" from ")[0] for line in said] == ["goes on with iteration 27"]
    np.testing.assert_allclose(result.parameters, whole().parameters, rtol=1e-10)
    started = result.history["started"]
    assert (np.diff(started) > 0).all()


def test_delays_that_were_changed_on_the_way_are_told(job, whole):
    killed(job(), 12)
    killed(job(delays={"scale": 1e-3}), 22, resume=True)
    result, said = resumed(job(delays={"scale": 1e-3}))
    assert len(said) == 2
    assert "delays were not the same all along" in said[1]
    np.testing.assert_allclose(result.parameters, whole().parameters, rtol=1e-10)


@pytest.mark.parametrize("n_workers", [5, 9])
def test_another_number_of_workers(job, whole, n_workers):
    run = {"n_workers": 6, "iterations": 40}
    killed({**job(), "run": run}, 30)
    result, said = resumed({**job(), "run": {**run, "n_workers": n_workers}})
    assert said[0].startswith(f"{n_workers} workers instead of 6: ")
    expected = mpicode.run({**job(), "run": run, "output": {}, "checkpoint": {}})
    np.testing.assert_allclose(result.parameters, expected.parameters, rtol=1e-10)
    made = read_run(result.path)
    assert [code["iteration"] for code in made.codes] == [0, 27]
    assert [len(code["owner"]) for code in made.codes] == [6, n_workers]
    width = max(6, n_workers)
    assert made.n_workers == width
    assert made.workers["arrived"][:27, :6].any(axis=0).all()
    assert made.workers["arrived"][27:, :n_workers].any(axis=0).all()
    if n_workers < 6:
        assert not made.workers["arrived"][27:, n_workers:].any()
        assert np.isnan(made.workers["latency_seconds"][27:, n_workers:]).all()
    else:
        assert np.isnan(made.workers["latency_seconds"][:27, 6:]).all()


def test_which_would_draw_other_rows_for_mini_batches(job):
    killed(job(), 10)
    text = refused(job(run={"n_workers": 9}))
    assert text.startswith("run.n_workers: 9 workers make 9 blocks, but ")
    assert "is of a run with 6, and run.batch_size draws its rows from each block" in text
    # which it does not where the blocks stay the same
    half = {"code": {"name": "fractional-repetition", "n_stragglers": 1, "n_blocks": 6}}
    killed(job(**half, run={"n_workers": 12}), 10)
    result, _ = resumed(job(**half))
    assert result.complete


def test_a_run_file_of_another_run_is_not_taken_over(job, whole, tmp_path):
    killed(job(), 30)
    mpicode.run(job(checkpoint={"path": str(tmp_path / "elsewhere")}, run={"iterations": 35}))
    result, said = resumed(job())
    assert "workers and messages of 27 of the 27 iterations before are in no run file" in said[1]
    np.testing.assert_array_equal(result.parameters, whole().parameters)
    made, expected = read_run(result.path), read_run(tmp_path / "whole.h5")
    np.testing.assert_array_equal(made.iterations["loss"], expected.iterations["loss"])
    np.testing.assert_array_equal(
        made.workers["compute_seconds"][27:], expected.workers["compute_seconds"][27:]
    )
    assert np.isnan(made.workers["compute_seconds"][:27]).all()
    assert (made.messages["iteration"] >= 27).all()
    (event,) = events(result.path, "resumed")
    assert "27 of the 27" in event["detail"]


def test_the_output_may_move(job, whole, tmp_path):
    moved = {"checkpoint": {"path": str(tmp_path / "states")}}
    killed(job(**moved), 30)
    result, said = resumed(job(**moved, output={"path": str(tmp_path / "moved.h5")}))
    assert len(said) == 1
    assert result.path == tmp_path / "moved.h5"
    same_run(read_run(whole(**moved).path), read_run(result.path))


def test_a_run_without_a_run_file_may_keep_its_state(job, whole, tmp_path):
    config = {**job(checkpoint={"path": str(tmp_path / "states")}), "output": {}}
    killed(config, 30)
    result, said = resumed(config)
    assert len(said) == 1
    np.testing.assert_array_equal(result.parameters, whole().parameters)
    np.testing.assert_array_equal(result.history["loss"], whole().history["loss"])
    assert resumed(config)[0].outcome == "nothing to do: 40 iterations done"


def test_where_no_state_is_kept_none_can_be_resumed(job, tmp_path):
    for config in ({**job(), "output": {}}, job(checkpoint={"keep": 0})):
        assert refused(config).startswith("checkpoint.path: --resume needs it")
        assert mpicode.run(config).checkpoint is None
    assert not (tmp_path / "run.checkpoints").exists()


@pytest.mark.parametrize(("keep", "kept"), [(1, [40]), (3, [27, 36, 40])])
def test_the_newest_are_kept(job, tmp_path, keep, kept):
    mpicode.run(job(checkpoint={"keep": keep}))
    assert iterations(tmp_path) == kept


def test_by_run_time(job, tmp_path):
    whole = mpicode.run(job(checkpoint={"every": 1000}))
    at = whole.history["started"]
    config = job(checkpoint={"every": 1000, "seconds": float(at[15])})
    killed(config, 20)
    assert iterations(tmp_path) == [15]


def test_a_new_run_says_what_it_replaces(job, tmp_path):
    killed(job(), 30)
    said = []
    with pytest.raises(Killed):
        mpicode.run(job(), recorders=[Kill(5)], say=said.append)
    assert len(said) == 1
    assert "is of a run that did not come to its end; --resume would go on from there" in said[0]
    assert iterations(tmp_path) == [18, 27]  # until it has one of its own
    killed(job(), 10)
    assert iterations(tmp_path) == [9]
    mpicode.run(job())
    said.clear()
    mpicode.run(job(), say=said.append)
    assert said == []


def test_two_runs_do_not_share_a_folder(job, tmp_path):
    class Second:
        def iteration(self, columns, workers):
            if columns["iteration"] == 3:
                with pytest.raises(DataError, match="another run is writing it"):
                    mpicode.run(job())
                with pytest.raises(DataError, match="another run is writing it"):
                    mpicode.run(job(), resume=True)

    assert mpicode.run(job(), recorders=[Second()]).complete


def test_a_full_disk_costs_a_checkpoint_and_not_the_run(job, whole, tmp_path, monkeypatch):
    def full(path, parts):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    class Fills:
        def iteration(self, columns, workers):
            if columns["iteration"] == 20:
                monkeypatch.setattr("mpicode.results.checkpoint_folder.replace", full)

    said = []
    result = mpicode.run(job(), recorders=[Fills()], say=said.append)
    assert result.complete
    assert len(said) == 3  # iterations 27, 36 and 40
    assert said[0].startswith("no checkpoint at iteration 27: ")
    assert "no space left on device" in said[0]
    assert "MB free" in said[0]
    assert iterations(tmp_path) == [9, 18]
    written = [e for e in events(result.path, "checkpoint") if "not written" in e["detail"]]
    assert [e["iteration"] for e in written] == [27, 36, 40]
    np.testing.assert_array_equal(result.parameters, whole().parameters)


def test_replacing_a_file_is_all_or_nothing(tmp_path, monkeypatch):
    path = tmp_path / "a"
    disk.replace(path, (b"first",))
    disk.replace(path, (b"se", memoryview(b"cond")))
    assert path.read_bytes() == b"second"

    def fails(handle):
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(OSError, match="broken"):
        disk.replace(path, (b"third",))
    assert path.read_bytes() == b"second"
    assert list(tmp_path.iterdir()) == [path]


def test_no_real_clock_is_read(job, no_clock, monkeypatch, tmp_path):
    config = {**job(checkpoint={"path": str(tmp_path / "states")}), "output": {}}
    killed(config, 30)
    with monkeypatch.context() as patch:
        no_clock(patch)
        assert resumed(config)[0].complete


def test_checkpoints_by_time_take_a_fiftieth_of_it_at_most(tmp_path):
    folder = CheckpointFolder(tmp_path)
    now = [0.0]
    held_up = 1.0

    class Slow:
        def event(self, iteration, seconds, worker, kind, detail):
            now[0] += held_up

    state = State(np.zeros(3), make_optimizer("gradient-descent", {"step_size": 1}, n_parameters=3))
    kept = Checkpoints(
        folder, Table(seconds=2.0), Identity("", "", {}), lambda: now[0], Slow(), print, state
    )
    written = []
    for iteration in range(1, 200):
        now[0] += 1.0
        state.iteration, state.seconds = iteration, now[0]
        before = now[0]
        kept.offer(state)
        kept._finish()
        if now[0] != before:
            written.append(before)
    assert written[0] == 2.0
    assert np.diff(written).min() >= 50.0
    assert len(written) == 5
