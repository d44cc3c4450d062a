"""How runs end: by a stop rule, by giving up, by an interrupt; and what is in the run file then."""

import tomllib

import numpy as np
import pytest

import mpicode
from mpicode import codes
from mpicode.config import Config
from mpicode.errors import GaveUp
from mpicode.outcomes import Outcome
from mpicode.results import read_run
from mpicode.train.setup import build


@pytest.fixture
def job(write_data, tables, tmp_path):
    """Least squares of 40 rows on 5 workers, into a run file; and what differs."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 3))
    path = write_data(X, X @ [1.0, 2.0, 3.0] + 0.1 * rng.standard_normal(40))

    def make(**changes):
        made = tables(
            data={"path": path, "test_fraction": 0.25},
            problem={"name": "least-squares"},
            optimizer={"step_size": 0.2},
            code={"name": "cyclic"},
            run={"n_workers": 5, "iterations": 60, "evaluate_every": 25},
            delays={"name": "pareto", "scale": 1e-4, "shape": 1.3},
            output={"path": str(tmp_path / "run.h5")},
        )
        for name, table in changes.items():
            made[name] = {**made.get(name, {}), **table}
        return made

    return make


def test_all_iterations_done(job):
    result = mpicode.run(job())
    assert (result.complete, result.error, result.outcome) == (True, None, "60 iterations done")
    assert result.n_iterations == 60
    assert result.silent == []


def test_no_iterations_at_all(job):
    result = mpicode.run(job(run={"iterations": 0}))
    assert (result.complete, result.n_iterations) == (True, 0)
    assert np.isnan(result.loss)
    np.testing.assert_array_equal(result.parameters, np.zeros(4))
    assert read_run(result.path).n_iterations == 0


def test_target_loss(job):
    losses = mpicode.run(job()).history["loss"]
    target = float(np.sqrt(losses[20] * losses[21]))
    result = mpicode.run(job(run={"target_loss": target}))
    assert result.outcome == f"target loss {target:g} reached"
    assert result.complete
    assert result.n_iterations == 22
    np.testing.assert_array_equal(result.history["loss"], losses[:22])
    # the answer is the point whose loss it is, not the one after the next step
    shorter = mpicode.run(job(run={"iterations": 21}))
    np.testing.assert_array_equal(result.parameters, shorter.parameters)
    # and it is evaluated, although its iteration is not one of every 25
    assert not np.isnan(result.history["test_loss"][-1])


def test_target_loss_that_is_not_reached(job):
    result = mpicode.run(job(run={"target_loss": -1.0}))
    assert result.outcome == "60 iterations done"


def test_target_gradient_norm(job):
    at, after = (mpicode.run(job(run={"iterations": n})).parameters for n in (30, 31))
    norm = np.linalg.norm(after - at) / 0.2
    result = mpicode.run(job(run={"target_gradient_norm": norm * (1 + 1e-9)}))
    assert result.outcome == f"target gradient norm {norm:g} reached"
    assert result.complete
    assert result.n_iterations == 31
    np.testing.assert_array_equal(result.parameters, at)


def test_max_seconds(job):
    free = mpicode.run(job())
    limit = float(free.history["started"][30])
    result = mpicode.run(job(run={"max_seconds": limit}))
    assert result.outcome == f"max_seconds {limit:g} used up"
    assert result.complete
    assert result.n_iterations == 30
    assert mpicode.run(job(run={"max_seconds": 1e9})).n_iterations == 60
    assert mpicode.run(job(run={"max_seconds": 0.0})).n_iterations == 0


def test_max_seconds_also_ends_a_wait(job):
    asleep = {"name": "fixed", "slow_workers": [3], "seconds": 1e6}
    tables = job(code={"name": "uncoded"}, run={"max_seconds": 2.5})
    result = mpicode.run({**tables, "delays": asleep})
    assert (result.outcome, result.complete) == ("max_seconds 2.5 used up", True)
    assert result.n_iterations == 0
    np.testing.assert_array_equal(result.parameters, np.zeros(4))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_run_that_diverges_keeps_its_last_good_parameters(job, dtype):
    # numpy's warnings are errors here: what is said is said once
    tables = job(optimizer={"step_size": 1e30}, run={"iterations": 200, "dtype": dtype})
    result = mpicode.run(tables)
    assert not result.complete
    assert isinstance(result.error, GaveUp)
    assert result.error.exit_code == 4
    assert result.outcome == str(result.error)
    n = result.n_iterations
    assert result.outcome.startswith(f"diverged: iteration {n} has loss ")
    assert "smaller optimizer.step_size" in result.outcome
    assert 1 <= n < 200
    assert np.isfinite(result.history["loss"]).all()
    assert np.isfinite(result.parameters).all()
    saved = read_run(result.path)
    assert not saved.complete
    assert saved.attrs["outcome"] == result.outcome
    np.testing.assert_array_equal(saved.parameters, result.parameters)
    tables["run"]["iterations"] = n - 1
    np.testing.assert_array_equal(result.parameters, mpicode.run(tables).parameters)


def test_the_last_step_of_all_may_diverge_too(job):
    tables = job(optimizer={"step_size": 1e30})
    n = mpicode.run({**tables, "run": {**tables["run"], "iterations": 200}}).n_iterations
    # a step further than the losses stay finite: by then the parameters may not be
    for iterations in (n, n + 1):
        tables["run"]["iterations"] = iterations
        result = mpicode.run(tables)
        assert np.isfinite(result.parameters).all()
        assert result.complete == (result.error is None)
    tables["optimizer"]["step_size"] = 1.7e308
    tables["run"]["iterations"] = 1
    result = mpicode.run(tables)
    assert "diverged: iteration 1 has parameters that are not finite" in result.outcome
    np.testing.assert_array_equal(result.parameters, np.zeros(4))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_data_that_is_not_finite(job, write_data, value):
    X = np.ones((40, 3))
    X[17, 1] = value
    path = write_data(X, np.ones(40), "bad.h5")
    result = mpicode.run(job(data={"path": path, "test_fraction": 0.0}))
    assert result.n_iterations == 0
    assert result.outcome.startswith("diverged: iteration 0 has loss ")
    assert "mpicode data check" in result.outcome
    np.testing.assert_array_equal(result.parameters, np.zeros(4))


def interrupt_after(n):
    """Ask to be stopped once ``n`` iterations are recorded."""

    class Watch:
        seen = 0

        def iteration(self, columns, workers):
            self.seen += 1

    watch = Watch()
    return watch, lambda: watch.seen >= n


def test_an_interrupted_run_keeps_what_it_has(job):
    watch, interrupted = interrupt_after(7)
    result = mpicode.run(job(), recorders=[watch], interrupted=interrupted)
    assert not result.complete
    assert result.outcome == "interrupted"
    assert result.error.exit_code == 4
    assert result.n_iterations == 7
    shorter = mpicode.run(job(run={"iterations": 7}))
    np.testing.assert_array_equal(result.parameters, shorter.parameters)
    for name, column in shorter.history.items():
        if not name.startswith("test"):
            np.testing.assert_array_equal(result.history[name], column)
    watch, interrupted = interrupt_after(7)
    saved = read_run(mpicode.run(job(), recorders=[watch], interrupted=interrupted).path)
    assert (saved.complete, saved.attrs["outcome"], saved.n_iterations) == (False, "interrupted", 7)
    np.testing.assert_array_equal(saved.parameters, shorter.parameters)


def test_an_interrupt_in_the_middle_of_a_wait(job):
    asked = iter([False] * 200 + [True] * 10_000)
    result = mpicode.run(job(run={"iterations": 500}), interrupted=lambda: next(asked))
    assert result.outcome == "interrupted"
    assert 0 < result.n_iterations < 500
    n = result.n_iterations
    shorter = mpicode.run(job(run={"iterations": n}))
    np.testing.assert_array_equal(result.parameters, shorter.parameters)


def test_an_interrupt_before_anything(job):
    with pytest.raises(GaveUp, match="interrupted while 5 of 5 workers got ready"):
        mpicode.run(job(), interrupted=lambda: True)


def test_the_run_file_is_the_history(job):
    result = mpicode.run(job())
    saved = read_run(result.path)
    assert saved.complete
    assert saved.attrs["outcome"] == "60 iterations done"
    assert saved.attrs["mpi"] == "virtual clock"
    assert saved.attrs["seed"] == 0
    assert len(saved.attrs["hosts"]) == 5
    assert {"compiled", "blas_threads", "creator", "created"} <= saved.attrs.keys()
    np.testing.assert_array_equal(saved.parameters, result.parameters)
    np.testing.assert_array_equal(saved.iterations["iteration"], np.arange(60))
    for name, column in result.history.items():
        np.testing.assert_array_equal(saved.iterations[name], column, err_msg=name)
    config = Config.loads(saved.config)
    assert config == Config.from_dict(job())
    assert tomllib.loads(saved.config)["virtual"]["latency_seconds"] == 50e-6


def test_the_run_file_tells_of_every_worker_message_and_code(job):
    rows = []

    class Watch:
        def iteration(self, columns, workers):
            rows.append({name: np.array(column) for name, column in workers.items()})

    result = mpicode.run(job(), recorders=[Watch()])
    saved = read_run(result.path)
    for name in rows[0]:
        np.testing.assert_array_equal(saved.workers[name], [row[name] for row in rows])
    np.testing.assert_array_equal(saved.workers["arrived"].sum(axis=1), result.history["n_arrived"])
    assert (np.isnan(saved.workers["latency_seconds"]) == ~saved.workers["arrived"]).all()
    (code,) = saved.codes
    made = codes.make("cyclic", n_workers=5)
    assert code["iteration"] == 0
    np.testing.assert_array_equal(code["encoding"].toarray(), made.encoding.toarray())
    np.testing.assert_array_equal(code["owner"], made.owner)
    # every message is there once, in order of arrival, and the sums agree with the columns
    messages = saved.messages
    assert (np.diff(messages["seconds"]) >= 0).all()
    keys = set(zip(messages["parameters_iteration"], messages["message"], strict=True))
    assert len(keys) == len(messages)
    for iteration in range(60):
        here = messages[messages["parameters_iteration"] == iteration]
        used = here[here["outcome"] == Outcome.USED]
        assert len(used) == result.history["n_arrived"][iteration]
        assert (used["iteration"] == iteration).all()
        landed = messages[messages["iteration"] == iteration]
        n_stale = (landed["outcome"] == Outcome.STALE_DROPPED).sum()
        assert n_stale == result.history["n_stale"][iteration]
    assert (messages["outcome"] == Outcome.DROPPED).any()


def test_xarray_opens_the_run_file(job):
    result = mpicode.run(job())
    opened = mpicode.open_run(result.path)
    assert dict(opened.sizes) == {"iteration": 60, "worker": 5}
    np.testing.assert_array_equal(opened["loss"], result.history["loss"])
    assert opened["arrived"].dims == ("iteration", "worker")
    assert opened.attrs["complete"]


def test_a_run_file_repeats_itself_but_for_its_date(job):
    def contents():
        saved = read_run(mpicode.run(job()).path)
        attrs = {k: v for k, v in saved.attrs.items() if k != "created"}
        return saved, attrs

    (one, attrs), (other, same_attrs) = contents(), contents()
    assert attrs == same_attrs
    assert one.messages.tobytes() == other.messages.tobytes()
    for name, column in one.iterations.items():
        assert column.tobytes() == other.iterations[name].tobytes()
    for name, column in one.workers.items():
        assert column.tobytes() == other.workers[name].tobytes()


def test_without_an_output_nothing_is_written(job, tmp_path):
    tables = job()
    del tables["output"]
    before = sorted(tmp_path.iterdir())
    result = mpicode.run(tables)
    assert result.path is None
    assert sorted(tmp_path.iterdir()) == before


def test_what_goes_wrong_leaves_a_readable_file(job, tmp_path):
    class Broken:
        def iteration(self, columns, workers):
            if columns["started"] > 0.002:
                raise ZeroDivisionError("in a recorder")

    with pytest.raises(ZeroDivisionError):
        mpicode.run(job(), recorders=[Broken()])
    (left,) = tmp_path.glob("run.h5*")
    saved = read_run(left)
    assert not saved.complete
    assert saved.attrs["outcome"] == "ZeroDivisionError: in a recorder"
    assert saved.n_iterations > 0


def test_recorders_are_called_in_order_after_each_iteration(job):
    calls = []

    class Named:
        def __init__(self, name):
            self.name = name

        def iteration(self, columns, workers):
            calls.append((self.name, columns["started"], workers["arrived"].sum()))

    result = mpicode.run(job(run={"iterations": 3}), recorders=[Named("a"), Named("b")])
    assert [call[0] for call in calls] == ["a", "b"] * 3
    assert [call[1] for call in calls[::2]] == result.history["started"].tolist()
    assert [call[2] for call in calls[::2]] == result.history["n_arrived"].tolist()


def test_parts_are_built_from_one_configuration(job):
    setup = build(Config.from_dict(job(run={"dtype": "float32"})))
    try:
        assert setup.dtype == np.float32
        assert setup.initial().dtype == np.float64
        assert setup.initial().shape == (setup.problem.n_parameters,)
        assert setup.has_test
        assert sum(len(rows.y) for rows in setup.test_rows()) == 10
        work = setup.work(2, setup.blocks())
        assert work.load == pytest.approx(0.4)
    finally:
        setup.close()
