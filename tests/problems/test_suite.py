"""The contract of `Problem`, held to every problem of the registry."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_allclose, assert_array_equal

from mpicode import problems
from mpicode.errors import ConfigError, DataError
from mpicode.problems import Rows

try:
    import torch
except ImportError:
    torch = None


class ProblemSuite:
    """Subclass it per problem; ``parameters`` lists the settings every test runs with."""

    name: str
    task: str
    other_task: str
    n_classes = 0
    parameters: tuple[dict, ...] = ({},)  # the first without a penalty
    n_features = 7

    @pytest.fixture(params=["dense", "csr"])
    def kind(self, request):
        return request.param

    def pytest_generate_tests(self, metafunc):
        if "given" in metafunc.fixturenames:
            metafunc.parametrize("given", self.parameters, ids=str)

    def make(self, given, dtype=np.float64):
        return problems.make(
            self.name,
            given,
            n_features=self.n_features,
            n_classes=self.n_classes,
            task=self.task,
            dtype=dtype,
        )

    def data(self, n_rows, kind="dense", dtype=np.float64, seed=0):
        """Rows, a third of whose entries are zero, and weights of both signs."""
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(n_rows, self.n_features))
        X[rng.random(X.shape) < 1 / 3] = 0.0
        X = X.astype(dtype)
        if self.task == "regression":
            y = rng.normal(size=n_rows).astype(dtype)
        else:
            y = rng.integers(0, self.n_classes, n_rows)
        weights = rng.normal(size=n_rows).astype(dtype)
        return Rows(scipy.sparse.csr_array(X) if kind == "csr" else X, y), weights

    def point(self, problem, scale=1.0):
        x = np.random.default_rng(9).normal(scale=scale, size=problem.n_parameters)
        return x.astype(problem.dtype)

    def gradient(self, problem, x, rows, weights):
        out = np.zeros_like(x)
        return problem.gradient(x, rows, weights, out), out

    def test_gradient_is_the_slope_of_the_loss(self, given, kind):
        problem = self.make(given)
        rows, weights = self.data(40, kind)
        x = self.point(problem)
        _, gradient = self.gradient(problem, x, rows, weights)
        h = 1e-5
        slope = [
            (problem.loss(x + step, rows, weights) - problem.loss(x - step, rows, weights))
            / (2 * h)
            for step in h * np.eye(x.size)
        ]
        assert_allclose(gradient, slope, rtol=1e-6, atol=1e-6 * np.abs(gradient).max())

    def test_dense_and_csr_agree(self, given):
        problem = self.make(given)
        x = self.point(problem)
        dense, sparse = (
            self.gradient(problem, x, *self.data(50, kind)) for kind in ("dense", "csr")
        )
        assert_allclose(dense[0], sparse[0], rtol=1e-12)
        assert_allclose(dense[1], sparse[1], rtol=1e-12, atol=1e-12)

    def test_single_precision_follows_double(self, given, kind):
        single, double = self.make(given, np.float32), self.make(given)
        rows, weights = self.data(200, kind, np.float32)
        x = self.point(single)
        loss, gradient = self.gradient(single, x, rows, weights)
        wide = Rows(rows.X.astype(np.float64), rows.y)
        expected = self.gradient(double, x.astype(float), wide, weights.astype(float))
        assert gradient.dtype == np.float32
        scale = np.abs(expected[1]).max()
        assert_allclose(loss, expected[0], rtol=1e-5, atol=1e-4)
        assert_allclose(gradient, expected[1], rtol=1e-5, atol=1e-5 * scale)

    def test_linear_in_the_weights(self, given, kind):
        problem = self.make(given)
        x = self.point(problem)
        rows, one = self.data(60, kind)
        other = np.random.default_rng(1).normal(size=60)
        of = [self.gradient(problem, x, rows, w) for w in (one, other, one - 3.0 * other)]
        assert_allclose(of[2][0], of[0][0] - 3.0 * of[1][0], rtol=1e-11)
        assert_allclose(of[2][1], of[0][1] - 3.0 * of[1][1], rtol=1e-11, atol=1e-11)

    def test_additive_over_blocks_of_rows(self, given, kind):
        problem = self.make(given)
        x = self.point(problem)
        rows, weights = self.data(60, kind)
        whole = self.gradient(problem, x, rows, weights)
        loss, gradient = 0.0, np.zeros_like(x)
        for part in (slice(0, 1), slice(1, 30), slice(30, 30), slice(30, 60)):
            block = Rows(rows.X[part], rows.y[part])
            loss += problem.gradient(x, block, weights[part], gradient)
        assert_allclose(loss, whole[0], rtol=1e-12)
        assert_allclose(gradient, whole[1], rtol=1e-12, atol=1e-12)

    def test_adds_to_out(self, given, kind):
        problem = self.make(given)
        x = self.point(problem)
        rows, weights = self.data(30, kind)
        _, gradient = self.gradient(problem, x, rows, weights)
        out = np.full_like(x, 5.0)
        problem.gradient(x, rows, weights, out)
        assert_allclose(out, 5.0 + gradient, rtol=1e-13, atol=1e-13)

    def test_inputs_are_left_alone(self, given, kind):
        problem = self.make(given)
        x = self.point(problem)
        rows, weights = self.data(30, kind)
        before = x.copy(), rows.X.copy(), rows.y.copy(), weights.copy()
        self.gradient(problem, x, rows, weights)
        problem.loss(x, rows, weights)
        problem.evaluate(x, rows)
        assert_array_equal(x, before[0])
        assert (before[1] != rows.X).sum() == 0
        assert_array_equal(rows.y, before[2])
        assert_array_equal(weights, before[3])

    def test_parameters_may_lie_apart(self, given, kind):
        problem = self.make(given)
        x = self.point(problem)
        rows, weights = self.data(10, kind)
        strided = np.repeat(x, 2)[::2]
        assert problem.loss(strided, rows, weights) == problem.loss(x, rows, weights)

    def test_loss_is_the_one_of_the_gradient(self, given, kind):
        problem = self.make(given)
        x = self.point(problem)
        rows, weights = self.data(70, kind)
        assert problem.loss(x, rows, weights) == self.gradient(problem, x, rows, weights)[0]
        total, _ = problem.evaluate(x, rows)
        assert_allclose(total, problem.loss(x, rows, np.ones(70)), rtol=1e-13)

    def test_no_rows(self, given, kind):
        problem = self.make(given)
        x = self.point(problem)
        rows, weights = self.data(0, kind)
        loss, gradient = self.gradient(problem, x, rows, weights)
        assert loss == problem.loss(x, rows, weights) == problem.evaluate(x, rows)[0] == 0.0
        assert not gradient.any()

    def test_same_bits_wherever_the_rows_lie(self, given, kind):
        rows, weights = self.data(129, kind)
        x = self.point(self.make(given))
        reference = self.gradient(self.make(given), x, rows, weights)
        for offset in range(1, 8):
            moved = Rows(
                _shifted(rows.X, offset) if kind == "dense" else rows.X.copy(),
                _shifted(rows.y, offset),
            )
            again = self.gradient(self.make(given), _shifted(x, offset), moved, weights)
            assert again[0] == reference[0]
            assert_array_equal(again[1], reference[1])

    def test_diverged_parameters_show_in_the_loss_alone(self, given, kind):
        problem = self.make(given)
        rows, weights = self.data(20, kind)
        for number in (np.nan, np.inf, 1e308):
            x = np.full(problem.n_parameters, number)
            loss, _ = self.gradient(problem, x, rows, weights)
            assert not np.isfinite(loss)
            assert not np.isfinite(problem.loss(x, rows, weights))
            assert not np.isfinite(problem.evaluate(x, rows)[0])
        _ = problem.regularise(np.full(problem.n_parameters, 1e300), self.point(problem))

    def test_large_parameters_stay_finite(self, given, kind):
        problem = self.make(given)
        rows, weights = self.data(20, kind)
        loss, gradient = self.gradient(problem, self.point(problem, 1e5), rows, weights)
        assert np.isfinite(loss)
        assert np.isfinite(gradient).all()

    def test_regularise_is_the_slope_of_what_it_returns(self, given):
        problem = self.make({**given, "l2": 0.7})
        x = self.point(problem)
        gradient = np.full_like(x, 2.0)
        problem.regularise(x, gradient)
        h = 1e-5
        ignored = np.zeros_like(x)
        slope = [
            (problem.regularise(x + step, ignored) - problem.regularise(x - step, ignored))
            / (2 * h)
            for step in h * np.eye(x.size)
        ]
        assert_allclose(gradient - 2.0, slope, rtol=1e-8, atol=1e-8)
        assert np.count_nonzero(gradient - 2.0) > 0

    def test_no_penalty_by_default(self):
        problem = self.make(self.parameters[0])
        gradient = np.ones(problem.n_parameters)
        assert problem.regularise(self.point(problem), gradient) == 0.0
        assert (gradient == 1.0).all()

    def test_start(self, given):
        problem = self.make(given, np.float32)
        x = problem.initial(3)
        assert x.shape == (problem.n_parameters,)
        assert x.dtype == np.float32
        assert_array_equal(x, problem.initial(3))
        assert not np.shares_memory(x, problem.initial(3))

    @pytest.mark.parametrize("n_segments", [1, 2, 5])
    def test_layout_orders_all_parameters(self, given, n_segments):
        problem = self.make(given)
        order = problem.layout(n_segments)
        if order is not None:
            assert_array_equal(np.sort(order), np.arange(problem.n_parameters))

    def test_rows_that_do_not_fit(self, given, kind):
        problem = self.make(given)
        x = self.point(problem)
        (X, y), weights = self.data(6, kind)
        out = np.zeros_like(x)
        wide = scipy.sparse.csr_array((6, 9)) if kind == "csr" else np.zeros((6, 9))
        for rows, w, text in (
            (Rows(wide, y), weights, r"X: the problem has 7 features, .*\(6, 9\)"),
            (Rows(X.astype(np.float32), y), weights, "X: .*float64, the rows are float32"),
            (Rows(X, y[:5]), weights, r"y: 6 rows, but y has shape \(5,\)"),
            (Rows(X, y), weights[:4], r"weights: 6 rows, but .*\(4,\)"),
            (Rows(X, y.astype(complex)), weights, "y: .* got complex128"),
        ):
            with pytest.raises(DataError, match=text):
                problem.gradient(x, rows, w, out)
            with pytest.raises(DataError, match=text):
                problem.loss(x, rows, w)
        assert not out.any()

    def test_vectors_that_do_not_fit(self, given, kind):
        problem = self.make(given)
        x = self.point(problem)
        n = problem.n_parameters
        rows, weights = self.data(6, kind)
        for vector, out, text in (
            (x[1:], np.zeros(n), rf"x: .* has {n} parameters .*\({n - 1},\)"),
            (x.astype(np.float32), np.zeros(n), "x: .*float64, the vector is float32"),
            (x, np.zeros(n + 1), rf"out: .*{n} parameters .*\({n + 1},\)"),
            (x, np.zeros(n, np.float32), "out: .*float64, the vector is float32"),
            (x, np.zeros(2 * n)[::2], "out: must be contiguous, its stride is 16"),
        ):
            with pytest.raises(ConfigError, match=text):
                problem.gradient(vector, rows, weights, out)

    def test_other_data(self, given):
        text = rf"problem.name: '{self.name}' serves .* data, the dataset is '{self.other_task}'"
        with pytest.raises(ConfigError, match=text):
            problems.make(self.name, given, n_features=7, n_classes=3, task=self.other_task)

    @pytest.mark.parametrize("l2", [-1.0, float("nan"), float("inf")])
    def test_impossible_penalty(self, l2):
        with pytest.raises(ConfigError, match=r"problem.l2: must be zero or positive, got"):
            self.make({**self.parameters[0], "l2": l2})

    def test_other_precision(self):
        with pytest.raises(ConfigError, match=r"run.dtype: wants float32 or float64, got int32"):
            self.make(self.parameters[0], np.int32)


class LabelSuite(ProblemSuite):
    """Problems whose y are labels."""

    @pytest.mark.parametrize("label", [-1, 99])
    def test_label_out_of_range(self, given, kind, label):
        problem = self.make(given)
        (X, y), weights = self.data(6, kind)
        y[3] = label
        text = f"y: label {label} is out of range, the problem has {self.n_classes} classes"
        with pytest.raises(DataError, match=text):
            self.gradient(problem, self.point(problem), Rows(X, y), weights)
        with pytest.raises(DataError, match=text):
            problem.evaluate(self.point(problem), Rows(X, y))


LINEAR = ({}, {"intercept": False}, {"l2": 0.1})


class TestLeastSquares(ProblemSuite):
    name = "least-squares"
    task, other_task = "regression", "binary"
    parameters = LINEAR


class TestLogistic(LabelSuite):
    name = "logistic"
    task, other_task = "binary", "multiclass"
    n_classes = 2
    parameters = LINEAR


class TestPolynomialLogistic(LabelSuite):
    name = "polynomial-logistic"
    task, other_task = "binary", "multiclass"
    n_classes = 2
    parameters = (*LINEAR, {"activation_degree": 1, "within": 3.0})


class TestSoftmax(LabelSuite):
    name = "softmax"
    task, other_task = "multiclass", "regression"
    n_classes = 4
    parameters = LINEAR


class TestSoftmaxOfTwo(LabelSuite):
    name = "softmax"
    task, other_task = "binary", "regression"
    n_classes = 2


NETWORKS = ({"hidden": [5]}, {"hidden": [4, 3], "l2": 0.1}, {"hidden": []})


class TestMLP(LabelSuite):
    name = "mlp"
    task, other_task = "multiclass", "something else"
    n_classes = 4
    parameters = NETWORKS


class TestMLPOfTwo(LabelSuite):
    name = "mlp"
    task, other_task = "binary", "something else"
    n_classes = 2
    parameters = NETWORKS


class TestMLPOfNumbers(ProblemSuite):
    name = "mlp"
    task, other_task = "regression", "something else"
    parameters = NETWORKS


def small_network(n_features, n_outputs, hidden=5, bias=True):
    """Two layers with a smooth function between."""
    return torch.nn.Sequential(
        torch.nn.Linear(n_features, hidden, bias=bias),
        torch.nn.Tanh(),
        torch.nn.Linear(hidden, n_outputs),
    )


MODULE = {"module": f"{__name__}:small_network"}
MODULES = (MODULE, {**MODULE, "arguments": {"hidden": 3, "bias": False}, "l2": 0.1})
needs_torch = pytest.mark.skipif(torch is None, reason="PyTorch is not installed")


@needs_torch
class TestTorch(LabelSuite):
    name = "torch"
    task, other_task = "multiclass", "something else"
    n_classes = 4
    parameters = MODULES


@needs_torch
class TestTorchOfTwo(LabelSuite):
    name = "torch"
    task, other_task = "binary", "something else"
    n_classes = 2
    parameters = MODULES


@needs_torch
class TestTorchOfNumbers(ProblemSuite):
    name = "torch"
    task, other_task = "regression", "something else"
    parameters = MODULES


def test_every_problem_has_a_suite():
    suites = [*ProblemSuite.__subclasses__(), *LabelSuite.__subclasses__()]
    assert {suite.name for suite in suites if suite is not LabelSuite} == set(problems.names())


PROGRAM = """
import hashlib, numpy as np
from mpicode import problems
rng = np.random.default_rng(5)
X, y, w = rng.normal(size=(700, 50)), rng.integers(0, 6, 700), rng.normal(size=700)
problem = problems.make("softmax", {}, n_features=50, n_classes=6, task="multiclass")
out = np.zeros(problem.n_parameters)
problem.gradient(rng.normal(size=out.size), problems.Rows(X, y), w, out)
digest = hashlib.sha256(out.tobytes()).hexdigest()
"""


def test_same_bits_in_another_process():
    here: dict = {}
    exec(PROGRAM, here)
    command = [sys.executable, "-c", PROGRAM + "print(digest)"]
    there = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert there.stdout.strip() == here["digest"]
    assert here["digest"] != hashlib.sha256(bytes(here["out"].nbytes)).hexdigest()


def _shifted(array, offset):
    """A copy of the array ``offset`` elements after an aligned address."""
    room = np.empty(array.size + offset, array.dtype)
    room[offset:] = array.ravel()
    return room[offset:].reshape(array.shape)
