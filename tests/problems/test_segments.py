"""Several rows of weights in one call: each fills its own segment of the gradient."""

import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_allclose, assert_array_equal

from mpicode import problems
from mpicode.errors import ConfigError, DataError
from mpicode.problems import Rows, layers, mlp, torch_module
from mpicode.problems.base import segment_length

try:
    import torch
except ImportError:
    torch = None

N_FEATURES = 6
CLASSES = {"multiclass": 4, "binary": 2, "regression": 0}


def network(n_features, n_outputs):
    """A layer whose intercepts are not reached, one that is not trained, and shared ones."""
    first, second = torch.nn.Linear(n_features, 5), torch.nn.Linear(5, 5)
    second.bias.requires_grad = False
    last = torch.nn.Linear(5, n_outputs)
    module = torch.nn.Sequential(first, torch.nn.ReLU(), second, torch.nn.ReLU(), second, last)
    module.register_parameter("idle", torch.nn.Parameter(torch.ones(3)))
    return module


TORCH = pytest.param(
    ("torch", {"module": f"{__name__}:network"}),
    marks=pytest.mark.skipif(torch is None, reason="PyTorch is not installed"),
    id="torch",
)
NETWORKS = [
    pytest.param(("mlp", {"hidden": [5]}), id="mlp-5"),
    pytest.param(("mlp", {"hidden": [4, 3]}), id="mlp-4-3"),
    pytest.param(("mlp", {"hidden": []}), id="mlp"),
    TORCH,
]


@pytest.fixture(params=NETWORKS)
def named(request):
    return request.param


@pytest.fixture(params=CLASSES)
def task(request):
    return request.param


@pytest.fixture(params=["dense", "csr"])
def kind(request):
    return request.param


def make(named, task, dtype=np.float64):
    name, parameters = named
    return problems.make(
        name,
        parameters,
        n_features=N_FEATURES,
        n_classes=CLASSES[task],
        task=task,
        dtype=dtype,
    )


def data(task, kind="dense", n_rows=30, dtype=np.float64):
    rng = np.random.default_rng(4)
    X = rng.normal(size=(n_rows, N_FEATURES)).astype(dtype)
    X[rng.random(X.shape) < 0.4] = 0.0
    if task == "regression":
        y = rng.normal(size=n_rows).astype(dtype)
    else:
        y = rng.integers(0, CLASSES[task], n_rows)
    return Rows(scipy.sparse.csr_array(X) if kind == "csr" else X, y)


def weights_of(n_segments, n_rows=30):
    return np.random.default_rng([5, n_segments]).normal(size=(n_segments, n_rows))


def one_by_one(problem, x, rows, weights):
    """Loss and segments from one ordinary gradient per row of weights."""
    length = segment_length(problem.n_parameters, len(weights))
    out = np.zeros((len(weights), length), problem.dtype)
    for segment, each in enumerate(weights):
        padded = np.zeros(len(weights) * length, problem.dtype)
        problem.gradient(x, rows, each, padded[: problem.n_parameters])
        out[segment] = padded.reshape(out.shape)[segment]
    return problem.loss(x, rows, weights[0]), out.ravel()


def at_once(problem, x, rows, weights):
    length = segment_length(problem.n_parameters, len(weights))
    out = np.zeros(len(weights) * length, problem.dtype)
    return problem.gradient(x, rows, weights, out), out


@pytest.mark.parametrize("n_segments", [1, 2, 3, 7, "all", "more"])
def test_a_segment_has_its_own_weights(named, task, kind, n_segments):
    problem, rows = make(named, task), data(task, kind)
    m = {"all": problem.n_parameters, "more": problem.n_parameters + 3}.get(n_segments, n_segments)
    weights = weights_of(m)
    x = problem.initial(1)
    loss, out = at_once(problem, x, rows, weights)
    expected_loss, expected = one_by_one(problem, x, rows, weights)
    assert loss == expected_loss
    assert_allclose(out, expected, rtol=1e-11, atol=1e-13)
    assert not out[problem.n_parameters :].any()
    assert np.count_nonzero(out) > problem.n_parameters / 3


def test_single_precision(named, task, kind):
    problem, rows = make(named, task, np.float32), data(task, kind, dtype=np.float32)
    weights = weights_of(3).astype(np.float32)
    x = problem.initial(1)
    loss, out = at_once(problem, x, rows, weights)
    expected_loss, expected = one_by_one(problem, x, rows, weights)
    assert out.dtype == np.float32
    assert loss == expected_loss
    assert_allclose(out, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("factors", [[2.0, -1.0, 0.5], [0.0, 1.0, -3.0], [0.0, 0.0, 0.0]])
def test_proportional_weights(named, task, factors):
    problem, rows = make(named, task), data(task)
    weights = np.outer(factors, weights_of(1)[0])
    x = problem.initial(1)
    loss, out = at_once(problem, x, rows, weights)
    expected_loss, expected = one_by_one(problem, x, rows, weights)
    assert_allclose(loss, expected_loss, rtol=1e-13)
    assert_allclose(out, expected, rtol=1e-11, atol=1e-13)


def test_adds_to_out_and_leaves_the_weights(named):
    problem, rows = make(named, "multiclass"), data("multiclass")
    weights = weights_of(2)
    before = weights.copy()
    x = problem.initial(1)
    _, fresh = at_once(problem, x, rows, weights)
    out = np.full_like(fresh, 5.0)
    problem.gradient(x, rows, weights, out)
    assert_allclose(out, 5.0 + fresh, rtol=1e-13)
    assert_array_equal(weights, before)


def test_the_same_bits_again(named, kind):
    rows, weights = data("multiclass", kind), weights_of(3)
    x = make(named, "multiclass").initial(1)
    first, second = (at_once(make(named, "multiclass"), x, rows, weights) for _ in range(2))
    assert first[0] == second[0]
    assert_array_equal(first[1], second[1])


def test_chunks_do_not_show(named, kind, monkeypatch):
    rows, weights = data("multiclass", kind), weights_of(3)
    problem = make(named, "multiclass")
    x = problem.initial(1)
    whole = at_once(problem, x, rows, weights), problem.evaluate(x, rows)
    monkeypatch.setattr(mlp, "CHUNK_BYTES", 1)
    monkeypatch.setattr(mlp, "FEWEST_ROWS", 7)
    monkeypatch.setattr(torch_module, "CHUNK_ROWS", 7)
    problem = make(named, "multiclass")
    cut = at_once(problem, x, rows, weights), problem.evaluate(x, rows)
    assert_allclose(cut[0][0], whole[0][0], rtol=1e-12)
    assert_allclose(cut[0][1], whole[0][1], rtol=1e-11, atol=1e-13)
    assert_allclose(cut[1], whole[1], rtol=1e-12)


def test_no_rows(named):
    problem = make(named, "multiclass")
    loss, out = at_once(problem, problem.initial(1), data("multiclass", n_rows=0), np.ones((2, 0)))
    assert loss == 0.0
    assert not out.any()


def test_shapes_that_disagree(named):
    problem, rows = make(named, "multiclass"), data("multiclass")
    n, x = problem.n_parameters, problem.initial(1)
    length = segment_length(n, 3)
    for weights, out, kind, text in (
        (np.ones((3, 29)), np.zeros(3 * length), DataError, r"weights: 30 rows, .*\(3, 29\)"),
        (np.ones((0, 30)), np.zeros(n), DataError, r"weights: 30 rows, .*\(0, 30\)"),
        (
            np.ones((3, 30)),
            np.zeros(3 * length - 1),
            ConfigError,
            rf"out: 3 segments of {n} parameters are 3 x {length} numbers, .*{3 * length - 1},",
        ),
        (np.ones((3, 30)), np.zeros(3 * length, np.float32), ConfigError, "out: .* is float32"),
        (np.ones((3, 30)), np.zeros(6 * length)[::2], ConfigError, "out: must be contiguous"),
    ):
        with pytest.raises(kind, match=text):
            problem.gradient(x, rows, weights, out)


def test_pieces_of_a_layer():
    assert list(layers.pieces(slice(3, 11), 4)) == [(0, 3, 4), (1, 4, 8), (2, 8, 11)]
    assert list(layers.pieces(slice(4, 8), 4)) == [(1, 4, 8)]
    assert list(layers.pieces(slice(5, 5), 4)) == []
