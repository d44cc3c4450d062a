"""Codes over the data under MPI: dead, stopped and lying workers at once, and bytes on the wire."""

import h5py
import numpy as np
import pytest

import mpicode
from mpicode import codes
from mpicode.codes.data.field import masks, quantise
from mpicode.datasets.encode import encode_dataset
from mpicode.datasets.mixing import Field
from mpicode.results import read_run

N, D, STEP, ITERATIONS = 60, 4, 0.3, 200
PRIME, DATA_BITS, PARAMETER_BITS = 2**61 - 1, 12, 14


@pytest.fixture
def regression(write_data):
    rng = np.random.default_rng(5)
    X = rng.standard_normal((N, D))
    y = X @ np.arange(1.0, D + 1) + 0.1 * rng.standard_normal(N)
    return write_data(X, y), X, y


def integers(X, y):
    """Gradient descent on rounded numbers, every sum in Python's integers."""
    rows = [[round(v * 2**DATA_BITS) for v in row] for row in X.tolist()]
    labels = [round(v * 2 ** (DATA_BITS + PARAMETER_BITS)) for v in y.tolist()]
    w = np.zeros(X.shape[1])
    for _ in range(ITERATIONS):
        whole = [round(v * 2**PARAMETER_BITS) for v in w.tolist()]
        total = [0] * len(whole)
        for row, label in zip(rows, labels, strict=True):
            residual = sum(a * b for a, b in zip(row, whole, strict=True)) - label
            total = [t + residual * a for t, a in zip(total, row, strict=True)]
        w -= STEP * (np.ldexp(np.array(total, float), -2 * DATA_BITS - PARAMETER_BITS) * (1 / N))
    return w


def test_resilience_security_and_privacy_at_once(run, config, regression, tmp_path):
    """K = 2, degree 2, (S, A, T) = (2, 1, 1): one killed, one stopped, one that lies all along."""
    path, X, y = regression
    code = {"n_blocks": 2, "degree": 2, "n_stragglers": 2, "n_corrupt": 1, "n_colluding": 1}
    made = codes.make("lagrange", n_workers=9, prime=PRIME, **code)
    assert made.threshold("gradient") == 7
    field = Field(PRIME, DATA_BITS, DATA_BITS + PARAMETER_BITS, quantise, masks)
    folder = tmp_path / "coded"
    encode_dataset(path, folder, made, {**code, "prime": PRIME, "seed": 0}, field=field)
    job = run(
        config(
            data={"path": path, "coded": str(folder)},
            problem={"name": "least-squares", "intercept": False, "l2": 0.0},
            code={"name": "lagrange", "prime": PRIME, **code},
            optimizer={"step_size": STEP},
            run={"n_workers": 9, "iterations": ITERATIONS, "evaluate_every": 100},
            faults={
                "inject": [
                    {"kind": "kill", "worker": 2, "iteration": 20},
                    {"kind": "stop", "worker": 5, "iteration": 40, "seconds": 600.0},
                    {"kind": "lie", "worker": 7, "iteration": 0, "iterations": ITERATIONS},
                ]
            },
        )
    )
    ended = job.wait()
    assert ended.code == 0, ended.err
    found = read_run(tmp_path / "run.h5")
    assert np.array_equal(found.parameters, integers(X, y))
    assert found.n_iterations == ITERATIONS
    corrupt, arrived = found.workers["corrupt"], found.workers["arrived"]
    assert set(np.flatnonzero(corrupt.any(axis=0))) == {7}
    assert not arrived[:, 7].any()
    assert not arrived[20:, 2].any()
    assert not arrived[40:, 5].any()
    # from then on the seven answers there are, one of them the lie, are what is needed
    assert (arrived[41:].sum(axis=1) == 6).all()
    assert corrupt[41:, 7].all()
    kinds = [(event["kind"], event["worker"]) for event in found.events]
    assert ("corrupt", 7) in kinds
    assert ("lost", 2) in kinds
    told = [event["detail"] for event in found.events if event["kind"] == "not restored"]
    assert told == [
        "'lagrange' is not made anew, a lost worker stays a straggler: 8 of 9 workers left, "
        "7 answers decode, A = 1 as before, T = 1 as before"
    ]


CODED = {"name": "letcc", "n_blocks": 3, "n_stragglers": 2}


def test_with_one_set_of_answers_mpi_gives_the_bits_of_one_process(run, config, tmp_path):
    """Two workers die before the first iteration, so that the others are the set."""
    dead = [{"kind": "kill", "worker": w, "iteration": 0} for w in (1, 4)]
    changes = {
        "code": CODED,
        "run": {"n_workers": 8, "iterations": 10},
        "optimizer": {"step_size": 0.02},
        "faults": {"inject": dead},
    }
    assert run(config("mpi", **changes)).wait().code == 0
    result = mpicode.run(config("virtual", **changes))
    found = read_run(tmp_path / "mpi.h5")
    here = read_run(tmp_path / "virtual.h5").workers["arrived"]
    assert np.array_equal(found.workers["arrived"], here)
    assert np.flatnonzero(~here.any(axis=0)).tolist() == [1, 4]
    assert np.array_equal(found.parameters, result.parameters)


def test_all_but_two_may_die(run, config, tmp_path):
    dead = [{"kind": "kill", "worker": w, "iteration": 2 + w} for w in range(4)]
    ended = run(
        config(
            code={"name": "letcc", "n_blocks": 2, "n_stragglers": 2},
            run={"n_workers": 6, "iterations": 20},
            optimizer={"step_size": 0.02},
            faults={"inject": dead},
        )
    ).wait()
    assert ended.code == 0, ended.err
    found = read_run(tmp_path / "run.h5")
    assert found.n_iterations == 20
    assert np.isfinite(found.parameters).all()
    assert found.workers["arrived"][-1].tolist() == [False] * 4 + [True] * 2


def test_a_late_answer_never_enters_the_next_iteration(run, config, tmp_path):
    """The code is exact for K = 1: any answer of another iteration would show in the gradient."""
    late = {"name": "bernoulli", "probability": 0.4, "seconds": 0.02}
    changes = {
        "code": {"name": "letcc", "n_blocks": 1, "n_stragglers": 3},
        "run": {"n_workers": 5, "iterations": 30},
        "optimizer": {"step_size": 0.1},
    }
    assert run(config("late", **changes, delays=late)).wait().code == 0
    found = read_run(tmp_path / "late.h5")
    assert (found.iterations["n_stale"] + found.iterations["n_withdrawn"]).sum() > 0
    plain = mpicode.run(config("plain", **{**changes, "code": {"name": "uncoded"}}))
    np.testing.assert_allclose(found.parameters, plain.parameters, rtol=1e-10, atol=1e-13)


def test_what_crosses_the_wire_is_the_parameters_there_and_a_gradient_back(run, config, tmp_path):
    """Data-codes table: P numbers to each worker, P from each, and 72 bytes around each message.

    The number behind the gradient is the loss; nothing else crosses in an iteration.
    """
    changes = {"code": {**CODED, "n_stragglers": 0}, "run": {"n_workers": 4, "iterations": 5}}
    assert run(config(**changes)).wait().code == 0
    found = read_run(tmp_path / "run.h5")
    n, n_workers = found.parameters.size, 4
    # the first tells each worker the number of its message, too
    assert (found.iterations["bytes_sent"][1:] == n_workers * (72 + 8 * n)).all()
    assert (found.iterations["bytes_received"] == n_workers * (72 + 8 * (n + 1))).all()


def test_infer_over_mpi_gives_the_bits_of_one_process(start, config, tmp_path):
    dead = [{"kind": "kill", "worker": w, "iteration": 0} for w in (0, 3)]
    changes = {
        "problem": {"name": "mlp", "hidden": [5], "l2": 0.0},
        "optimizer": None,
        "code": CODED,
        "run": {"n_workers": 8},
        "infer": {"batch_size": 500},
        "faults": {"inject": dead},
    }
    made = config("there", **changes)
    ended = start("-m", "mpicode", "infer", made).wait()
    assert ended.code == 0, ended.err
    wanted = mpicode.infer(config("here", **changes))
    with h5py.File(tmp_path / "there.h5") as file:
        assert np.array_equal(file["rounds/arrived"][:], wanted.arrived)
        assert np.array_equal(file["values"][:], wanted.values)
        assert np.array_equal(file["error"][:], wanted.error)


def test_infer_over_a_field_finds_a_liar_and_misses_nobody_who_dies(
    start, config, write_data, tmp_path
):
    """(S, A, T) = (2, 1, 1): rows of whole numbers, so that nothing at all is rounded."""
    rng = np.random.default_rng(6)
    X = rng.integers(-50, 50, (N, D)).astype(float)
    (tmp_path / "own.py").write_text(
        "import numpy as np\n"
        "def f(X):\n"
        "    return np.stack([X[:, 0] * X[:, 1] - 3, X.sum(axis=1) ** 2], axis=1)\n"
    )
    code = {"n_blocks": 2, "degree": 2, "n_stragglers": 2, "n_corrupt": 1, "n_colluding": 1}
    made = codes.make("lagrange", n_workers=9, prime=PRIME, **code)
    path = write_data(X, X[:, 0])
    encode_dataset(
        path, tmp_path / "coded", made, {**code, "prime": PRIME, "seed": 0},
        field=Field(PRIME, 0, 0, quantise, masks), order="none",
    )  # fmt: skip
    job = config(
        data={"path": path, "coded": str(tmp_path / "coded")},
        problem=None,
        optimizer=None,
        code={"name": "lagrange", "prime": PRIME, **code},
        run={"n_workers": 9},
        infer={"function": "own:f", "batch_size": 20},
        faults={
            "inject": [
                {"kind": "kill", "worker": 2, "iteration": 1},
                {"kind": "kill", "worker": 3, "iteration": 0},
                {"kind": "lie", "worker": 7, "iteration": 0, "iterations": 3},
            ]
        },
    )
    ended = start("-m", "mpicode", "infer", job).wait()
    assert ended.code == 0, ended.err
    with h5py.File(tmp_path / "run.h5") as file:
        wanted = np.stack([X[:, 0] * X[:, 1] - 3, X.sum(axis=1) ** 2], axis=1)
        assert np.array_equal(file["values"][:], wanted)
        assert not file["error"][:].any()
        corrupt, arrived = file["rounds/corrupt"][:], file["rounds/arrived"][:]
    assert set(np.flatnonzero(corrupt.any(axis=0))) == {7}
    assert not arrived[:, [3, 7]].any()


def test_infer_gives_up_by_its_deadline_when_too_few_answer(start, config, tmp_path):
    slow = {"name": "fixed", "slow_workers": [0, 1, 2, 3], "seconds": 5.0}
    made = config(
        problem={"name": "softmax", "l2": 0.0},
        optimizer=None,
        code={"name": "lagrange", "n_blocks": 2, "degree": 1, "points": "chebyshev"},
        run={"n_workers": 5},
        delays=slow,
        decoding={"deadline": 1.0},
        infer={},
    )
    ended = start("-m", "mpicode", "infer", made).wait()
    assert ended.code == 4, ended.err
    assert ended.errors == [
        "mpicode: error: iteration 0: 1 of 5 answers arrived by the deadline of 1 s, "
        "'lagrange' wants 2"
    ]
    assert not (tmp_path / "run.h5").exists()


def test_an_exception_in_the_function_ends_every_rank(start, config, tmp_path):
    (tmp_path / "own.py").write_text(
        "import numpy as np\n"
        "def f(X):\n"
        "    if len(X) > 3: raise ValueError('no such rows')\n"
        "    return X\n"
    )
    made = config(
        problem=None,
        optimizer=None,
        code=CODED,
        run={"n_workers": 4},
        infer={"function": "own:f"},
    )
    ended = start("-m", "mpicode", "infer", made).wait()
    assert ended.code == 1
    assert "no such rows" in ended.err
    assert any(line.startswith("mpicode: error: worker ") for line in ended.errors)
