"""Training with codes over the data: against gradient descent by hand, and what is refused."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

import mpicode
from mpicode import codes
from mpicode.codes.data.field import masks, quantise
from mpicode.config import Config
from mpicode.datasets.encode import encode_dataset
from mpicode.datasets.mixing import Field
from mpicode.errors import ConfigError, NotDecodable
from mpicode.outcomes import Outcome
from mpicode.problems import losses
from mpicode.problems.least_squares import LeastSquares
from mpicode.problems.polynomial_logistic import fitted
from mpicode.results import read_run
from mpicode.train.setup import build

N, D, STEP, ITERATIONS = 101, 5, 0.3, 30
LATE = {"name": "bernoulli", "probability": 0.2, "seconds": 0.1}
PRIME = 2**61 - 1


@pytest.fixture
def regression(write_data):
    """A dataset that no number of blocks divides; returns its path, X and y."""
    rng = np.random.default_rng(1)
    X = rng.standard_normal((N, D))
    y = X @ np.arange(1.0, D + 1) + 0.5 + 0.1 * rng.standard_normal(N)
    return write_data(X, y, "regression.h5"), X, y


@pytest.fixture
def small(regression, tables, tmp_path):
    """A configuration for least squares; hand over what differs."""

    def make(code, **changes):
        made = tables(
            data={"path": regression[0]},
            problem={"name": "least-squares"},
            optimizer={"name": "gradient-descent", "step_size": STEP},
            run={"n_workers": 10, "iterations": ITERATIONS, "evaluate_every": 10, "seed": 3},
            delays=LATE,
        )
        made["code"] = code
        for name, table in changes.items():
            made[name] = table if name == "delays" else {**made.get(name, {}), **table}
        return made

    return make


def descend(X, y, rows=lambda iteration: slice(None)):
    """Return the parameters of gradient descent in one process, intercept last."""
    Z = np.column_stack([X, np.ones(len(y))])
    x = np.zeros(Z.shape[1])
    for iteration in range(ITERATIONS):
        here = rows(iteration)
        Z_here, y_here = Z[here], y[here]
        x -= STEP * Z_here.T @ (Z_here @ x - y_here) / len(y_here)
    return x


EXACT = [
    {"name": "lagrange", "n_blocks": 3, "n_stragglers": 2},
    {"name": "lagrange", "n_blocks": 3, "points": "chebyshev"},
    {"name": "lagrange", "n_blocks": 2, "n_corrupt": 1, "degree": 3},
    {"name": "berrut", "n_blocks": 1},
    {"name": "letcc", "n_blocks": 1},
]


@pytest.mark.parametrize("code", EXACT, ids=str)
def test_an_exact_code_is_gradient_descent_whoever_answers(small, regression, code):
    result = mpicode.run(small(code))
    assert result.error is None
    np.testing.assert_allclose(result.parameters, descend(*regression[1:]), rtol=1e-8)
    assert result.history["n_arrived"].max() < 10
    # the loss is decoded with the gradient, from complex rows too
    known = [0, 10, 20]
    loss, decoded = (result.history[name][known] for name in ("loss", "estimated_loss"))
    np.testing.assert_allclose(decoded, loss, rtol=1e-8)
    assert np.isfinite(result.history["estimated_loss"]).all()


def test_a_mini_batch_is_the_same_slots_of_every_block(small, regression):
    """With one sample too few for the last slot, whether that is drawn or not."""
    code = {"name": "lagrange", "n_blocks": 3, "n_stragglers": 2}
    tables = small(code, run={"batch_size": 30})
    result = mpicode.run(tables)
    slots = build(Config.from_dict(tables)).slots
    assert (slots.n_slots, slots.n_padding) == (34, 1)
    drawn = [slots.draw(iteration) for iteration in range(ITERATIONS)]
    assert {len(each) for each in drawn} == {10}
    assert 0 < sum(33 in each for each in drawn) < ITERATIONS
    X, y = regression[1:]
    Z = np.column_stack([X, np.ones(N)])
    x = np.zeros(D + 1)
    for each in drawn:
        rows = (3 * each[:, None] + np.arange(3)).ravel()
        rows = rows[rows < N]
        # every slot counts the same, so the last one's samples do not count more
        x -= STEP * 34 / (10 * N) * Z[rows].T @ (Z[rows] @ x - y[rows])
    np.testing.assert_allclose(result.parameters, x, rtol=1e-8)


@pytest.mark.parametrize("name", ["berrut", "letcc"])
def test_approximate_codes_come_near_it_and_say_how_steady_they_were(
    small, regression, name, tmp_path
):
    path = tmp_path / "run.h5"
    tables = small({"name": name, "n_blocks": 4}, output={"path": str(path)})
    result = mpicode.run(tables)
    wanted = descend(*regression[1:])
    assert abs(result.parameters - wanted).max() < 0.05 * abs(wanted).max()
    assert result.complete
    found = read_run(path)
    code = build(Config.from_dict(tables)).code
    for iteration, arrived in enumerate(found.workers["arrived"]):
        assert arrived.sum() == 9
        assert found.iterations["lebesgue"][iteration] == code.lebesgue(arrived)
    assert np.isnan(found.iterations["residual"]).all()
    known = ~np.isnan(found.iterations["loss"])
    assert np.flatnonzero(known).tolist() == [0, 10, 20, 29]
    estimated = found.iterations["estimated_loss"]
    assert np.isfinite(estimated).all()
    np.testing.assert_allclose(estimated[[0, 10]], found.iterations["loss"][[0, 10]], rtol=0.2)


def test_blocks_of_unequal_size_are_filled_up_and_that_is_said(small):
    said = []
    mpicode.run(small({"name": "letcc", "n_blocks": 4}), say=said.append)
    assert said == ["101 rows do not fill 4 blocks of 26: 3 places hold none"]
    said.clear()
    mpicode.run(small({"name": "letcc", "n_blocks": 1}), say=said.append)
    assert said == []


def test_the_loss_is_that_of_the_plain_rows(small, regression):
    result = mpicode.run(small({"name": "berrut", "n_blocks": 4}, run={"iterations": 1}))
    _, _, y = regression
    assert result.history["loss"][0] == pytest.approx(0.5 * np.mean(y**2), rel=1e-12)


def test_a_target_is_held_against_the_true_loss(small):
    tables = small({"name": "berrut", "n_blocks": 4}, run={"target_loss": 1.0})
    result = mpicode.run(tables)
    assert result.outcome == "target loss 1 reached"
    assert result.n_iterations == 11  # it is known in every tenth iteration


@pytest.mark.parametrize(
    ("problem", "n_classes"),
    [
        ({"name": "softmax"}, 3),
        ({"name": "mlp", "hidden": [6]}, 3),
        ({"name": "logistic"}, 2),
        ({"name": "softmax"}, 2),
    ],
)
def test_classes_are_learned_from_combined_labels(tables, write_data, problem, n_classes):
    rng = np.random.default_rng(2)
    y = rng.integers(0, n_classes, 203)
    X = 2.0 * np.eye(n_classes, 4)[y] + 0.5 * rng.standard_normal((203, 4))
    made = tables(
        data={"path": write_data(X, y, n_classes=n_classes), "test_fraction": 0.2},
        problem=problem,
        optimizer={"step_size": 0.1},
        run={"n_workers": 20, "iterations": 150, "evaluate_every": 50},
        delays=LATE,
    )
    made["problem"] = problem
    made["code"] = {"name": "letcc", "n_blocks": 3, "n_stragglers": 2}
    result = mpicode.run(made)
    assert result.error is None
    assert result.history["test_accuracy"][-1] > 0.9


@pytest.fixture
def encoded(regression, tmp_path):
    """Make coded files; returns the folder."""

    def make(code, field=None, order="none"):
        parameters = {k: v for k, v in code.items() if k != "name"}
        made = codes.make(code["name"], n_workers=10, seed=3, **parameters)
        folder = tmp_path / "coded"
        encode_dataset(
            regression[0], folder, made, {**parameters, "seed": 3}, order=order, field=field
        )
        return str(folder)

    return make


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_coded_files_say_what_workers_combine_themselves(small, encoded, dtype):
    code = {"name": "letcc", "n_blocks": 4}
    run = {"dtype": dtype}
    by_themselves = mpicode.run(small(code, run=run))
    by_files = mpicode.run(small(code, data={"coded": encoded(code)}, run=run))
    if dtype == "float64":
        assert np.array_equal(by_files.parameters, by_themselves.parameters)
    np.testing.assert_allclose(by_files.parameters, by_themselves.parameters, rtol=1e-4)


def test_rows_that_do_not_fit_in_memory_are_read_again(small, encoded):
    code = {"name": "letcc", "n_blocks": 4}
    for data in ({}, {"coded": encoded(code)}):
        wanted = mpicode.run(small(code, data=data)).parameters
        found = mpicode.run(small(code, data={**data, "memory_mb": 0.0})).parameters
        np.testing.assert_allclose(found, wanted, rtol=1e-12)


def test_a_worker_of_coded_files_opens_no_other_file(small, encoded):
    code = {"name": "berrut", "n_blocks": 4, "n_colluding": 1}
    folder = encoded(code)
    tables = small(code, data={"coded": folder})
    Path(tables["data"]["path"]).unlink()
    for file in Path(folder).iterdir():
        if file.name != "worker-00004.h5":
            file.unlink()
    setup = build(Config.from_dict(tables), worker=4)
    assert setup.work(4).answer_length == D + 2
    setup.close()


def test_over_a_field_it_is_the_integer_reference_to_the_bit(small, regression, encoded, tmp_path):
    code = {"name": "lagrange", "n_blocks": 2, "prime": PRIME, "n_colluding": 1, "n_corrupt": 1}
    field = Field(PRIME, 12, 12 + 16, quantise, masks)
    path = tmp_path / "run.h5"
    result = mpicode.run(
        small(
            code,
            data={"coded": encoded(code, field)},
            problem={"intercept": False},
            faults={"inject": [{"kind": "lie", "worker": 4, "iteration": 5, "iterations": 9}]},
            output={"path": str(path)},
        )
    )
    assert result.error is None
    assert np.array_equal(result.parameters, integers(*regression[1:], 12, 16))
    found = read_run(path)
    # where its lie came too late to be used nobody has looked at it
    corrupt = found.workers["corrupt"]
    assert set(np.flatnonzero(corrupt.any(axis=0))) == {4}
    assert 0 < corrupt[:, 4].sum() <= 9
    assert not corrupt[:5].any()
    assert not corrupt[14:].any()
    assert not (corrupt & found.workers["arrived"]).any()
    outcomes = found.messages["outcome"][found.messages["worker"] == 4]
    assert np.count_nonzero(outcomes == Outcome.CORRUPT) == corrupt[:, 4].sum()
    told = [event for event in found.events if event["kind"] == "corrupt"]
    assert [event["worker"] for event in told] == [4]


def integers(X, y, data_bits, parameter_bits):
    """Gradient descent on rounded numbers, every sum in Python's integers."""
    rows = [[round(v * 2**data_bits) for v in row] for row in X.tolist()]
    labels = [round(v * 2 ** (data_bits + parameter_bits)) for v in y.tolist()]
    w = np.zeros(X.shape[1])
    for _ in range(ITERATIONS):
        whole = [round(v * 2**parameter_bits) for v in w.tolist()]
        total = [0] * len(whole)
        for row, label in zip(rows, labels, strict=True):
            residual = sum(a * b for a, b in zip(row, whole, strict=True)) - label
            total = [t + residual * a for t, a in zip(total, row, strict=True)]
        w -= STEP * (np.ldexp(np.array(total, float), -2 * data_bits - parameter_bits) * (1 / N))
    return w


def rounded(values, bits):
    """In exact arithmetic."""
    whole = np.rint(np.ldexp(np.asarray(values, dtype=float), bits)).astype(int)
    exact = np.empty(whole.shape, dtype=object)
    exact.flat = [Fraction(int(number), 2**bits) for number in whole.flat]
    return exact


@pytest.mark.parametrize("degree", [1, 3])
@pytest.mark.parametrize("coded", [False, True], ids=["combined", "files, T = 1"])
def test_over_a_field_polynomial_logistic_regression_is_exact(
    tables, write_data, tmp_path, degree, coded
):
    """Against the same descent on rounded numbers in exact arithmetic, with a liar."""
    data_bits, parameter_bits, n, d = 6, 7, 61, 3
    rng = np.random.default_rng(8)
    X = 0.3 * rng.standard_normal((n, d))
    y = (X[:, 0] - X[:, 1] + 0.1 * rng.standard_normal(n) > 0).astype(np.int64)
    data = {"path": write_data(X, y, n_classes=2)}
    code = {"n_blocks": 2, "n_corrupt": 1, "degree": degree + 1, "prime": PRIME}
    code |= {"n_colluding": 1} if coded else {}
    n_workers = (1 + coded) * (degree + 1) + 3 + 1
    if coded:
        made = codes.make("lagrange", n_workers=n_workers, **code)
        field = Field(PRIME, data_bits, data_bits + parameter_bits, quantise, masks)
        folder = tmp_path / "coded"
        encode_dataset(data["path"], folder, made, {**code, "seed": 0}, field=field, order="none")
        data["coded"] = str(folder)
    problem = {"name": "polynomial-logistic", "activation_degree": degree, "intercept": False}
    run = tables(
        data=data,
        optimizer={"step_size": 1.0},
        run={"n_workers": n_workers, "iterations": 12},
        field={
            "data_bits": data_bits, "parameter_bits": parameter_bits, "largest_parameter": 2.0
        },
        faults={"inject": [{"kind": "lie", "worker": 1, "iteration": 0, "iterations": 99}]},
    )  # fmt: skip
    result = mpicode.run({**run, "problem": problem, "code": {"name": "lagrange", **code}})
    assert result.error is None
    linear, cubic = rounded(fitted(degree, 5.0), parameter_bits)
    rows, w = rounded(X, data_bits), np.zeros(d)
    for _ in range(12):
        z = rows @ rounded(w, parameter_bits)
        slope = Fraction(1, 2) - y + linear * z + cubic * z**3
        w -= (rows.T @ slope).astype(float) * (1 / n)
    assert np.array_equal(result.parameters, w)
    assert np.abs(w).max() > 0.3
    small = {**run["field"], "largest_parameter": 1e9}
    text = r"^code\.prime: a field of 61 bits is too small, the gradient needs \d+ with data_bits"
    if degree == 3:
        with pytest.raises(ConfigError, match=text):
            mpicode.run(
                {**run, "problem": problem, "code": {"name": "lagrange", **code}, "field": small}
            )


def test_over_a_field_a_problem_of_ones_own_has_any_degree(small, regression):
    code = {"name": "lagrange", "n_blocks": 2, "degree": 3, "prime": PRIME, "n_stragglers": 2}
    change = {
        "problem": {"name": f"{__name__}:Cubic", "intercept": False},
        "field": {"data_bits": 8, "parameter_bits": 8},
        "run": {"iterations": 4},
    }
    result = mpicode.run(small(code, **change))
    assert result.error is None
    X, y = rounded(regression[1], 8), rounded(regression[2], 16)
    w = np.zeros(D)
    for _ in range(4):
        z = X @ rounded(w, 8)
        w -= STEP * ((X.T @ (z * z - y)).astype(float) * (1 / N))
    assert np.array_equal(result.parameters, w)


@pytest.mark.parametrize(
    ("slope", "text"),
    [
        (lambda self, z, y: abs(z) - y, r"its slope fails on residues with TypeError: .*; wants"),
        (lambda self, z, y: z - 2 * y, r"the slope of 'least-squares' gives another gradient, "),
    ],
)
def test_over_a_field_a_slope_that_is_not_the_gradients_is_refused(small, monkeypatch, slope, text):
    monkeypatch.setattr(LeastSquares, "slope", slope)
    code = {"name": "lagrange", "n_blocks": 2, "prime": PRIME}
    with pytest.raises(ConfigError, match=r"^problem\.name: " + text):
        mpicode.run(small(code, problem={"intercept": False}))


def test_without_masks_workers_combine_over_a_field_themselves(small, regression):
    code = {"name": "lagrange", "n_blocks": 2, "prime": PRIME}
    field = {"data_bits": 12, "parameter_bits": 16}
    result = mpicode.run(small(code, problem={"intercept": False}, field=field))
    np.testing.assert_array_equal(result.parameters, integers(*regression[1:], 12, 16))


def test_lost_workers_stay_stragglers_and_it_is_told(small, tmp_path):
    path = tmp_path / "run.h5"
    lost = [{"kind": "kill", "worker": w, "iteration": 4} for w in range(8)]
    result = mpicode.run(
        small(
            {"name": "letcc", "n_blocks": 2},
            faults={"inject": lost},
            output={"path": str(path)},
            delays={"name": "none"},
        )
    )
    assert result.complete
    assert np.isfinite(result.parameters).all()
    assert result.history["n_arrived"][-1] == 2
    told = [e["detail"] for e in read_run(path).events if e["kind"] == "not restored"]
    assert told[-1] == (
        "'letcc' is not made anew, a lost worker stays a straggler: 2 of 10 workers left"
    )


def test_with_too_few_for_the_threshold_it_gives_up(small):
    code = {"name": "lagrange", "n_blocks": 3, "n_stragglers": 2}
    lost = [{"kind": "kill", "worker": w, "iteration": 4} for w in range(6)]
    result = mpicode.run(small(code, faults={"inject": lost}, delays={"name": "none"}))
    assert isinstance(result.error, NotDecodable)
    assert result.outcome.startswith(
        "iteration 4: 4 of 10 answers arrived, 'lagrange' wants 5 (workers lost: [0, 1, 2, 3, 4, 5]"
    )


def test_a_deadline_ends_the_wait_for_a_threshold(small):
    code = {"name": "lagrange", "n_blocks": 3, "n_stragglers": 2}
    slow = {"name": "fixed", "slow_workers": [0, 1, 2, 3, 4, 5], "seconds": 10.0}
    result = mpicode.run(small(code, delays=slow, decoding={"deadline": 1.0}))
    assert isinstance(result.error, NotDecodable)
    assert "4 of 10 answers arrived by the deadline of 1 s, 'lagrange' wants 5" in result.outcome


def test_by_a_deadline_approximate_codes_make_do(small):
    slow = {"name": "fixed", "slow_workers": [0, 1, 2, 3, 4, 5], "seconds": 10.0}
    code = {"name": "berrut", "n_blocks": 2}
    result = mpicode.run(small(code, delays=slow, decoding={"deadline": 1.0}))
    assert result.complete
    assert result.history["n_arrived"][0] == 4


def test_numbers_that_are_not_finite_are_not_used_and_told(small, tmp_path):
    path = tmp_path / "run.h5"
    fault = {"kind": "corrupt", "damage": "nan", "worker": 2, "iteration": 3}
    result = mpicode.run(
        small(
            {"name": "letcc", "n_blocks": 2, "n_stragglers": 0},
            faults={"inject": [fault]},
            wire={"checksum": False},
            delays={"name": "none"},
            output={"path": str(path)},
        )
    )
    assert result.error is None
    corrupt = read_run(path).workers["corrupt"]
    assert np.argwhere(corrupt).tolist() == [[3, 2]]


def test_a_run_goes_on_from_a_checkpoint(small, tmp_path):
    code = {"name": "letcc", "n_blocks": 3, "n_stragglers": 2}
    whole = mpicode.run(small(code, output={"path": str(tmp_path / "whole.h5")}))
    parts = small(code, output={"path": str(tmp_path / "parts.h5")}, run={"iterations": 11})
    mpicode.run(parts)
    parts["run"]["iterations"] = ITERATIONS
    result = mpicode.run(parts, resume=True)
    assert np.array_equal(result.parameters, whole.parameters)
    for name in ("loss", "estimated_loss", "lebesgue"):
        np.testing.assert_array_equal(result.history[name], whole.history[name])


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (
            {"code": {"name": "berrut", "n_colluding": 1}},
            r"data\.coded: missing; 'berrut' with n_c",
        ),
        ({"problem": {"name": "softmax"}}, r"problem\.name: 'softmax' serves multiclass or binary"),
        ({"code": {"name": "lagrange", "degree": 1}}, r"code\.degree: 1, but the gradient of 'lea"),
        (
            {"code": {"name": "letcc", "n_blocks": 8}, "run": {"batch_size": 7}},
            r"run\.batch_size: 7",
        ),
        ({"decoding": {"max_residual": 0.1}}, r"decoding\.max_residual: 'letcc' does not know"),
        ({"decoding": {"method": "fixed"}}, r"decoding\.method: 'fixed' is for gradient codes"),
        (
            {"decoding": {"n_answers": 11}},
            r"decoding\.n_answers: 11 answers, but 'letcc' decodes f",
        ),
        ({"decoding": {"max_error": 1e-16}}, r"decoding\.max_error: 1e-16, but without 1 of 10"),
        (
            {"code": {"name": "lagrange"}, "decoding": {"n_answers": 2}},
            r"decoding\.n_answers: 2 answers, but 'lagrange' decodes from 3 on",
        ),
        (
            {"code": {"name": "lagrange", "prime": PRIME}},
            r"problem\.name: over a field models of one output, linear in the features and wi",
        ),
        (
            {"code": {"name": "lagrange", "prime": 65537}, "problem": {"intercept": False}},
            r"code\.prime: a field of 17 bits is too small, the gradient needs \d\d",
        ),
        ({"data": {"coded": "nowhere"}}, r"nowhere: no such folder"),
        (
            {"code": {"name": "cyclic"}, "data": {"coded": "."}},
            r"data\.coded: files of a code over",
        ),
    ],
)
def test_what_cannot_be_is_refused(small, changes, text):
    code = changes.pop("code", {"name": "letcc", "n_blocks": 4})
    with pytest.raises(mpicode.MpicodeError, match=text):
        mpicode.run(small(code, **changes))


def test_sparse_rows_are_refused(small, write_data):
    rng = np.random.default_rng(0)
    path = write_data(sparse.csr_array(rng.standard_normal((40, 3))), rng.standard_normal(40))
    with pytest.raises(ConfigError, match=r"^data\.path: the rows are sparse"):
        mpicode.run(small({"name": "letcc"}, data={"path": path}))


def normalised(n_features, n_outputs):
    """By the statistics of the batch, as in training, whatever mode the module is in."""
    from torch import nn

    batch = nn.BatchNorm1d(n_features, track_running_stats=False)
    return nn.Sequential(batch, nn.Linear(n_features, n_outputs))


def careless(n_features, n_outputs):
    """Drops out in evaluation, too."""
    from torch import nn

    class Always(nn.Module):
        def forward(self, X):
            return nn.functional.dropout(X, training=True)

    return nn.Sequential(Always(), nn.Linear(n_features, n_outputs))


@pytest.mark.parametrize("module", ["normalised", "careless"])
def test_a_module_that_is_not_the_same_function_of_each_row_is_refused(small, module):
    pytest.importorskip("torch")
    problem = {"name": "torch", "module": f"{__name__}:{module}"}
    with pytest.raises(ConfigError, match=r"^problem\.module: .*(row that stands|than 1 value)"):
        mpicode.run(small({"name": "letcc", "n_blocks": 4}, problem=problem))


def test_a_gradient_of_a_higher_degree_than_it_says_is_found_out(small, monkeypatch):
    def cubic(self, z, y, weights):
        z += 0.1 * z**2
        return losses.SQUARED.residual(z, y, weights)

    monkeypatch.setattr(LeastSquares, "_residual", cubic)
    with pytest.raises(ConfigError, match=r"^code\.degree: the function is no polynomial of deg"):
        mpicode.run(small({"name": "lagrange", "n_blocks": 3}))


def test_a_loss_that_is_no_polynomial_is_found_out(small, monkeypatch):
    def rounded(self, z, y, weights):
        return losses.SQUARED.residual(z, y, weights) ** 0.5

    monkeypatch.setattr(LeastSquares, "_residual", rounded)
    with pytest.raises(ConfigError, match=r"^code\.degree: the function is no polynomial of deg"):
        mpicode.run(small({"name": "lagrange", "n_blocks": 3}))


class Cubic(LeastSquares):
    """Slope ``z^2 - y``: its gradient is of degree 3 in the rows."""

    name = "cubic"
    degree = 3

    def slope(self, z, y):
        return z * z - y

    def _residual(self, z, y, weights):
        loss = weights @ (z**3 / 3 - y * z)
        z[...] = weights * (z * z - y)
        return loss.item()


@pytest.mark.parametrize("points", ["roots-of-unity", "chebyshev"])
def test_a_problem_may_declare_any_degree_such_as_a_cubic_one(small, regression, points):
    """K = 3: the answers are values of a polynomial of degree 6, so that 7 of them decode."""
    code = {"name": "lagrange", "n_blocks": 3, "degree": 3, "points": points, "n_stragglers": 2}
    change = {
        "problem": {"name": f"{__name__}:Cubic", "intercept": False},
        "run": {"iterations": 9},
    }
    result = mpicode.run(small(code, **change))
    assert result.error is None
    assert (result.history["n_arrived"] == 7).all()
    X, y = regression[1:]
    x = np.zeros(D)
    for _ in range(9):
        x -= STEP * X.T @ ((X @ x) ** 2 - y) / N
    np.testing.assert_allclose(result.parameters, x, rtol=1e-8)
    with pytest.raises(ConfigError, match=r"^code\.degree: 2, but the gradient of .* degree 3$"):
        mpicode.run(small({**code, "degree": 2}, **change))


@pytest.mark.parametrize("prime", [None, PRIME], ids=["floats", "field"])
def test_a_run_goes_on_where_it_was(small, tmp_path, prime):
    def job(name, iterations):
        code = {"name": "lagrange", "n_blocks": 2, **({"prime": prime} if prime else {})}
        return small(
            code,
            problem={"intercept": False},
            run={"iterations": iterations, "batch_size": 40},
            output={"path": str(tmp_path / name)},
        )

    whole = mpicode.run(job("whole.h5", 12))
    mpicode.run(job("parts.h5", 7))
    parts = mpicode.run(job("parts.h5", 12), resume=True)
    assert parts.n_iterations == 12
    np.testing.assert_array_equal(parts.parameters, whole.parameters)
    np.testing.assert_array_equal(parts.history["started"], whole.history["started"])
