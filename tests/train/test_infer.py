"""Inference over workers of a data code: values, their estimated error, and what is refused."""

import itertools
from fractions import Fraction

import h5py
import numpy as np
import pytest

import mpicode
from mpicode import codes, problems
from mpicode.codes.data.field import masks, quantise
from mpicode.config import Field
from mpicode.datasets.encode import encode_dataset
from mpicode.datasets.mixing import Field as Written
from mpicode.errors import ConfigError, GaveUp, NotDecodable
from mpicode.seal import is_sealed

N, D = 101, 4
HERE = __name__
PRIME = 2**61 - 1


def quadratic(X):
    return np.stack([X[:, 0] * X[:, 1], X.sum(axis=1)], axis=1)


def one_number(X):
    return X[:, 0] ** 2


def gram(X):
    return X.T @ X


def mixed(X):
    """Of degrees 0, 1 and 2, with constants that are no whole numbers."""
    return (X @ np.array([0.3, -1.0, 2.0, 0.7])) ** 2 - X[:, 1] / 3 + 0.1


def clipped(X):
    return np.clip(X, -100.0, 100.0)


def forgetful(X):
    return np.ones((len(X), 2))


class NotLinear(problems.PROBLEMS["mlp"]):
    name = "not-linear"


def cubic(X):
    return X**3


def of_the_batch(X):
    return X - X.mean(axis=0)


def never_twice(X):
    return X + np.random.default_rng().standard_normal(X.shape)


def failing(X):
    raise ValueError("no such rows")


def ragged(X):
    return np.zeros(2)


@pytest.fixture
def rows(write_data):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((N, D))
    y = np.clip(np.rint(X[:, 0] + 1), 0, 2).astype(np.int64)
    return write_data(X, y), X, y


@pytest.fixture
def small(rows):
    """Tables for an inference on 10 workers; hand over what differs."""

    def make(infer, code=None, **changes):
        return {
            "data": {"path": rows[0]},
            "code": code or {"name": "lagrange", "n_blocks": 3, "n_stragglers": 2},
            "run": {"n_workers": 10},
            "infer": infer,
            "delays": {"name": "bernoulli", "probability": 0.2, "seconds": 0.1},
            **changes,
        }

    return make


@pytest.mark.parametrize("batch_size", [None, 3, 30])
@pytest.mark.parametrize("points", ["roots-of-unity", "chebyshev"])
def test_a_polynomial_of_each_row_is_exact_and_in_the_rows_order(small, rows, points, batch_size):
    infer = {"function": f"{HERE}:quadratic"}
    if batch_size is not None:
        infer["batch_size"] = batch_size
    code = {"name": "lagrange", "n_blocks": 3, "n_stragglers": 2, "points": points}
    result = mpicode.infer(small(infer, code))
    wanted = quadratic(rows[1])
    np.testing.assert_allclose(result.values, wanted, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(result.total, wanted.sum(axis=0), rtol=1e-9)
    assert result.error.shape == (N,)
    assert (abs(result.values - wanted).max(axis=1) <= 100 * result.error).all()
    assert result.arrived.shape == (-(-34 // ((batch_size or 999) // 3)), 10)
    assert (result.arrived.sum(axis=1) == 5).all()
    assert result.training == 0.0
    assert result.notes == ["101 rows do not fill 3 blocks of 34: 1 places hold none"]


def test_a_function_of_one_number_per_row(small, rows):
    result = mpicode.infer(small({"function": f"{HERE}:one_number"}))
    np.testing.assert_allclose(result.values[:, 0], rows[1][:, 0] ** 2, rtol=1e-9, atol=1e-10)


def test_a_function_of_whole_blocks_and_its_sum(small, rows):
    result = mpicode.infer(small({"function": f"{HERE}:gram", "per": "block"}))
    X = rows[1]
    np.testing.assert_allclose(
        result.values, [X[block::3].T @ X[block::3] for block in range(3)], rtol=1e-9, atol=1e-9
    )
    np.testing.assert_allclose(result.total, X.T @ X, rtol=1e-9)
    assert result.error.shape == (3,)


def test_a_liar_is_found_out(small, rows):
    code = {"name": "lagrange", "n_blocks": 2, "n_corrupt": 1, "n_stragglers": 1}
    lie = [{"kind": "lie", "worker": 6, "iteration": 0, "iterations": 9}]
    tables = small({"function": f"{HERE}:quadratic", "batch_size": 20}, code)
    result = mpicode.infer({**tables, "faults": {"inject": lie}})
    np.testing.assert_allclose(result.values, quadratic(rows[1]), rtol=1e-9, atol=1e-9)
    assert set(np.flatnonzero(result.corrupt.any(axis=0))) <= {6}
    assert not (result.corrupt & result.arrived).any()
    if result.corrupt.any():
        assert "worker 6: corrupt: its answer is not what the others say" in result.notes


@pytest.fixture
def trained(small, rows, tmp_path):
    """Train a small network without codes; return its run file and its parameters."""
    path = tmp_path / "trained.h5"
    result = mpicode.run(
        {
            "data": {"path": rows[0]},
            "problem": {"name": "mlp", "hidden": [6]},
            "optimizer": {"name": "adam", "step_size": 0.05},
            "run": {"n_workers": 2, "iterations": 60},
            "output": {"path": str(path)},
        }
    )
    return str(path), result.parameters


@pytest.mark.parametrize("order", ["none", "path"])
@pytest.mark.parametrize("name", ["berrut", "letcc"])
def test_a_network_from_a_run_file(small, rows, trained, tmp_path, name, order):
    path, X, y = rows
    code = {"name": name, "n_blocks": 5, "n_stragglers": 4}
    data = {"path": path}
    if order != "none":
        made = codes.make(name, n_workers=25, n_blocks=5, n_stragglers=4)
        encode_dataset(path, tmp_path / "coded", made, {"n_blocks": 5}, order=order)
        data["coded"] = str(tmp_path / "coded")
    out = tmp_path / "out.h5"
    result = mpicode.infer(
        small(
            {"parameters": trained[0], "check": 1.0, "batch_size": 50},
            code,
            data=data,
            problem={"name": "mlp", "hidden": [6]},
            run={"n_workers": 25},
            output={"path": str(out)},
        )
    )
    problem = problems.make("mlp", {"hidden": (6,)}, n_features=D, n_classes=3, task="multiclass")
    wanted = problem.outputs(trained[1], X)
    apart = result.values - wanted
    found = result.comparison
    assert found["checked"] == N
    assert found["deviation"] == pytest.approx(np.sqrt(np.mean(apart**2)))
    agree = np.mean(result.values.argmax(axis=1) == wanted.argmax(axis=1))
    assert found["agreement"] == pytest.approx(agree)
    assert agree > 0.8
    assert found["accuracy"] == pytest.approx(np.mean(result.values.argmax(axis=1) == y))
    # the estimate errs on the safe side, but not by orders of magnitude
    error = np.mean(np.sum(apart**2, axis=1))
    assert error / 4 < result.generalization < 100 * error
    with h5py.File(out) as file:
        assert np.array_equal(file["values"][:], result.values)
        assert np.array_equal(file["rounds/arrived"][:], result.arrived)
        assert np.array_equal(file["rounds/lebesgue"][:], result.lebesgue)
        assert file.attrs["agreement"] == found["agreement"]
        assert file.attrs["generalization"] == result.generalization
    assert is_sealed(out)


def test_the_training_term_is_the_encoders_distance_from_the_rows(small, rows):
    code = {"name": "letcc", "n_blocks": 3, "encoder_smoothing": 0.01}
    result = mpicode.infer(small({"function": f"{HERE}:quadratic"}, code))
    made = codes.make("letcc", n_workers=10, n_blocks=3, encoder_smoothing=0.01)
    groups = rows[1][: 33 * 3].reshape(33, 3, D)
    apart = np.einsum("jk,skd->sjd", made.encoded, groups) - groups
    assert result.training == pytest.approx(np.sum(apart**2) / 99, rel=1e-12)


def test_lost_workers_are_told_and_the_rest_is_enough(small, rows):
    dead = [{"kind": "kill", "worker": w, "iteration": w % 3} for w in range(5)]
    tables = small({"function": f"{HERE}:quadratic", "batch_size": 9}, faults={"inject": dead})
    result = mpicode.infer(tables)
    np.testing.assert_allclose(result.values, quadratic(rows[1]), rtol=1e-8, atol=1e-8)
    assert any(note.startswith("worker 2: lost: ") for note in result.notes)
    tables["faults"]["inject"].append({"kind": "kill", "worker": 9, "iteration": 4})
    with pytest.raises(NotDecodable, match=r"^iteration 4: 4 of 10 answers arrived, 'lagrange' wa"):
        mpicode.infer(tables)


def test_an_interrupted_inference_gives_up(small):
    asked = itertools.count()
    tables = small({"function": f"{HERE}:quadratic", "batch_size": 3})
    with pytest.raises(GaveUp, match=r"^interrupted by a signal$"):
        mpicode.infer(tables, interrupted=lambda: next(asked) > 100)


@pytest.mark.parametrize(
    ("infer", "changes", "text"),
    [
        ({"function": "cubic"}, {}, r"^code\.degree: the function is no polynomial of degree 2"),
        ({"function": "of_the_batch"}, {}, r"^infer\.function: .* other numbers for rows that st"),
        ({"function": "never_twice"}, {}, r"^infer\.function: .* other numbers a second time"),
        ({"function": "failing"}, {}, r"fails on rows \(3, 4\) with ValueError: no such rows$"),
        ({"function": "ragged"}, {}, r"gives shape \(2,\) for 3 rows, wants \(3,\) or \(3, n_ou"),
        ({"function": "nobody"}, {}, r"^infer\.function: module .* has no 'nobody'$"),
        ({}, {}, r"^infer\.function: missing, and there is no table \[problem\] either$"),
        ({}, {"problem": {"name": "softmax"}}, r"^code\.points: the coded rows are complex"),
        ({"function": "gram", "batch_size": 2}, {}, r"infer\.function|infer\.batch_size: 2 rows"),
        ({"function": "quadratic", "batch_size": 2}, {}, r"^infer\.batch_size: 2 rows, but there"),
        ({"function": "quadratic", "parameters": "x.h5"}, {}, r"^infer\.parameters: are the prob"),
        ({"per": "block"}, {}, r"^infer\.per: 'block' wants a function"),
        ({"check": 1.5}, {}, r"^infer\.check: must be at least 0 and below"),
        (
            {"function": "quadratic"},
            {"code": {"name": "cyclic"}},
            r"^code\.name: 'cyclic' serves gradient requests, `infer` wants 'map'; one of: berrut",
        ),
        (
            {"function": "quadratic"},
            {"code": {"name": "lagrange", "prime": 65537}},
            r"^code\.prime: a field of 17 bits is too small, the function needs \d\d with data",
        ),
        (
            {"function": "clipped"},
            {"code": {"name": "lagrange", "prime": PRIME, "degree": 1}},
            r"^infer\.function: .*clipped' fails on residues with TypeError: .*; over a field a f",
        ),
        (
            {"function": "forgetful"},
            {"code": {"name": "lagrange", "prime": PRIME}},
            r"^infer\.function: .* gives ndarray for residues, wants what \+ - \* / \*\* and @",
        ),
        (
            {"function": "cubic"},
            {"code": {"name": "lagrange", "prime": PRIME}},
            r"^code\.degree: the function is no polynomial of degree 2",
        ),
        (
            {},
            {
                "code": {"name": "lagrange", "prime": PRIME},
                "problem": {"name": f"{HERE}:NotLinear", "hidden": []},
            },
            r"^problem\.name: over a field the outputs of linear models are computed, got 'not-lin",
        ),
        (
            {"function": "quadratic"},
            {"code": {"name": "berrut", "n_colluding": 1}},
            r"^data\.coded: missing; 'berrut' with n_colluding = 1 hides the rows",
        ),
    ],
)
def test_what_cannot_be_is_refused(small, infer, changes, text):
    if "function" in infer:
        infer = {**infer, "function": f"{HERE}:{infer['function']}"}
    with pytest.raises(ConfigError, match=text):
        mpicode.infer({**small(infer), **changes})


def test_parameters_of_another_model_are_refused(small, trained):
    tables = small(
        {"parameters": trained[0]},
        {"name": "letcc", "n_blocks": 3},
        problem={"name": "mlp", "hidden": [7]},
    )
    with pytest.raises(ConfigError, match=r"has 51, 'mlp' on this data has 59$"):
        mpicode.infer(tables)


FIELD = {"data_bits": 9, "parameter_bits": 11}


def rounded(values, bits):
    """In exact arithmetic."""
    whole = np.rint(np.ldexp(np.asarray(values, dtype=float), bits)).astype(int)
    exact = np.empty(whole.shape, dtype=object)
    exact.flat = [Fraction(int(number), 2**bits) for number in whole.flat]
    return exact


def exact_mixed(X):
    weights = rounded([0.3, -1.0, 2.0, 0.7], 11)
    return (X @ weights) ** 2 - X[:, 1] * rounded(1 / 3, 11)[()] + rounded(0.1, 11)[()]


@pytest.mark.parametrize("coded", [False, True], ids=["combined", "files, T = 1"])
@pytest.mark.parametrize(
    ("name", "wanted"), [("quadratic", quadratic), ("mixed", exact_mixed), ("one_number", None)]
)
def test_over_a_field_a_map_is_that_of_the_rounded_rows_exactly(
    small, rows, tmp_path, name, wanted, coded
):
    """With a liar, and masks where there are files: (S, A) = (1, 1)."""
    path, X, _ = rows
    code = {"name": "lagrange", "n_blocks": 2, "n_corrupt": 1, "prime": PRIME, "degree": 2}
    data = {"path": path}
    if coded:
        code["n_colluding"] = 1
        parameters = {key: value for key, value in code.items() if key != "name"}
        made = codes.make("lagrange", n_workers=10, **parameters)
        field = Written(PRIME, 9, 9 + 11, quantise, masks)
        encode_dataset(path, tmp_path / "coded", made, parameters, order="none", field=field)
        data["coded"] = str(tmp_path / "coded")
    lie = [{"kind": "lie", "worker": 6, "iteration": 0, "iterations": 9}]
    tables = small(
        {"function": f"{HERE}:{name}", "batch_size": 20, "check": 1.0},
        code,
        data=data,
        faults={"inject": lie},
        delays={"name": "none"},
        decoding={"n_answers": 9},
    )
    if not coded:
        tables["field"] = FIELD  # of files their own counts
    result = mpicode.infer(tables)
    exact = rounded(X, 9)
    expected = exact[:, 0] ** 2 if wanted is None else wanted(exact)
    expected = np.asarray(expected, dtype=object).reshape(N, -1)
    assert [Fraction(value) for value in result.values.flat] == list(expected.flat)
    assert np.flatnonzero(result.corrupt.any(axis=0)).tolist() == [6]
    assert not (result.corrupt & result.arrived).any()
    assert np.isnan(result.lebesgue).all()
    # what rounding does to a row is bounded
    plain = {"quadratic": quadratic, "mixed": mixed, "one_number": one_number}[name]
    off = result.values - plain(X).reshape(N, -1)
    assert (np.sqrt(np.mean(off**2, axis=1)) <= result.error).all()
    assert result.comparison["deviation"] == pytest.approx(np.sqrt(np.mean(off**2)))
    assert 0 < result.comparison["deviation"] < 0.05


def test_over_a_field_it_takes_whole_blocks_and_small_primes(small, rows):
    """A field of 31 bits is enough for 5 bits of fraction."""
    code = {"name": "lagrange", "n_blocks": 3, "n_stragglers": 2, "prime": 2**31 - 1}
    infer = {"function": f"{HERE}:gram", "per": "block"}
    result = mpicode.infer(small(infer, code, field={"data_bits": 5}))
    X = np.ldexp(np.rint(np.ldexp(rows[1], 5)), -5)
    wanted = [X[block::3].T @ X[block::3] for block in range(3)]
    np.testing.assert_array_equal(result.values, wanted)
    np.testing.assert_array_equal(result.total, X.T @ X)
    with pytest.raises(ConfigError, match=r"^code\.prime: a field of 31 bits is too small, the fu"):
        mpicode.infer(small(infer, code, field={"data_bits": 14}))


@pytest.mark.parametrize("intercept", [False, True])
def test_over_a_field_a_trained_linear_model_tells_exactly_what_it_tells(
    small, rows, tmp_path, intercept
):
    path = tmp_path / "trained.h5"
    problem = {"name": "softmax", "intercept": intercept}
    trained = mpicode.run(
        {
            "data": {"path": rows[0]},
            "problem": problem,
            "optimizer": {"name": "gradient-descent", "step_size": 0.5},
            "run": {"n_workers": 2, "iterations": 60},
            "output": {"path": str(path)},
        }
    )
    code = {"name": "lagrange", "n_blocks": 3, "degree": 1, "n_colluding": 0, "prime": PRIME}
    tables = small({"parameters": str(path)}, code, problem=problem, field=FIELD)
    result = mpicode.infer(tables)
    x = trained.parameters
    W = rounded(x[: 3 * D].reshape(D, 3), 11)
    wanted = rounded(rows[1], 9) @ W + (rounded(x[3 * D :], 11) if intercept else 0)
    assert [Fraction(value) for value in result.values.flat] == list(wanted.flat)
    assert result.comparison["accuracy"] > 0.6


def bumps(block):
    return np.tanh(block @ block.T)


def blocks_of(n, seed=0):
    """Blocks along a smooth curve."""
    rng = np.random.default_rng(seed)
    directions = rng.standard_normal((2, 2, 3))
    return [np.cos(t) * directions[0] + np.sin(t) * directions[1] for t in np.linspace(0, 1, n)]


@pytest.mark.parametrize("name", ["berrut", "letcc"])
def test_a_function_of_ones_own_blocks(name):
    code = codes.make(name, n_workers=24, n_blocks=4, n_stragglers=3)
    blocks = blocks_of(4)
    result = mpicode.infer(bumps, blocks=blocks, code=code)
    wanted = np.array([bumps(block) for block in blocks])
    assert result.values.shape == (4, 2, 2)
    assert abs(result.values - wanted).max() < (0.05 if name == "berrut" else 0.005)
    assert result.error.shape == (4,)
    np.testing.assert_array_equal(result.total, result.values.sum(axis=0))
    assert result.arrived.sum() == 21
    assert result.notes == []


def test_blocks_of_unequal_shape_are_filled_up_and_that_is_said():
    code = codes.make("lagrange", n_workers=9, n_blocks=3)
    blocks = [np.ones((2, 3)), np.ones((1, 3)), 2 * np.ones((2, 2))]
    result = mpicode.infer(gram, blocks=blocks, code=code)
    np.testing.assert_allclose(result.values[1], np.ones((3, 3)), atol=1e-12)
    assert result.values[2][2, 2] == pytest.approx(0.0, abs=1e-12)
    assert result.notes == ["blocks [1, 2] are filled up with zeros to (2, 3)"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"blocks": None}, r"^infer: a function wants blocks and code with it$"),
        ({"blocks": [np.ones(2)] * 3}, r"^infer: 3 blocks, but 'letcc' has 4$"),
        ({"blocks": [np.ones(2)] * 3 + [np.ones((2, 2))]}, r"^infer: block 3 has 2 dimensions"),
        ({"blocks": [np.ones(2)] * 3 + [["a", "b"]]}, r"^infer: block 3 is <U1, wants real num"),
    ],
)
def test_blocks_that_cannot_be_are_refused(arguments, text):
    code = codes.make("letcc", n_workers=8, n_blocks=4)
    with pytest.raises(ConfigError, match=text):
        mpicode.infer(bumps, **{"blocks": blocks_of(4), "code": code, **arguments})


@pytest.mark.parametrize("name", ["berrut", "letcc"])
def test_answers_are_decoded_anew_as_they_come_until_the_error_is_small_enough(name):
    code = codes.make(name, n_workers=60, n_blocks=4, n_stragglers=0)
    found = {
        target: mpicode.infer(bumps, blocks=blocks_of(4), code=code, target_error=target)
        for target in (0.1, 0.01, 0.001, 0.0)
    }
    used = [result.arrived.sum() for result in found.values()]
    assert used == sorted(used)
    assert 4 <= used[0] < used[1] < used[3] == 60  # of 0 it falls short, with all there are
    wanted = np.array([bumps(block) for block in blocks_of(4)])
    blocks = np.array(blocks_of(4))
    answers = np.array([bumps(np.tensordot(row, blocks, axes=1)).ravel() for row in code.storage])
    for target, result in list(found.items())[:2]:
        assert np.sqrt(np.mean(result.error**2)) <= target
        assert np.sqrt(np.mean((result.values - wanted) ** 2)) < 2 * target
        # the values are what these answers say
        values = code.decode(answers, result.arrived[0]).values
        np.testing.assert_allclose(result.values.reshape(4, -1), values, rtol=1e-12)


def test_an_exact_code_has_no_error_to_aim_at(small):
    with pytest.raises(ConfigError, match=r"^infer\.target_error: 0\.1, but 'lagrange' is exact, "):
        mpicode.infer(small({"function": f"{HERE}:quadratic", "target_error": 0.1}))


def test_each_round_has_an_error_to_aim_at(small):
    infer = {"function": f"{HERE}:quadratic", "batch_size": 30}
    code = {"name": "letcc", "n_blocks": 2, "n_stragglers": 0}
    loose = mpicode.infer(small({**infer, "target_error": 1e3}, code))
    tight = mpicode.infer(small({**infer, "target_error": 1e-9}, code))
    assert (loose.arrived.sum(axis=1) < tight.arrived.sum(axis=1)).all()
    assert (tight.arrived.sum(axis=1) == 10).all()


@pytest.mark.parametrize("prime", [2**31 - 1, PRIME])
def test_over_a_field_a_function_of_ones_own_blocks_is_exact(prime):
    code = codes.make("lagrange", n_workers=10, n_blocks=4, n_corrupt=1, prime=prime)
    rng = np.random.default_rng(3)
    blocks = [rng.uniform(-2, 2, (5, 3)) for _ in range(4)]
    result = mpicode.infer(gram, blocks=blocks, code=code, field=Field(data_bits=7))
    near = np.ldexp(np.rint(np.ldexp(blocks, 7)), -7)
    np.testing.assert_array_equal(result.values, [gram(block) for block in near])
    off = result.values - [gram(block) for block in blocks]
    assert (np.sqrt(np.mean(off**2, axis=(1, 2))) <= result.error).all()
    assert result.arrived.sum() == 9
    with pytest.raises(
        ConfigError, match=r"^code\.degree: the function is no polynomial of degree"
    ):
        mpicode.infer(cubic, blocks=blocks, code=code)
    with pytest.raises(
        ConfigError, match=r"^code\.prime: a field of .* is too small, the function"
    ):
        mpicode.infer(gram, blocks=blocks, code=code, field=Field(data_bits=30))
    plain = codes.make("lagrange", n_workers=10, n_blocks=4)
    with pytest.raises(ConfigError, match=r"^infer: field goes with a code that has a prime, 'lag"):
        mpicode.infer(gram, blocks=blocks, code=plain, field=Field())


def test_a_function_that_draws_is_refused():
    code = codes.make("letcc", n_workers=8, n_blocks=4)
    with pytest.raises(
        ConfigError, match=r"^infer: 'never_twice' gives other numbers a second time"
    ):
        mpicode.infer(never_twice, blocks=blocks_of(4), code=code)


def network():
    """Statistics of its own, which are not those of a new module."""
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Linear(3, 6), torch.nn.BatchNorm1d(6), torch.nn.Tanh(), torch.nn.Linear(6, 2)
    )
    for _ in range(20):
        module(2 * torch.randn(50, 3) + 1)
    return module


def test_a_module_of_pytorch_is_a_function_too():
    torch = pytest.importorskip("torch")
    module = network().eval()
    blocks = [np.asarray(block, np.float32) for block in blocks_of(4)]
    code = codes.make("letcc", n_workers=40, n_blocks=4, n_stragglers=3)
    result = mpicode.infer(module, blocks=blocks, code=code)
    with torch.no_grad():
        wanted = np.array([module(torch.from_numpy(block)).numpy() for block in blocks])
    assert result.values.shape == (4, 2, 2)
    assert abs(result.values - wanted).max() < 1e-3
    with pytest.raises(ConfigError, match=r"code\.points: the coded blocks are complex, which mod"):
        mpicode.infer(module, blocks=blocks, code=codes.make("lagrange", n_workers=9, n_blocks=4))


def test_a_module_in_training_mode_is_refused_with_the_reason(small):
    code = codes.make("letcc", n_workers=40, n_blocks=4)
    text = "the module is in training mode, in which batch normalisation looks at the rows beside"
    with pytest.raises(ConfigError, match="^infer: " + text):
        mpicode.infer(network(), blocks=blocks_of(4), code=code)
    part = network().eval()
    part[1].train()
    with pytest.raises(ConfigError, match="^infer: " + text):
        mpicode.infer(part, blocks=blocks_of(4), code=code)
    globals()["in_training"] = network()
    with pytest.raises(ConfigError, match=r"^infer\.function: " + text):
        mpicode.infer(small({"function": f"{HERE}:in_training"}, {"name": "letcc"}))


def test_a_configuration_has_its_own_code(small):
    with pytest.raises(
        ConfigError, match=r"^infer: blocks, code, deadline, target_error, field go w"
    ):
        mpicode.infer(small({"function": f"{HERE}:quadratic"}), deadline=1.0)
