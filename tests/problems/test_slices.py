"""Segments that take a slice of every layer, and mixes of them."""

import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_allclose, assert_array_equal

from mpicode import problems
from mpicode.errors import ConfigError, DataError
from mpicode.kernels import plain
from mpicode.problems import Rows, columns, mlp, slices
from mpicode.problems.base import segment_length
from mpicode.problems.slices import Shape, Slices, TooSmall

try:
    import torch
except ImportError:
    torch = None

SHAPES = [
    [(20, 37), (37, 24), (24, 10)],  # n_out above, below and no multiple of k
    [(784, 128), (128, 10)],
    [(40, 12), (12, 5)],
    [(48, 10)],
    [(300, 1)],
]
SEGMENTS = [2, 3, 4, 7, 12, 16]


def stacked(sizes, intercept=True):
    """Weights of all layers, then biases of all, as the problems lay them out."""
    n_weights = sum(a * b for a, b in sizes)
    ends = np.cumsum([0, *(a * b for a, b in sizes)])
    biases = n_weights + np.cumsum([0, *(b for _, b in sizes)])
    return [
        Shape(a, b, int(w), int(c) if intercept else None)
        for (a, b), w, c in zip(sizes, ends, biases, strict=False)
    ]


def make(name, n_features, n_classes, dtype=np.float64, **parameters):
    task = {0: "regression", 2: "binary"}.get(n_classes, "multiclass")
    return problems.make(
        name, parameters, n_features=n_features, n_classes=n_classes, task=task, dtype=dtype
    )


def data(problem, kind="dense", n_rows=30):
    rng = np.random.default_rng(4)
    X = rng.normal(size=(n_rows, problem.n_features)).astype(problem.dtype)
    X[rng.random(X.shape) < 0.4] = 0.0
    if problem.task == "regression":
        y = rng.normal(size=n_rows).astype(problem.dtype)
    else:
        y = rng.integers(0, problem.n_classes, n_rows)
    return Rows(scipy.sparse.csr_array(X) if kind == "csr" else X, y), rng.normal(size=n_rows)


def point(problem):
    return np.random.default_rng(9).normal(size=problem.n_parameters).astype(problem.dtype)


def direction_of(k, seed=0):
    rng = np.random.default_rng([seed, k])
    direction = rng.normal(size=k)
    direction[rng.permutation(k)[: k // 2]] = 0.0
    return direction


def folded(problem, x, rows, weights, direction):
    """Loss and mix from the whole gradient."""
    k = direction.size
    gradient = np.zeros(problem.n_parameters, problem.dtype)
    loss = problem.gradient(x, rows, weights, gradient)
    order = problem.slices(k)
    padded = np.zeros(k * segment_length(gradient.size, k))
    padded[: gradient.size] = gradient if order is None else gradient[order]
    return loss, direction @ padded.reshape(k, -1)


def coded(problem, x, rows, weights, direction, mixed=None):
    out = np.zeros(segment_length(problem.n_parameters, direction.size), problem.dtype)
    return problem.coded_gradient(x, rows, weights, direction, out, mixed), out


PROBLEMS = [
    pytest.param(("mlp", 20, 10, {"hidden": [37, 24]}), id="mlp-37-24"),
    pytest.param(("mlp", 17, 2, {"hidden": [13]}), id="mlp-13"),
    pytest.param(("mlp", 40, 0, {"hidden": []}), id="mlp"),
    pytest.param(("softmax", 33, 10, {}), id="softmax"),
    pytest.param(("softmax", 5, 40, {"intercept": False}), id="softmax-40"),
    pytest.param(("logistic", 50, 2, {}), id="logistic"),
    pytest.param(("least-squares", 64, 0, {"intercept": False}), id="least-squares"),
]


@pytest.fixture(params=PROBLEMS)
def problem(request):
    name, n_features, n_classes, parameters = request.param
    return make(name, n_features, n_classes, **parameters)


@pytest.fixture(params=["dense", "csr"])
def kind(request):
    return request.param


class TestOrder:
    @pytest.mark.parametrize("sizes", SHAPES)
    @pytest.mark.parametrize("k", SEGMENTS)
    @pytest.mark.parametrize("intercept", [True, False])
    def test_every_parameter_once_and_no_longer_than_must_be(self, sizes, k, intercept):
        made = Slices(stacked(sizes, intercept), k)
        n_parameters = sum(shape.size for shape in stacked(sizes, intercept))
        assert_array_equal(np.sort(made.order), np.arange(n_parameters))
        assert made.length == -(-n_parameters // k)

    @pytest.mark.parametrize("k", SEGMENTS)
    def test_cutting_and_joining_gives_the_same_bits(self, problem, k):
        order = problem.slices(k)
        if order is None:
            pytest.skip("too small to be sliced")
        x = point(problem)
        cut = np.zeros(k * segment_length(x.size, k))
        cut[: x.size] = x[order]
        assert not cut[x.size :].any()
        back = np.empty_like(x)
        back[order] = cut[: x.size]
        assert_array_equal(back, x)

    def test_each_segment_has_a_slice_of_each_layer(self):
        network = make("mlp", 40, 10, hidden=[32])
        k = 4
        places = network.slices(k)[: k * (network.n_parameters // k)]
        for layer in network.layers:
            inside = (places >= layer.weights.start) & (places < layer.weights.stop)
            shares = inside[: k * (inside.size // k)].reshape(k, -1).sum(axis=1)
            assert shares.min() > 0.9 * layer.n_in * layer.n_out / k

    @pytest.mark.parametrize("k", [1, 60, 200])
    def test_one_segment_or_too_many_have_no_slices(self, k):
        assert make("logistic", 50, 2).slices(k) is None

    def test_too_small(self):
        with pytest.raises(TooSmall, match="6 parameters in 9 segments"):
            Slices(stacked([(5, 1)]), 9)


class TestCodedGradient:
    @pytest.mark.parametrize("k", [1, 2, 3, 4, 7, 12, 16, 300])
    def test_is_the_gradient_folded(self, problem, kind, k):
        rows, weights = data(problem, kind)
        x, direction = point(problem), direction_of(k)
        loss, wanted = folded(problem, x, rows, weights, direction)
        scale = np.abs(wanted).max(initial=1.0)
        for mixed in (None, problem.mix(rows, direction)):
            found_loss, found = coded(problem, x, rows, weights, direction, mixed)
            assert found_loss == pytest.approx(loss, rel=1e-13)
            assert_allclose(found, wanted, rtol=0, atol=1e-12 * scale)

    @pytest.mark.parametrize("k", [3, 7])
    def test_is_the_slope_along_the_direction(self, problem, k):
        rows, weights = data(problem, n_rows=12)
        x, direction = point(problem), direction_of(k)
        _, found = coded(problem, x, rows, weights, direction)
        order = problem.slices(k)
        order = np.arange(x.size) if order is None else order
        h = 1e-5
        for place in range(found.size):
            along = np.zeros(k * found.size)
            along[place :: found.size] = direction  # that number of each segment
            step = np.zeros_like(x)
            step[order] = h * along[: x.size]
            rise = problem.loss(x + step, rows, weights) - problem.loss(x - step, rows, weights)
            assert_allclose(
                found[place], rise / (2 * h), rtol=1e-6, atol=1e-6 * np.abs(found).max()
            )

    def test_is_linear_in_the_direction(self, problem, kind):
        rows, weights = data(problem, kind)
        x, k = point(problem), 4
        one, other = direction_of(k), direction_of(k, seed=1)
        parts = [coded(problem, x, rows, weights, a)[1] for a in (one, other, one - 2.0 * other)]
        scale = np.abs(parts[2]).max(initial=1.0)
        assert_allclose(parts[2], parts[0] - 2.0 * parts[1], rtol=0, atol=1e-12 * scale)

    def test_single_precision(self, kind):
        for name, parameters in (("mlp", {"hidden": [16]}), ("softmax", {})):
            small = make(name, 40, 10, np.float32, **parameters)
            rows, weights = data(small, kind)
            direction = direction_of(4)
            mixed = small.mix(rows, direction)
            _, wanted = folded(small, point(small), rows, weights, direction)
            for each in (None, mixed):
                _, found = coded(small, point(small), rows, weights, direction, each)
                assert found.dtype == np.float32
                assert_allclose(found, wanted, rtol=1e-4, atol=1e-5 * np.abs(wanted).max())

    def test_adds_to_out_and_chunks_do_not_show(self, problem, kind, monkeypatch):
        rows, weights = data(problem, kind)
        x, direction = point(problem), direction_of(4)
        _, whole = coded(problem, x, rows, weights, direction)
        monkeypatch.setattr(mlp, "CHUNK_BYTES", 1)
        monkeypatch.setattr(mlp, "FEWEST_ROWS", 7)
        monkeypatch.setattr(problem, "_chunk_rows", 7, raising=False)
        mixed = problem.mix(rows, direction)
        for each in (None, mixed):
            out = np.full_like(whole, 5.0)
            problem.coded_gradient(x, rows, weights, direction, out, each)
            assert_allclose(out, whole + 5.0, rtol=1e-11, atol=1e-12)

    def test_no_rows(self, problem):
        rows, weights = data(problem, n_rows=0)
        loss, out = coded(problem, point(problem), rows, weights, direction_of(4))
        assert loss == 0.0
        assert not out.any()

    @pytest.mark.parametrize("k", [4, 500])
    def test_arguments_that_do_not_fit(self, problem, k):
        rows, weights = data(problem)
        x, direction = point(problem), direction_of(k)
        length = segment_length(x.size, k)
        out = np.zeros(length)
        for arguments, error, text in (
            (
                (x, rows, weights, direction, np.zeros(length + 1)),
                ConfigError,
                r"out: a segment of",
            ),
            ((x, rows, weights, direction, np.zeros(length, "f4")), ConfigError, "out: .*float32"),
            ((x, rows, weights, np.ones((k, 1)), out), ConfigError, "direction: wants"),
            ((x, rows, weights, direction.astype("f4"), out), ConfigError, "direction: wants"),
            ((x, rows, weights[:-1], direction, out), DataError, "weights: 30 rows"),
            ((x[:-1], rows, weights, direction, out), ConfigError, "x: "),
        ):
            with pytest.raises(error, match=text):
                problem.coded_gradient(*arguments)

    @pytest.mark.skipif(torch is None, reason="PyTorch is not installed")
    def test_other_problems_fold_the_whole_gradient(self):
        module = problems.make(
            "torch",
            {"module": f"{__name__}:network"},
            n_features=6,
            n_classes=3,
            task="multiclass",
        )
        rows, weights = data(module)
        direction = direction_of(5)
        assert module.slices(5) is None
        assert module.mix(rows, direction) is None
        loss, wanted = folded(module, module.initial(0), rows, weights, direction)
        found_loss, found = coded(module, module.initial(0), rows, weights, direction)
        assert found_loss == loss
        assert_allclose(found, wanted, rtol=1e-12, atol=1e-14)


def network(n_features, n_outputs):
    return torch.nn.Sequential(
        torch.nn.Linear(n_features, 5), torch.nn.Tanh(), torch.nn.Linear(5, n_outputs)
    )


class _Counted(np.ndarray):
    """Counts the multiplications of products, by shapes, and of weighting whole arrays."""

    products = 0

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **options):
        plain = [np.asarray(each) for each in inputs]
        if ufunc is np.matmul:
            a, b = plain
            type(self).products += a.shape[0] * a.shape[1] * (b.shape[1] if b.ndim == 2 else 1)
        elif ufunc is np.multiply:
            type(self).products += np.broadcast(*plain).size
        if out is not None:
            options["out"] = tuple(np.asarray(each) for each in out)
        result = getattr(ufunc, method)(*plain, **options)
        if out is not None:
            return out[0]
        return result.view(_Counted) if isinstance(result, np.ndarray) else result


def counted_mix(vectors, direction, out):
    _Counted.products += np.count_nonzero(direction) * out.size
    return plain.mix_slots(np.asarray(vectors), direction, out)


@pytest.mark.parametrize(("n_in", "n_out"), [(784, 128), (128, 10), (37, 24), (784, 10), (500, 1)])
@pytest.mark.parametrize("k", [2, 4, 8, 16])
def test_multiplications_fall_to_one_of_k(n_in, n_out, k, monkeypatch):
    """Of the products that sum up a gradient; weight * small is for mixing slopes or columns."""
    monkeypatch.setattr(columns, "mix_slots", counted_mix)
    n_rows, weight = 64, 2
    made = Slices(stacked([(n_in, n_out)]), k)
    rng = np.random.default_rng(0)
    entering, slopes = (rng.normal(size=(n_rows, n)).view(_Counted) for n in (n_in, n_out))
    direction = np.zeros(k)
    direction[:weight] = 1.0
    out = np.zeros(made.length)
    mixing = slices.Mixing(made, direction, out)
    _Counted.products = 0
    mixing.add_layer(0, entering, slopes)
    mixing.finish()
    whole = n_rows * n_in * n_out
    mixed = weight * n_rows * (-(-n_out // k) + -(-n_in // k) + 1)
    tail = n_rows * sum(
        rest.rows.size * rest.columns.size for cut in made.cuts for rest in cut.rests
    )
    assert 0 < _Counted.products <= whole / k + mixed + tail + made.length * k
    # what is computed number by number is little, unless the layer is small itself
    assert tail <= n_rows * (k * k + k * max(k, n_out))


@pytest.mark.parametrize("n_rows", [0, 1, 9])
def test_columns_of_csr_are_those_of_dense_rows(n_rows):
    rng = np.random.default_rng(n_rows)
    X = rng.normal(size=(n_rows + 3, 14))
    X[rng.random(X.shape) < 0.5] = 0.0
    csr = scipy.sparse.csr_array(X)
    part = (csr.data, csr.indices, csr.indptr[2 : n_rows + 3])  # does not begin at 0
    X = X[2 : n_rows + 2]
    direction = np.array([0.5, 0.0, -2.0, 1.0])
    values, indices, indptr = columns.mixed_columns(part, direction, 3)
    found = scipy.sparse.csr_array((values, indices, indptr), shape=(n_rows, 3)).toarray()
    assert_allclose(found, columns.mixed_columns(X, direction, 3), atol=1e-15)
    assert_allclose(found, np.einsum("u,iuc->ic", direction, X[:, :12].reshape(-1, 4, 3)))
    picked = np.array([0, 5, 13])
    assert_array_equal(columns.picked_columns(part, picked), X[:, picked])
