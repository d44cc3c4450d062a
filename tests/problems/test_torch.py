"""What modules of PyTorch promise beyond the contract."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from mpicode import problems
from mpicode.errors import ConfigError
from mpicode.problems import Rows

try:
    import torch
    from torch import nn
except ImportError:
    torch = None

needs_torch = pytest.mark.skipif(torch is None, reason="PyTorch is not installed")
HERE = __name__


def make(factory, task="multiclass", n_classes=3, dtype=np.float64, **parameters):
    module = factory if ":" in factory else f"{HERE}:{factory}"
    return problems.make(
        "torch",
        {"module": module, **parameters},
        n_features=6,
        n_classes=n_classes,
        task=task,
        dtype=dtype,
    )


def data(n_rows=40):
    rng = np.random.default_rng(2)
    return Rows(rng.normal(size=(n_rows, 6)), rng.integers(0, 3, n_rows)), rng.normal(size=n_rows)


def relu_network(n_features, n_outputs):
    return nn.Sequential(nn.Linear(n_features, 5), nn.ReLU(), nn.Linear(5, n_outputs))


def image_network(n_outputs):
    return nn.Sequential(
        nn.Unflatten(1, (1, 2, 3)),
        nn.Conv2d(1, 4, 2),
        nn.BatchNorm2d(4),
        nn.Dropout(0.5),
        nn.Flatten(),
        nn.Linear(8, n_outputs),
    )


def breaks():
    raise RuntimeError("no weights today\nand a second line")


def is_none():
    return None


def frozen():
    return nn.Flatten()


def mixes_rows(n_features, n_outputs):
    return nn.Sequential(
        nn.Linear(n_features, n_outputs),
        nn.BatchNorm1d(n_outputs, track_running_stats=False),
    )


def compares_rows(n_features, n_outputs):
    class Centred(nn.Module):
        def forward(self, rows):
            return rows - rows.mean(dim=0)

    return nn.Sequential(nn.Linear(n_features, n_outputs), Centred())


def squeezes(n_features, n_outputs):
    class Squeeze(nn.Module):
        def forward(self, rows):
            return rows.squeeze()

    return nn.Sequential(nn.Linear(n_features, n_outputs), Squeeze())


def halves(n_features, n_outputs):
    class Half(nn.Module):
        def forward(self, rows):
            return rows.half()

    return nn.Sequential(nn.Linear(n_features, n_outputs), Half())


def gives_pairs(n_features, n_outputs):
    class Pair(nn.Module):
        def forward(self, rows):
            return rows, rows

    return nn.Sequential(nn.Linear(n_features, n_outputs), Pair())


@needs_torch
def test_the_same_network_as_ours():
    theirs = make("relu_network")
    ours = problems.make("mlp", {"hidden": [5]}, n_features=6, n_classes=3, task="multiclass")
    rows, weights = data()
    x = ours.initial(0)
    # ours: the weights of both layers, (n_in, n_out), then the biases; theirs: layer by layer, the
    # weights transposed
    first, last = (np.arange(x.size)[layer.weights] for layer in ours.layers)
    a, b = (np.arange(x.size)[layer.biases] for layer in ours.layers)
    order = np.concatenate([first.reshape(6, 5).T.ravel(), a, last.reshape(5, 3).T.ravel(), b])
    expected, out = np.zeros_like(x), np.zeros_like(x)
    loss = ours.gradient(x, rows, weights, expected)
    assert_allclose(theirs.gradient(x[order], rows, weights, out), loss, rtol=1e-13)
    assert_allclose(out, expected[order], rtol=1e-11, atol=1e-14)
    assert_allclose(theirs.evaluate(x[order], rows), ours.evaluate(x, rows), rtol=1e-13)


@needs_torch
def test_dropout_is_off_and_statistics_are_fixed():
    problem = make("image_network")
    rows, weights = data()
    x = problem.initial(0)
    first, second = np.zeros_like(x), np.zeros_like(x)
    problem.gradient(x, rows, weights, first)
    problem.gradient(x, rows, weights, second)
    assert_array_equal(first, second)
    h, direction = 1e-6, np.random.default_rng(3).normal(size=x.size)
    ends = [problem.loss(x + step * direction, rows, weights) for step in (h, -h)]
    assert_allclose(first @ direction, (ends[0] - ends[1]) / (2 * h), rtol=1e-6)


@needs_torch
def test_a_class_with_arguments_serves_as_it_is():
    problem = make("torch.nn:Linear", arguments={"in_features": 6, "out_features": 3})
    assert problem.n_parameters == 21


@needs_torch
def test_the_seed_alone_decides_the_start():
    problem = make("relu_network")
    state = torch.random.get_rng_state()
    x = problem.initial(3)
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.manual_seed(99)
    assert_array_equal(make("relu_network").initial(3), x)
    assert not np.array_equal(problem.initial(4), x)


@needs_torch
def test_one_thread():
    make("relu_network")
    assert torch.get_num_threads() == 1


@needs_torch
def test_parameters_that_may_not_be_written():
    problem = make("relu_network")
    rows, weights = data()
    x = problem.initial(0)
    expected, out = np.zeros_like(x), np.zeros_like(x)
    problem.gradient(x, rows, weights, expected)
    for array in (x, rows.X, rows.y, weights):
        array.flags.writeable = False
    problem.gradient(x, rows, weights, out)
    assert_array_equal(out, expected)


@needs_torch
@pytest.mark.parametrize(
    ("factory", "text"),
    [
        ("no_such_package:net", "cannot import 'no_such_package'"),
        ("torch.nn:NoSuchLayer", "module 'torch.nn' has no 'NoSuchLayer'"),
        ("torch.nn:", "wants 'module:factory', got 'torch.nn:'"),
        ("math:pi", "'math:pi' is no function or class"),
        ("breaks", "breaks' fails with RuntimeError: no weights today$"),
        ("is_none", "is_none' gives a NoneType, wants a torch.nn.Module"),
        ("frozen", "frozen' has no parameters to train"),
        ("mixes_rows", "mixes_rows' fails on rows of 6 features with ValueError: Expected more"),
        ("compares_rows", "row that stands alone other outputs than the same row among 3: .* by"),
        ("squeezes", r"squeezes' returns \(3,\) for 1 rows, multiclass data want \(1, 3\)"),
        ("halves", "returns torch.float16 for torch.float64"),
        ("gives_pairs", "returns a tuple, wants a tensor"),
    ],
)
def test_what_is_wrong_with_a_module(factory, text):
    with pytest.raises(ConfigError, match=rf"problem.module: .*{text}"):
        make(factory)


@needs_torch
@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({}, r"'torch.nn:Linear' fails with TypeError: .*missing"),
        ({"in_features": 6, "out_features": 4}, r"returns \(3, 4\) .* multiclass .* \(3, 3\)"),
        ({"in_features": 5, "out_features": 3}, r"fails on rows of 6 features with RuntimeError"),
        ({"in_feature": 6}, r"fails with TypeError: .*in_feature"),
    ],
)
def test_wrong_arguments(arguments, text):
    with pytest.raises(ConfigError, match=rf"problem.module: .*{text}"):
        make("torch.nn:Linear", arguments=arguments)


def test_without_pytorch(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ConfigError, match=r"problem.name: 'torch' needs PyTorch \(extra 'torch'"):
        make("relu_network")


def test_a_module_is_needed():
    with pytest.raises(ConfigError, match=r"problem.module: missing, 'torch' needs it"):
        problems.make("torch", {}, n_features=3, n_classes=2, task="binary")


PROGRAM = """
import numpy as np
from mpicode import problems
rng = np.random.default_rng(5)
X, y, w = rng.normal(size=(700, 50)), rng.integers(0, 6, 700), rng.normal(size=700)
problem = problems.make(
    "torch", {"module": "torch.nn:Linear", "arguments": {"in_features": 50, "out_features": 6}},
    n_features=50, n_classes=6, task="multiclass",
)
out = np.zeros(problem.n_parameters)
problem.gradient(problem.initial(0), problems.Rows(X, y), w, out)
"""


@needs_torch
def test_same_bits_in_another_process():
    here: dict = {}
    exec(PROGRAM, here)
    ending = "import hashlib; print(hashlib.sha256(out.tobytes()).hexdigest())"
    command = [sys.executable, "-c", PROGRAM + ending]
    there = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert there.stdout.strip() == hashlib.sha256(here["out"].tobytes()).hexdigest()
