"""Whole runs under the virtual clock: against gradient descent by hand, and by seed."""

import itertools

import numpy as np
import pytest
from scipy import sparse

import mpicode
from mpicode import codes, optimizers
from mpicode.config import Config
from mpicode.datasets import open_dataset
from mpicode.train.partition import Partition

from .schemes import EXACT, WORKERS, make

N, D, C = 96, 5, 3
STEP, L2 = 0.7, 0.01

# Everybody is late now and then, so that sets of answers and their order change all the time.
LATE = {"name": "bernoulli", "probability": 0.3, "seconds": 0.01}


def mean_gradient(x, X, y, weights):
    """Gradient and value of sum_i weights_i (softmax loss_i) + L2/2 |W|^2, by hand."""
    W, b = x[: D * C].reshape(D, C), x[D * C :]
    z = X @ W + b
    z -= z.max(axis=1, keepdims=True)
    log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    residual = weights[:, None] * (np.exp(log_p) - np.eye(C)[y])
    gradient = np.concatenate([(X.T @ residual + L2 * W).ravel(), residual.sum(axis=0)])
    loss = -(weights * log_p[np.arange(len(y)), y]).sum() + 0.5 * L2 * (W**2).sum()
    return gradient, loss


@pytest.fixture(params=["dense", "sparse"])
def data(request, write_data):
    rng = np.random.default_rng(11)
    X = rng.standard_normal((N, D))
    if request.param == "sparse":
        X[rng.random((N, D)) < 0.5] = 0.0
    y = rng.integers(0, C, N)
    return write_data(sparse.csr_array(X) if request.param == "sparse" else X, y), X, y


@pytest.fixture
def small(data, tables):
    """A configuration for the small dataset."""

    def make(**changes):
        made = tables(
            data={"path": data[0], "test_fraction": 0.1},
            problem={"l2": L2},
            optimizer={"step_size": STEP},
            run={"n_workers": 6, "iterations": 40, "seed": 3},
            delays=LATE,
        )
        for name, table in changes.items():
            made[name] = {**made.get(name, {}), **table}
        return made

    return make


def descend(X, y, code, batch_size, result, seed=3):
    """Gradient descent in one process, with the rows and blocks that the run must have used."""
    partition = Partition(N, code.n_blocks, 0.1, seed)
    x = np.zeros(D * C + C)
    for iteration in range(result.n_iterations):
        weights = np.zeros(N)
        for block in range(code.n_blocks):
            start, stop = partition.extent(block)
            rows = start + np.flatnonzero(~partition.aside(start, stop))
            size = len(rows)
            if batch_size is not None:
                rows = rows[partition.slots(iteration, block, batch_size)]
            weights[rows] = size / (len(rows) * partition.n_train)
        gradient, loss = mean_gradient(x, X, y, weights)
        assert result.history["loss"][iteration] == pytest.approx(loss, rel=1e-10)
        x -= STEP * gradient
    return x


@pytest.mark.parametrize("batch_size", [None, 30])
@pytest.mark.parametrize("name", EXACT)
def test_an_exact_code_is_gradient_descent(small, data, name, batch_size):
    code = make(name)
    tables = small(code={"name": name}, run={"n_workers": code.n_workers})
    if batch_size is not None:
        tables["run"]["batch_size"] = batch_size
    result = mpicode.run(tables)
    assert result.complete
    assert result.error is None
    x = descend(*data[1:], code, batch_size, result)
    np.testing.assert_allclose(result.parameters, x, rtol=1e-10, atol=1e-10 * abs(x).max())
    # and it did not get there by waiting for everybody
    if code.max_stragglers:
        assert result.history["n_arrived"].min() < code.n_messages
    assert result.history["residual"].max() < 1e-20


def test_ignoring_stragglers_scales_what_arrived(small, data):
    _, X, y = data
    arrived = []

    class Watch:
        def iteration(self, columns, workers):
            arrived.append(workers["arrived"].copy())

    result = mpicode.run(small(code={"name": "ignore-stragglers"}), recorders=[Watch()])
    partition = Partition(N, 6, 0.1, 3)
    x = np.zeros(D * C + C)
    for iteration, here in enumerate(arrived):
        assert here.sum() == 5 == result.history["n_arrived"][iteration]
        weights = np.zeros(N)
        for block in np.flatnonzero(here):
            start, stop = partition.extent(block)
            weights[start:stop] = ~partition.aside(start, stop) * 6 / 5 / partition.n_train
        gradient, loss = mean_gradient(x, X, y, weights)
        assert result.history["loss"][iteration] == pytest.approx(loss, rel=1e-10)
        x -= STEP * gradient
    np.testing.assert_allclose(result.parameters, x, rtol=1e-10, atol=1e-12)
    assert result.history["residual"].min() > 0.1
    assert not np.array_equal(arrived[0], arrived[1]) or len({*map(tuple, arrived)}) > 1


def same(one, other):
    """Whether two runs are the same to the last bit."""
    return (
        np.array_equal(one.parameters, other.parameters)
        and one.history.keys() == other.history.keys()
        and all(np.array_equal(one.history[k], other.history[k], True) for k in one.history)
        and one.outcome == other.outcome
    )


@pytest.mark.parametrize("name", codes.names("gradient"))
def test_one_seed_is_one_run_to_the_last_bit(small, name):
    run = {"batch_size": 24, "n_workers": WORKERS[name]}
    tables = small(code={"name": name}, run=run)
    first = mpicode.run(tables)
    assert same(first, mpicode.run(tables))
    for key, value in (("seed", 4), ("batch_size", 30)):
        other = mpicode.run(small(code={"name": name}, run={**run, key: value}))
        assert not same(first, other)
        assert not np.array_equal(first.parameters, other.parameters)


def test_repetition_does_not_care_who_answers_first(small):
    tables = small(code={"name": "fractional-repetition", "n_stragglers": 2})
    first = mpicode.run(tables)
    del tables["delays"]
    calm = mpicode.run(tables)
    np.testing.assert_array_equal(first.parameters, calm.parameters)
    np.testing.assert_array_equal(first.history["loss"], calm.history["loss"])
    assert first.history["seconds"].sum() > calm.history["seconds"].sum()


def test_rows_that_do_not_fit_change_the_time_of_nothing(small):
    kept = mpicode.run(small())
    streamed = mpicode.run(small(data={"memory_mb": 1e-6}))
    np.testing.assert_allclose(streamed.parameters, kept.parameters, rtol=1e-12, atol=1e-15)
    np.testing.assert_array_equal(streamed.history["seconds"], kept.history["seconds"])


def test_no_real_clock_is_read(small, no_clock):
    expected = mpicode.run(small())
    with pytest.MonkeyPatch.context() as patch:
        no_clock(patch)
        result = mpicode.run(small())
    assert same(expected, result)


def test_the_same_by_record_by_tables_and_by_file(small, tmp_path):
    config = Config.from_dict(small())
    path = tmp_path / "job.toml"
    path.write_text(config.to_toml())
    results = [mpicode.run(each) for each in (config, small(), path, str(path))]
    assert all(same(results[0], other) for other in results[1:])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_single_precision_follows_double(small, dtype):
    exact = mpicode.run(small())
    rounded = mpicode.run(small(run={"dtype": dtype}))
    assert rounded.parameters.dtype == np.float64
    np.testing.assert_allclose(rounded.parameters, exact.parameters, rtol=1e-3, atol=1e-5)
    assert (rounded.history["bytes_received"] < exact.history["bytes_received"]).all() == (
        dtype == "float32"
    )


def test_more_blocks_than_workers(small, data):
    tables = small(code={"name": "fractional-repetition", "n_blocks": 12})
    result = mpicode.run(tables)
    code = codes.make("fractional-repetition", n_workers=6, n_blocks=12)
    x = descend(*data[1:], code, None, result)
    np.testing.assert_allclose(result.parameters, x, rtol=1e-10, atol=1e-12)


def test_one_worker_alone(small, data):
    result = mpicode.run(small(run={"n_workers": 1}))
    x = descend(*data[1:], codes.make("uncoded", n_workers=1), None, result)
    np.testing.assert_allclose(result.parameters, x, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", ["heavy-ball", "nesterov", "adam"])
def test_the_answer_is_the_optimizers(small, data, name):
    """Where a method looks ahead, gradients are asked there, and the answer is not there."""
    tables = small(optimizer={"name": name, "step_size": 0.05}, code={"name": "cyclic"})
    result = mpicode.run(tables)
    _, X, y = data
    weights = ~Partition(N, 6, 0.1, 3).aside(0, N) / 86
    x = np.zeros(D * C + C)
    optimizer = optimizers.make(name, {"step_size": 0.05}, n_parameters=len(x))
    for loss in result.history["loss"]:
        gradient, expected = mean_gradient(x, X, y, weights)
        assert loss == pytest.approx(expected, rel=1e-10)
        optimizer.step(x, gradient)
    np.testing.assert_allclose(result.parameters, optimizer.answer(x), rtol=1e-9, atol=1e-12)


def test_a_coded_run_waits_less_than_one_without(small):
    delays = {"name": "fixed", "slow_workers": [4], "seconds": 0.5}
    uncoded = mpicode.run({**small(), "delays": delays})
    coded = mpicode.run({**small(code={"name": "cyclic"}), "delays": delays})
    assert uncoded.history["seconds"].min() > 0.5
    assert coded.history["seconds"].max() < 0.01
    assert coded.history["n_withdrawn"].sum() >= 1


def test_held_out_rows_by_fraction(small, data):
    _, X, y = data
    result = mpicode.run(small(run={"evaluate_every": 7}))
    loss, accuracy = result.history["test_loss"], result.history["test_accuracy"]
    evaluated = [*range(0, 40, 7), 39]
    assert np.flatnonzero(~np.isnan(loss)).tolist() == evaluated
    assert np.flatnonzero(~np.isnan(accuracy)).tolist() == evaluated
    # at zero, before the first step, every class is as likely as any other
    assert loss[0] == pytest.approx(np.log(C))
    aside = Partition(N, 6, 0.1, 3).aside(0, N)
    one = mpicode.run(small(run={"iterations": 1}))
    z = X[aside] @ one.parameters[: D * C].reshape(D, C) + one.parameters[D * C :]
    two = mpicode.run(small(run={"iterations": 2}))
    assert two.history["test_accuracy"][1] == (z.argmax(axis=1) == y[aside]).mean()


def test_held_out_rows_by_file(small, data, write_data):
    _, X, y = data
    rng = np.random.default_rng(0)
    other_X, other_y = rng.standard_normal((33, D)), rng.integers(0, C, 33)
    other = write_data(other_X, other_y, "other.h5")
    tables = small(data={"test": other}, run={"iterations": 3, "evaluate_every": 1})
    del tables["data"]["test_fraction"]
    result = mpicode.run(tables)
    # all rows of the first file are trained on
    gradient, _ = mean_gradient(np.zeros(D * C + C), X, y, np.full(N, 1 / N))
    x = -STEP * gradient
    _, penalised = mean_gradient(x, other_X, other_y, np.full(33, 1 / 33))
    plain = penalised - 0.5 * L2 * (x[: D * C] ** 2).sum()
    assert result.history["test_loss"][1] == pytest.approx(plain, rel=1e-10)


def test_without_held_out_rows_nothing_is_evaluated(small):
    tables = small()
    del tables["data"]["test_fraction"]
    result = mpicode.run(tables)
    assert np.isnan(result.history["test_loss"]).all()
    assert np.isnan(result.history["test_accuracy"]).all()


def test_regression_has_a_loss_but_no_accuracy(write_data, tables):
    rng = np.random.default_rng(2)
    X = rng.standard_normal((80, 4))
    w = np.array([1.0, -2.0, 0.5, 3.0])
    path = write_data(X, X @ w + 0.25)
    result = mpicode.run(
        tables(
            data={"path": path, "test_fraction": 0.2},
            problem={"name": "least-squares"},
            optimizer={"step_size": 0.3},
            code={"name": "cyclic"},
            run={"n_workers": 5, "iterations": 400},
        )
    )
    np.testing.assert_allclose(result.parameters, [*w, 0.25], rtol=1e-8)
    assert np.isnan(result.history["test_accuracy"]).all()
    assert result.history["test_loss"][-1] < 1e-16


def test_the_digits_are_learned(tables):
    result = mpicode.run(
        tables(
            data={"test_fraction": 0.2},
            optimizer={"name": "nesterov", "step_size": 0.5},
            code={"name": "fractional-repetition"},
            run={"n_workers": 8, "iterations": 100},
            delays={"name": "fixed", "slow_workers": [2], "seconds": 0.1},
        )
    )
    assert result.history["test_accuracy"][-1] > 0.94
    assert result.loss == result.history["loss"][-1] < 0.3
    assert result.n_iterations == 100


def test_times_by_hand(small, data):
    """Each iteration waits for the slowest block: there, its rows, back."""
    tables = small(virtual={"seconds_per_row": 0.5, "latency_seconds": 0.25})
    del tables["delays"]
    result = mpicode.run(tables)
    sizes = Partition(N, 6, 0.1, 3).sizes
    assert set(result.history["seconds"]) == {0.25 + 0.5 * sizes.max() + 0.25}
    assert set(result.history["wait"]) == set(result.history["seconds"])
    np.testing.assert_array_equal(
        result.history["started"], np.cumsum([0.0, *result.history["seconds"][:-1]])
    )
    for column in ("post", "decode", "update"):
        assert not result.history[column].any()


@pytest.mark.parametrize(
    ("table", "key", "value", "kind", "text"),
    [
        ("code", "name", "nocode", mpicode.ConfigError, "code.name: unknown code 'nocode'"),
        ("delays", "name", "late", mpicode.ConfigError, "delays.name: unknown delays 'late'"),
        ("optimizer", "name", "sgd", mpicode.ConfigError, "optimizer.name: unknown optimizer"),
        ("optimizer", "step_size", -1, mpicode.ConfigError, "optimizer.step_size: must be pos"),
        ("problem", "name", "least-squares", mpicode.ConfigError, "problem.name: 'least-squares'"),
        ("problem", "l2", "much", mpicode.ConfigError, "problem.l2: wants a number, got 'much'"),
        ("run", "n_workers", 10**6, mpicode.ConfigError, "run.n_workers: 1000000 workers, but"),
        ("run", "n_workers", 90, mpicode.ConfigError, "code: 90 blocks, but only 86 rows"),
        ("run", "batch_size", 5, mpicode.ConfigError, "run.batch_size: 5 is not between the 6"),
        ("run", "batch_size", 87, mpicode.ConfigError, "run.batch_size: 87 is not between the"),
        ("data", "path", "/no/such.h5", mpicode.DataError, "/no/such.h5: no such file"),
    ],
)
def test_what_cannot_run_says_so_in_one_line(small, table, key, value, kind, text):
    tables = small(**{table: {key: value}})
    if (table, key) == ("delays", "name"):
        tables["delays"] = {"name": value}
    with pytest.raises(kind) as caught:
        mpicode.run(tables)
    assert str(caught.value).startswith(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("what", ["n_features", "n_classes", "task"])
def test_a_test_file_of_another_kind(small, write_data, what):
    X, y = np.ones((9, D)), np.arange(9) % C
    if what == "n_features":
        other = write_data(X[:, 1:], y, "other.h5")
    elif what == "n_classes":
        other = write_data(X, y, "other.h5", n_classes=7)
    else:
        other = write_data(X, y.astype(float), "other.h5")
    tables = small(data={"test": other})
    del tables["data"]["test_fraction"]
    with pytest.raises(mpicode.ConfigError, match=r"^data.test: \w+ is .*, but .* in data.path$"):
        mpicode.run(tables)


def test_files_of_a_run_that_cannot_begin_are_closed(small, data):
    with pytest.raises(mpicode.ConfigError):
        mpicode.run(small(run={"batch_size": 5}))
    # HDF5 would refuse to write to a file that is still open for reading
    import h5py

    with h5py.File(data[0], "r+") as file:
        file.attrs["source"] = "changed"
    with open_dataset(data[0]) as dataset:
        assert dataset.meta.source == "changed"


def test_a_worker_that_raises_ends_the_run_with_its_traceback(small, monkeypatch):
    from mpicode.problems import LinearModel

    calls = itertools.count()
    gradient = LinearModel.gradient

    def failing(self, *arguments):
        if next(calls) == 20:
            raise ZeroDivisionError("in the middle")
        return gradient(self, *arguments)

    monkeypatch.setattr(LinearModel, "gradient", failing)
    with pytest.raises(mpicode.WorkerFailed) as caught:
        mpicode.run(small())
    assert str(caught.value).startswith("worker ")
    assert "in failing" in str(caught.value)
    assert caught.value.silent == ()
