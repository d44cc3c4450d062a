"""A worker's messages, against the gradients of whole blocks written out by hand."""

import numpy as np
import pytest
from scipy import sparse

from mpicode import codes, problems
from mpicode.datasets import open_dataset
from mpicode.errors import ConfigError
from mpicode.pool import Request, wire
from mpicode.train import blocks as blocks_module
from mpicode.train.blocks import Blocks
from mpicode.train.gradient_work import GradientWork
from mpicode.train.partition import Partition
from mpicode.train.segments import Segments

N, D, C = 130, 5, 3


def softmax(x, X, y):
    """Gradient, (D * C + C,), and loss of each row of a softmax regression, by hand."""
    W, b = x[: D * C].reshape(D, C), x[D * C :]
    z = X @ W + b
    p = np.exp(z - z.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    residual = p - np.eye(C)[y]
    rows = np.concatenate([(X[:, :, None] * residual[:, None, :]).reshape(len(y), -1), residual], 1)
    return rows, -np.log(p[np.arange(len(y)), y])


@pytest.fixture(params=["dense", "sparse"])
def made(request, write_data):
    rng = np.random.default_rng(8)
    X = rng.standard_normal((N, D))
    if request.param == "sparse":
        X[rng.random((N, D)) < 0.5] = 0.0
    y = rng.integers(0, C, N)
    path = write_data(sparse.csr_array(X) if request.param == "sparse" else X, y)
    with open_dataset(path) as dataset:
        yield dataset, X, y


def messages(dataset, code, partition, batch_size, dtype="float64", iteration=6, room=1e9):
    """Every message of every worker at one point: x, (n_messages, n_parameters + 1), costs."""
    dtype = np.dtype(dtype)
    problem = problems.make(
        "softmax", {}, n_features=D, n_classes=C, task=dataset.task, dtype=dtype
    )
    x = np.random.default_rng(1).standard_normal(problem.n_parameters).astype(dtype)
    request = Request(wire.Kind.GRADIENT, iteration, 0, x, 0.0)
    segments = Segments.of(code, problem, dtype)
    out = np.full((code.n_messages, segments.answer_length), np.nan, segments.dtype)
    costs = np.zeros(code.n_messages)
    for worker in range(code.n_workers):
        store = Blocks(dataset, partition, dtype, room)
        work = GradientWork(worker, code, problem, segments, store, partition, batch_size)
        assert work.answer_length == segments.answer_length
        assert work.load == code.load(worker)
        for message in code.messages(worker):
            costs[message] = sum(work.compute(request, message, out[message]))
    return x, out, costs


def by_hand(X, y, x, code, partition, batch_size, iteration=6):
    """The same messages from the definition: encoding times the blocks' mean gradients."""
    rows, losses = softmax(x.astype(float), X, y)
    both = np.column_stack([rows, losses])
    blocks = np.zeros((code.n_blocks, both.shape[1]))
    n_rows = np.zeros(code.n_blocks)
    for block in range(code.n_blocks):
        start, stop = partition.extent(block)
        own = both[start:stop][~partition.aside(start, stop)]
        chosen = own
        if batch_size is not None:
            chosen = own[partition.slots(iteration, block, batch_size)]
        n_rows[block] = len(chosen)
        blocks[block] = chosen.mean(axis=0) * len(own) / partition.n_train
    # cut into segments by definition: padded with zeros, one after the other
    m, length = code.n_segments, -(-(both.shape[1] - 1) // code.n_segments)
    padded = np.zeros((code.n_blocks, m * length))
    padded[:, : both.shape[1] - 1] = blocks[:, :-1]
    pieces = padded.reshape(code.n_blocks, m, length).transpose(1, 0, 2).reshape(-1, length)
    encoding = code.at(iteration).encoding
    loss = encoding[:, : code.n_blocks] @ blocks[:, -1]
    dense = encoding.toarray().reshape(code.n_messages, m, code.n_blocks)
    return np.column_stack([encoding @ pieces, loss]), dense.any(axis=1) @ n_rows


@pytest.mark.parametrize("batch_size", [None, 24, 50])
@pytest.mark.parametrize("name", codes.names("gradient"))
def test_messages_are_combinations_of_the_blocks_gradients(made, name, batch_size):
    dataset, X, y = made
    try:
        # segments of light codes are those of `LightWork`
        code = codes.make(
            name, n_workers=6, seed=2, **({"n_segments": 1} if name == "lwpd" else {})
        )
    except ConfigError as error:
        pytest.skip(f"no such code of 6 workers: {error}")
    partition = Partition(N, code.n_blocks, 0.15, 4)
    x, got, costs = messages(dataset, code, partition, batch_size)
    expected, n_rows = by_hand(X, y, x, code, partition, batch_size)
    np.testing.assert_allclose(got, expected, rtol=1e-11, atol=1e-14)
    np.testing.assert_array_equal(costs, n_rows)


def test_the_sum_of_all_blocks_is_the_mean_over_the_training_rows(made):
    dataset, X, y = made
    code = codes.make("uncoded", n_workers=5)
    partition = Partition(N, 5, 0.2, 0)
    x, got, _ = messages(dataset, code, partition, None)
    train = ~partition.aside(0, N)
    rows, losses = softmax(x, X[train], y[train])
    np.testing.assert_allclose(got.sum(axis=0)[:-1], rows.mean(axis=0), rtol=1e-11, atol=1e-14)
    assert got[:, -1].sum() == pytest.approx(losses.mean(), rel=1e-13)


def test_a_mini_batch_is_unbiased(made):
    """Blocks of different sizes count by their rows, however few of them are drawn."""
    dataset, X, y = made
    code = codes.make("uncoded", n_workers=3)
    partition = Partition(N, 3, 0.2, 0)
    assert len(set(partition.sizes.tolist())) > 1
    n_iterations = 600
    total = 0.0
    for iteration in range(n_iterations):
        x, got, _ = messages(dataset, code, partition, 12, iteration=iteration)
        total = total + got.sum(axis=0)
    train = ~partition.aside(0, N)
    rows, losses = softmax(x, X[train], y[train])
    both = np.column_stack([rows, losses])
    # of 12 rows drawn without replacement, averaged over the iterations
    deviation = both.std(axis=0) / np.sqrt(12 * n_iterations)
    assert (abs(total / n_iterations - both.mean(axis=0)) < 4.5 * deviation).all()


@pytest.mark.parametrize("batch_size", [None, 40])
def test_streaming_gives_the_same_message(made, monkeypatch, batch_size):
    dataset, *_ = made
    code = codes.make("cyclic", n_workers=4, n_stragglers=2)
    partition = Partition(N, code.n_blocks, 0.1, 0)
    _, kept, costs = messages(dataset, code, partition, batch_size)
    monkeypatch.setattr(blocks_module, "_CHUNK_BYTES", 400)
    _, streamed, streamed_costs = messages(dataset, code, partition, batch_size, room=0.0)
    np.testing.assert_allclose(streamed, kept, rtol=1e-12, atol=1e-15)
    np.testing.assert_array_equal(streamed_costs, costs)


def test_replicas_agree_to_the_last_bit(made):
    dataset, *_ = made
    code = codes.make("fractional-repetition", n_workers=6, n_stragglers=2)
    for batch_size in (None, 30):
        partition = Partition(N, code.n_blocks, 0.1, 0)
        _, got, _ = messages(dataset, code, partition, batch_size)
        for group in range(code.n_groups):
            members = np.flatnonzero(code.group == group)
            assert len(members) == 3
            assert all(np.array_equal(got[members[0]], got[other]) for other in members[1:])


def test_single_precision(made):
    dataset, X, y = made
    code = codes.make("cyclic", n_workers=4)
    partition = Partition(N, code.n_blocks, 0.0, 0)
    x, got, _ = messages(dataset, code, partition, None, dtype="float32")
    expected, _ = by_hand(X, y, x, code, partition, None)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


class Given(codes.GradientCode):
    """Any encoding."""

    name = "given"

    def __init__(self, encoding, n_workers, n_segments):
        n_blocks = encoding.shape[1] // n_segments
        owner = np.arange(len(encoding)) % n_workers
        super().__init__(
            encoding, owner, n_workers=n_workers, n_blocks=n_blocks, n_segments=n_segments
        )


def encodings(kind, n_segments, n_messages=5, n_blocks=4):
    """One of each kind: how the coefficients of blocks and segments hang together."""
    rng = np.random.default_rng([3, n_segments])
    weights = rng.standard_normal((n_messages, 1, n_blocks))
    weights[:, :, 1] = 0
    directions = rng.standard_normal((n_messages, n_segments, 1))
    if kind == "one direction":
        pieces = weights * directions
    elif kind == "two directions":
        pieces = weights * np.where(np.arange(n_blocks) < 2, directions, directions[::-1])
    else:
        pieces = rng.standard_normal((n_messages, n_segments, n_blocks)) * (weights != 0)
    if kind == "complex":
        pieces = pieces + 1j * rng.standard_normal(pieces.shape) * (weights != 0)
    return pieces.reshape(n_messages, -1)


KINDS = ["one direction", "two directions", "general", "complex"]


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("batch_size", [None, 24])
@pytest.mark.parametrize("n_segments", [1, 2, 7, D * C + C])
@pytest.mark.parametrize("kind", KINDS)
def test_messages_of_any_code(made, kind, n_segments, batch_size, at_once, monkeypatch):
    dataset, X, y = made
    monkeypatch.setattr(problems.LinearModel, "segments_in_one_pass", at_once)
    code = Given(encodings(kind, n_segments), 3, n_segments)
    partition = Partition(N, code.n_blocks, 0.1, 4)
    x, got, costs = messages(dataset, code, partition, batch_size)
    expected, n_rows = by_hand(X, y, x, code, partition, batch_size)
    np.testing.assert_allclose(got, expected, rtol=1e-11, atol=1e-13)
    np.testing.assert_array_equal(costs, n_rows)


@pytest.mark.parametrize("kind", KINDS)
def test_each_row_is_passed_once_however_many_segments(made, kind, monkeypatch):
    dataset, *_ = made
    code = Given(encodings(kind, 4), 5, 4)
    partition = Partition(N, code.n_blocks, 0.0, 0)
    passed = []
    predict = problems.LinearModel._predict
    monkeypatch.setattr(
        problems.LinearModel,
        "_predict",
        lambda self, x, rows: passed.append(len(rows.y)) or predict(self, x, rows),
    )
    _, _, costs = messages(dataset, code, partition, None)
    assert sum(passed) == costs.sum()


@pytest.mark.parametrize("kind", KINDS)
def test_replicas_of_segments_agree_to_the_last_bit(made, kind):
    """Equal rows of the encoding, on different workers."""
    dataset, *_ = made
    code = Given(np.repeat(encodings(kind, 3), 2, axis=0), 10, 3)
    for batch_size in (None, 24):
        partition = Partition(N, code.n_blocks, 0.1, 0)
        _, got, _ = messages(dataset, code, partition, batch_size)
        np.testing.assert_array_equal(got[::2], got[1::2])


def test_single_precision_segments(made):
    dataset, X, y = made
    for kind in KINDS:
        code = Given(encodings(kind, 2), 5, 2)
        partition = Partition(N, code.n_blocks, 0.0, 0)
        x, got, _ = messages(dataset, code, partition, None, dtype="float32")
        expected, _ = by_hand(X, y, x, code, partition, None)
        assert got.dtype == (np.complex128 if kind == "complex" else np.float32)
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)
