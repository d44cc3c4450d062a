"""Where an asynchronous mode has to be an ordinary method, it is that method."""

import numpy as np
import pytest

import mpicode
from mpicode import problems
from mpicode.datasets import open_dataset
from mpicode.train.partition import Partition

STEP = 0.5
N_PARAMETERS = 650


def softmax(x, X, y, l2):
    """The mean loss and its gradient, by hand."""
    W, b = x[:640].reshape(64, 10), x[640:]
    z = X @ W + b
    z = z - z.max(axis=1, keepdims=True)
    p = np.exp(z)
    p /= p.sum(axis=1, keepdims=True)
    rows = np.arange(len(y))
    loss = -np.log(p[rows, y]).mean() + 0.5 * l2 * (W**2).sum()
    p[rows, y] -= 1.0
    p /= len(y)
    return np.concatenate([(X.T @ p + l2 * W).ravel(), p.sum(axis=0)]), loss


def layout():
    """The order of the parameters in which they are cut into 13 segments of 50."""
    made = problems.make("softmax", {}, n_features=64, n_classes=10, task="multiclass")
    order = made.slices(13)
    return np.arange(N_PARAMETERS) if order is None else order


@pytest.fixture
def rows(digits):
    with open_dataset(digits) as data:
        return data.read(0, data.n_samples, np.dtype(float))


@pytest.fixture
def run(tables):
    def run(mode, iterations, code, n_workers=1, **changes):
        run = {"n_workers": n_workers, "iterations": iterations} | changes.pop("run", {})
        table = {"mode": mode} | changes.pop("asynchronous", {})
        config = tables(code=code, run=run, **changes)
        return mpicode.run({**config, "asynchronous": table})

    return run


def lwpd(variant="packed", n_segments=13, **more):
    return {"name": "lwpd", "variant": variant, "n_segments": n_segments, **more}


@pytest.mark.parametrize("l2", [0.0, 1e-3])
def test_one_worker_with_the_identity_code_is_cyclic_block_coordinate_descent(run, rows, l2):
    result = run("direct", 40, lwpd("identity"), problem={"l2": l2})
    x, blocks = np.zeros(N_PARAMETERS), layout().reshape(13, -1)
    for step in range(40):
        gradient, loss = softmax(x, *rows, l2)
        assert result.history["loss"][step] == pytest.approx(loss, rel=1e-12)
        part = blocks[step % 13]
        x[part] -= STEP * gradient[part]
    np.testing.assert_allclose(result.parameters, x, rtol=0, atol=1e-14)
    assert (result.history["n_stale"] == 0).all()


@pytest.mark.parametrize("batch_size", [None, 64])
@pytest.mark.parametrize(
    ("problem", "n_segments"),
    [
        ({"name": "softmax", "l2": 0.0}, 13),
        ({"name": "softmax", "l2": 0.0}, 7),  # 650 = 7 x 93 - 1: padded
        ({"name": "softmax", "l2": 0.0}, 650),  # too many for slices: one parameter each
        ({"name": "mlp", "hidden": [9], "l2": 0.0}, 5),
    ],
)
def test_cyclic_block_coordinate_descent_bit_by_bit(run, digits, problem, n_segments, batch_size):
    """Each segment in turn moves along the gradient at the parameters of the moment."""
    more = {} if batch_size is None else {"batch_size": batch_size}
    result = run("direct", 40, lwpd("identity", n_segments, weight=1), problem=problem, run=more)
    name = problem["name"]
    own = {key: value for key, value in problem.items() if key != "name"}
    made = problems.make(name, own, n_features=64, n_classes=10, task="multiclass")
    x, order = made.initial(0), made.slices(n_segments)
    order = np.arange(x.size) if order is None else order
    length = -(-x.size // n_segments)
    with open_dataset(digits) as data:
        X, y = data.read(0, data.n_samples, np.dtype(float))
    partition = Partition(len(y), 1, 0.0, 0)
    for step in range(40):
        drawn = slice(None) if batch_size is None else partition.slots(step, 0, batch_size)
        rows = problems.Rows(X[drawn], y[drawn])
        segment, gradient = np.eye(n_segments)[step % n_segments], np.zeros(length)
        made.coded_gradient(x, rows, np.full(len(rows.y), 1 / len(rows.y)), segment, gradient)
        part = order[step % n_segments * length :][:length]
        x[part] -= STEP * gradient[: part.size]
    assert result.parameters.tobytes() == x.tobytes()


@pytest.mark.parametrize("batch_size", [None, 64])
def test_one_segment_is_stochastic_gradient_descent_bit_by_bit(run, batch_size):
    more = {} if batch_size is None else {"batch_size": batch_size}
    ours = run("direct", 30, lwpd(n_segments=1, n_messages=1, weight=1), run=more)
    exact = run(None, 30, {"name": "uncoded"}, run=more)
    assert ours.parameters.tobytes() == exact.parameters.tobytes()
    assert ours.history["loss"].tolist() == exact.history["loss"].tolist()


@pytest.mark.parametrize("decoder", [None, "ortho"])
@pytest.mark.parametrize("rows", ["queue", "fixed"])
def test_rounds_are_gradient_descent(run, decoder, rows):
    table = {"rows": rows} | ({} if decoder is None else {"decoder": decoder})
    late = {"name": "bernoulli", "probability": 0.3, "seconds": 0.01}
    ours = run("round", 25, lwpd(), n_workers=6, asynchronous=table, delays=late)
    exact = run(None, 25, {"name": "uncoded"})
    np.testing.assert_allclose(ours.parameters, exact.parameters, rtol=0, atol=1e-10)
    np.testing.assert_allclose(ours.history["loss"], exact.history["loss"], rtol=1e-10)


def test_rounds_over_blocks_are_gradient_descent(run):
    code = lwpd(n_segments=4, n_blocks=3, load=2)
    ours = run("round", 15, code, n_workers=6)
    exact = run(None, 15, {"name": "uncoded"})
    np.testing.assert_allclose(ours.parameters, exact.parameters, rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", ["heavy-ball", "adam"])
def test_other_optimizers_step_along_messages_too(run, name):
    """One segment: the ordinary method, step by step."""
    optimizer = {"name": name, "step_size": 0.05}
    ours = run("direct", 20, lwpd(n_segments=1, n_messages=1, weight=1), optimizer=optimizer)
    exact = run(None, 20, {"name": "uncoded"}, optimizer=optimizer)
    assert ours.parameters.tobytes() == exact.parameters.tobytes()


def test_steps_of_several_messages_are_steps_along_their_mean(run, rows):
    """All messages of one step are of its parameters: the full gradient, divided by 13."""
    table = {"messages_per_step": 13, "ask": "after-step", "n_codewords": 13}
    ours = run("direct", 5, lwpd("identity"), asynchronous=table, run={"record_every": 13})
    x = np.zeros(N_PARAMETERS)
    for _ in range(5):
        x -= STEP / 13 * softmax(x, *rows, 1e-3)[0]
    np.testing.assert_allclose(ours.parameters, x, rtol=0, atol=1e-14)


def test_the_memory_of_an_uncoded_run_is_the_average_gradient_method(run, rows):
    """One worker that holds 4 blocks in turn: a table of the last gradient of each (SAG)."""
    code = lwpd(n_segments=1, n_blocks=4, n_messages=4, weight=1, load=4)
    ours = run("memory", 12, code)
    X, y = rows
    n, x, table = len(y), np.zeros(N_PARAMETERS), np.zeros((4, N_PARAMETERS))
    partition = Partition(n, 4, 0.0, 0)
    for step in range(12):
        j = step % 4
        part = slice(*partition.extent(j))
        table[j] = softmax(x, X[part], y[part], 0.0)[0] * len(y[part]) / n
        gradient = table.sum(axis=0)
        gradient[:640] += 1e-3 * x[:640]
        x -= STEP * gradient
    np.testing.assert_allclose(ours.parameters, x, rtol=0, atol=1e-12)


@pytest.mark.parametrize("downlink", ["parameters", "updates"])
def test_what_workers_are_sent_makes_no_difference(run, downlink):
    """The updates are replayed: same bits as whole parameters in double precision."""
    table = {"downlink": downlink}
    late = {"name": "bernoulli", "probability": 0.3, "seconds": 0.01}
    ours = run("direct", 30, lwpd(), n_workers=5, asynchronous=table, delays=late)
    other = run("direct", 30, lwpd(), n_workers=5, delays=late)
    assert ours.parameters.tobytes() == other.parameters.tobytes()
    if downlink == "updates":
        assert ours.history["bytes_sent"].sum() < 0.7 * other.history["bytes_sent"].sum()


def test_uplink_bytes_are_header_trailer_and_numbers(run):
    for dtype, itemsize in (("float32", 4), ("float64", 8)):
        result = run("direct", 7, lwpd(), n_workers=3, run={"dtype": dtype, "record_every": 1})
        per_message = result.history["bytes_received"] / result.history["n_arrived"]
        # 64 + 8 bytes, 50 = 650 / 13 numbers, and the loss
        assert per_message.tolist() == [72 + itemsize * (50 + 1)] * 7
