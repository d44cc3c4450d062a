"""A worker's light messages, against their definition and against being asked for one by one."""

import numpy as np
import pytest
from scipy import sparse

from mpicode import codes, problems
from mpicode.datasets import open_dataset
from mpicode.pool import Request, wire
from mpicode.train import blocks as blocks_module
from mpicode.train.blocks import Blocks
from mpicode.train.light_work import LightWork
from mpicode.train.partition import Partition
from mpicode.train.segments import Segments

N, D, C = 130, 12, 3
N_WORKERS = 3

CODES = [
    pytest.param({"n_segments": 4}, id="one block"),
    pytest.param({"n_segments": 3, "n_blocks": 4}, id="table"),
    pytest.param({"n_segments": 3, "n_blocks": 3, "load": 2, "grid": "joint"}, id="joint"),
    pytest.param({"n_segments": 4, "variant": "gaussian", "n_messages": 9}, id="dense"),
]
MADE = {}
PROBLEMS = {
    "softmax": {},
    "mlp": {"hidden": [11, 7]},
    "torch": {"module": f"{__name__}:network"},
}


def network(n_features, n_outputs):
    torch = pytest.importorskip("torch")
    return torch.nn.Sequential(
        torch.nn.Linear(n_features, 5), torch.nn.Tanh(), torch.nn.Linear(5, n_outputs)
    )


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


class Worker:
    """The work of one worker, and a place to compute at."""

    def __init__(
        self, dataset, code, name="mlp", batch_size=None, dtype="float64", room=1e9, worker=0
    ):
        if name == "torch":
            pytest.importorskip("torch")
        dtype = np.dtype(dtype)
        self.problem = problems.make(
            name, PROBLEMS[name], n_features=D, n_classes=C, task="multiclass", dtype=dtype
        )
        self.code = code
        self.segments = Segments.of(code, self.problem, dtype)
        self.partition = Partition(N, code.n_blocks, 0.15, 4)
        self.store = Blocks(dataset, self.partition, dtype, room)
        self.work = LightWork(
            worker, code, self.problem, self.segments, self.store, self.partition, batch_size,
            several=True,
        )  # fmt: skip
        self.messages = code.messages(worker).tolist()

    def request(self, seed=1, iteration=6):
        x = np.random.default_rng(seed).standard_normal(self.problem.n_parameters)
        return Request(wire.Kind.GRADIENT, iteration, 0, x.astype(self.problem.dtype), 0.0)

    def compute(self, request, message):
        """Return the numbers of a message, and its cost."""
        out = np.full(self.segments.answer_length, np.nan, self.segments.dtype)
        cost = sum(self.work.compute(request, message, out))
        return out, cost


def make(parameters):
    key = tuple(parameters.items())
    if key not in MADE:
        MADE[key] = codes.make("lwpd", n_workers=N_WORKERS, seed=2, **parameters)
    return MADE[key]


def definition(worker, X, y, request, batch_size):
    """All messages: encoding times the pieces of the blocks' mean gradients."""
    code, problem, partition = worker.code, worker.problem, worker.partition
    k, length = code.n_segments, worker.segments.length
    pieces = np.zeros((k, code.n_blocks, length))
    losses = np.zeros(code.n_blocks)
    n_rows = np.zeros(code.n_blocks)
    for block in range(code.n_blocks):
        start, stop = partition.extent(block)
        own = ~partition.aside(start, stop)
        X_own, y_own = X[start:stop][own], y[start:stop][own]
        weight = 1.0 / partition.n_train
        if batch_size is not None:
            slots = partition.slots(request.iteration, block, batch_size)
            weight *= len(y_own) / len(slots)
            X_own, y_own = X_own[slots], y_own[slots]
        n_rows[block] = len(y_own)
        whole = np.zeros(problem.n_parameters)
        weights = np.full(len(y_own), weight)
        losses[block] = problem.gradient(
            request.payload, problems.Rows(X_own, y_own), weights, whole
        )
        order = problem.slices(k)
        padded = np.zeros(k * length)
        padded[: whole.size] = whole if order is None else whole[order]
        pieces[:, block] = padded.reshape(k, length)
    encoding = code.encoding.toarray()
    values = encoding @ pieces.reshape(-1, length)
    loss = encoding[:, : code.n_blocks] @ losses
    held = encoding.reshape(code.n_messages, k, -1).any(axis=1)
    return np.column_stack([values, loss]), held, n_rows


@pytest.mark.parametrize("room", [1e9, 100.0])
@pytest.mark.parametrize("batch_size", [None, 24])
@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.parametrize("parameters", CODES)
def test_messages_are_rows_times_pieces_and_cost_what_is_new(
    made, parameters, name, batch_size, room
):
    """The way through a block once, unless there is no room to keep it; each mix by itself."""
    dataset, X, y = made
    for place in range(N_WORKERS):
        worker = Worker(dataset, make(parameters), name, batch_size, room=room, worker=place)
        request = worker.request()
        wanted, held, n_rows = definition(worker, X, y, request, batch_size)
        way, mix = worker.problem.coded_costs(worker.code.n_segments)
        passed = np.zeros(worker.code.n_blocks, dtype=bool)
        for message in worker.messages:
            got, cost = worker.compute(request, message)
            np.testing.assert_allclose(got, wanted[message], rtol=1e-11, atol=1e-13)
            new = held[message] & ~passed
            assert cost == pytest.approx(
                mix * n_rows[held[message]].sum() + way * n_rows[new].sum()
            )
            if room > 1e6:
                passed |= held[message]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("batch_size", [None, 24])
@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.parametrize("parameters", CODES)
def test_together_they_have_the_bits_that_they_have_alone(
    made, parameters, name, batch_size, dtype, monkeypatch
):
    dataset, *_ = made
    # several chunks of rows in each block
    monkeypatch.setattr(problems.mlp, "CHUNK_BYTES", 1)
    monkeypatch.setattr(problems.mlp, "FEWEST_ROWS", 7)
    worker = Worker(dataset, make(parameters), name, batch_size, dtype)
    monkeypatch.setattr(worker.problem, "_chunk_rows", 7, raising=False)
    together = worker.request()
    for message in worker.messages:
        got, _ = worker.compute(together, message)
        alone = Worker(dataset, worker.code, name, batch_size, dtype)
        monkeypatch.setattr(alone.problem, "_chunk_rows", 7, raising=False)
        np.testing.assert_array_equal(got, alone.compute(alone.request(), message)[0])


def count_ways(worker, monkeypatch):
    """Return a list that grows by the rows of every way forward."""
    passed = []
    method = "_predict" if worker.problem.slices(worker.code.n_segments) is not None else "gradient"
    if hasattr(worker.problem, "layers"):
        whole = worker.problem._predict

        def predict(x, entering, n_rows):
            passed.append(n_rows)
            return whole(x, entering, n_rows)

        monkeypatch.setattr(worker.problem, "_predict", predict)
        return passed
    whole = getattr(worker.problem, method)

    def forward(x, rows, *more):
        passed.append(len(rows.y))
        return whole(x, rows, *more)

    monkeypatch.setattr(worker.problem, method, forward)
    return passed


@pytest.mark.parametrize("batch_size", [None, 24])
@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.parametrize("parameters", CODES)
def test_the_way_is_gone_once_for_all_messages_of_a_request(
    made, parameters, name, batch_size, monkeypatch
):
    dataset, *_ = made
    worker = Worker(dataset, make(parameters), name, batch_size)
    passed = count_ways(worker, monkeypatch)
    sizes = worker.partition.sizes
    encoding = worker.code.encoding
    blocks = encoding[worker.messages].indices % worker.code.n_blocks
    n_rows = sum(
        sizes[block] if batch_size is None else batch_size // worker.code.n_blocks
        for block in np.unique(blocks)
    )
    for seed in (1, 2):
        request = worker.request(seed)
        passed.clear()
        for message in worker.messages:
            worker.compute(request, message)
        assert sum(passed) == n_rows


def test_one_message_at_a_time_keeps_nothing(made):
    dataset, *_ = made
    worker = Worker(dataset, make({"n_segments": 4}))
    worker.work._several = False
    before = worker.store.room
    request = worker.request()
    costs = [worker.compute(request, message)[1] for message in worker.messages]
    assert len(set(costs)) == 1
    mixed = before - worker.store.room  # columns, of the whole block, are kept for good
    worker = Worker(dataset, make({"n_segments": 4}))
    for message in worker.messages:
        worker.compute(request, message)
    assert before - worker.store.room > mixed


@pytest.mark.parametrize("batch_size", [None, 24])
def test_the_next_request_lets_go_of_what_was_kept(made, batch_size):
    dataset, *_ = made
    worker = Worker(dataset, make({"n_segments": 3, "n_blocks": 4}), batch_size=batch_size)
    left = []
    for seed in range(4):
        request = worker.request(seed)
        for message in worker.messages:
            worker.compute(request, message)
        left.append(worker.store.room)
    assert len(set(left[1:])) == 1
    assert 0 < left[-1] < 1e9


def test_rows_read_in_chunks_count_as_memory(made, monkeypatch):
    """Blocks that are read again each time are kept for one request if there is room for that."""
    dataset, *_ = made
    monkeypatch.setattr(blocks_module, "_CHUNK_BYTES", 400)
    code = make({"n_segments": 4})
    whole = Worker(dataset, code)
    wanted = [whole.compute(whole.request(), message)[0] for message in whole.messages]
    for room in (0.0, 5000.0, 1e4, 2e4):
        worker = Worker(dataset, code, room=room)
        request = worker.request()
        for message, value in zip(worker.messages, wanted, strict=True):
            got, _ = worker.compute(request, message)
            np.testing.assert_allclose(got, value, rtol=1e-11, atol=1e-14)
            assert 0.0 <= worker.store.room <= room


def test_a_withdrawn_message_leaves_no_half_of_a_way(made):
    dataset, *_ = made
    worker = Worker(dataset, make({"n_segments": 3, "n_blocks": 3, "load": 2, "grid": "joint"}))
    request = worker.request()
    out = np.zeros(worker.segments.answer_length)
    begun = iter(worker.work.compute(request, worker.messages[0], out))
    next(begun)
    begun.close()
    whole = Worker(dataset, worker.code)
    for message in worker.messages:
        got, _ = worker.compute(request, message)
        np.testing.assert_array_equal(got, whole.compute(whole.request(), message)[0])


class TestCosts:
    def test_of_a_network(self):
        network = problems.make(
            "mlp", {"hidden": [128]}, n_features=784, n_classes=10, task="multiclass"
        )
        first, last = 784 * 128, 128 * 10
        whole = 2 * (first + last) + last
        way, mix = network.coded_costs(16)
        assert way == pytest.approx((first + 2 * last) / whole)
        # the sixteenth part, and the numbers that give way to padding
        assert (first + last) / 16 <= mix * whole <= 1.02 * (first + last) / 16
        assert network.coded_costs(1) == (1.0, 0.0)

    @pytest.mark.parametrize(
        ("n_features", "n_outputs", "k", "products"),
        [
            (65, 10, 13, 5 * 10),
            (5, 8, 4, 8 + 2),  # of the row that is left over, two columns
            (5, 3, 4, 3 + 3),  # or all, where it has too few
        ],
    )
    def test_of_a_linear_model(self, n_features, n_outputs, k, products):
        model = problems.make(
            "softmax",
            {"intercept": False},
            n_features=n_features,
            n_classes=n_outputs,
            task="multiclass",
        )
        assert model.coded_costs(k) == (0.5, products / (2 * n_features * n_outputs))

    @pytest.mark.parametrize("k", [2, 3, 7, 16])
    def test_a_message_is_never_more_than_a_gradient(self, k):
        for name, parameters in (("softmax", {}), ("mlp", {"hidden": [11, 7]})):
            made = problems.make(name, parameters, n_features=D, n_classes=C, task="multiclass")
            way, mix = made.coded_costs(k)
            assert 0.0 < way <= 1.0
            assert way + mix <= 1.0
