"""The path of a run: that of gradient descent, exactly or on average, whoever is late."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import mpicode
from mpicode.pool import delays

from .schemes import EXACT, WORKERS

STEP, L2 = 0.3, 0.02
N, D = 96, 5

INJECTED = {
    "none": {},
    "fixed": {"slow_workers": [1, 4], "seconds": 0.02},
    "shifted-exponential": {"mean": 0.01, "shift": 0.001, "times_load": True},
    "pareto": {"scale": 0.001, "shape": 1.1},
    "bernoulli": {"probability": 0.3, "seconds": 0.02},
    "markov": {"good_seconds": 0.05, "bad_seconds": 0.02, "seconds": 0.02},
    "node": {
        "workers_per_node": 3,
        "good_seconds": 0.05,
        "bad_seconds": 0.02,
        "seconds": 0.02,
    },
    "replay": {},  # of the run with `pareto`
}


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(3)
    X = rng.standard_normal((N, D))
    return X, X @ rng.standard_normal(D) + 0.5 * rng.standard_normal(N)


def descend(X, y, iterations, step=STEP):
    """Return the parameters after each step of gradient descent in one process."""
    A = np.column_stack([X, np.ones(len(X))])
    penalised = L2 * np.array([1.0] * X.shape[1] + [0.0])
    x, path = np.zeros(A.shape[1]), []
    for _ in range(iterations):
        x = x - step * (A.T @ (A @ x - y) / len(y) + penalised * x)
        path.append(x)
    return np.array(path)


@pytest.fixture
def job(rows, write_data, tables, tmp_path):
    path = write_data(*rows)

    def make(**changes):
        made = tables(
            data={"path": path},
            problem={"name": "least-squares", "l2": L2},
            optimizer={"step_size": STEP},
            run={"n_workers": 6, "iterations": 50, "seed": 3},
        )
        for name, table in changes.items():
            made[name] = table if name in ("code", "delays") else {**made.get(name, {}), **table}
        return made

    return make


def test_every_injector_is_tried():
    assert set(INJECTED) == set(delays.names())


@pytest.mark.parametrize("name", EXACT)
def test_an_exact_code_walks_the_path_of_one_process_under_every_injector(
    job, rows, tmp_path, name
):
    last = descend(*rows, 50)[-1]
    for injector, parameters in INJECTED.items():
        path = str(tmp_path / f"{injector}.h5")
        if injector == "replay":
            parameters = {"path": str(tmp_path / "pareto.h5")}
        result = mpicode.run(
            job(
                code={"name": name},
                delays={"name": injector, **parameters},
                run={"n_workers": WORKERS[name]},
                output={"path": path},
            )
        )
        assert result.n_iterations == 50
        assert_allclose(result.parameters, last, atol=1e-8 * np.linalg.norm(last))
        assert result.history["residual"].max() < 1e-16
        assert (result.history["shrinkage"] == 1).all()
        assert result.history["stepped"].all()


@pytest.mark.parametrize("decoding", [{"n_answers": 8}, {"max_residual": 0.0}, {"deadline": 1e3}])
@pytest.mark.parametrize("name", ["fractional-repetition", "cyclic", "kadhe"])
def test_no_rule_that_lets_it_wait_changes_the_path_of_an_exact_code(job, rows, name, decoding):
    last = descend(*rows, 50)[-1]
    tables = job(
        code={"name": name},
        decoding=decoding,
        delays={"name": "bernoulli", **INJECTED["bernoulli"]},
        run={"n_workers": 8},
    )
    result = mpicode.run(tables)
    assert_allclose(result.parameters, last, atol=1e-8 * np.linalg.norm(last))


# Approximate codes, on average. Each iteration lasts until a deadline, by which an answer without
# delay has come and one with a delay has not: it comes at the beginning of the next iteration. So
# who is late is drawn anew each time, and the expected path of least squares is the uncoded one.

Q = 0.25
INDEPENDENT = {
    "delays": {"name": "bernoulli", "probability": Q, "seconds": 1.0},
    "decoding": {"deadline": 1.0},
    "virtual": {"seconds_per_row": 1e-3},
}
SEEDS = 20
ITERATIONS = 8  # far from the minimum, so that the length of steps shows
SMALL_STEP = 0.1


def paths(job, code, n_workers, **decoding):
    """Return the final parameters for each seed, (SEEDS, n_parameters)."""
    return np.array(
        [
            mpicode.run(
                job(
                    code=code,
                    optimizer={"step_size": SMALL_STEP},
                    delays=INDEPENDENT["delays"],
                    virtual=INDEPENDENT["virtual"],
                    decoding={**INDEPENDENT["decoding"], **decoding},
                    run={"n_workers": n_workers, "iterations": ITERATIONS, "seed": seed},
                )
            ).parameters
            for seed in range(SEEDS)
        ]
    )


def errors_off(ends, expected):
    """Return the distance of the mean from what is expected, in standard errors, per number."""
    return (ends.mean(axis=0) - expected) / (ends.std(axis=0, ddof=1) / np.sqrt(len(ends)))


APPROXIMATE = [
    ({"name": "ignore-stragglers"}, 8),
    ({"name": "bibd"}, 7),
    ({"name": "expander"}, 8),
    ({"name": "erasure-head"}, 8),
    ({"name": "munim-diagonal", "design": "bibd", "n_segments": 2}, 7),
]


@pytest.mark.parametrize(("code", "n_workers"), APPROXIMATE, ids=lambda x: str(x)[:24])
def test_an_approximate_code_follows_the_uncoded_path_on_average(job, rows, code, n_workers):
    expected = descend(*rows, ITERATIONS, SMALL_STEP)[-1]
    ends = paths(job, code, n_workers)
    assert ends.std(axis=0).min() > 1e-6
    assert np.abs(errors_off(ends, expected)).max() <= 4


def test_without_the_correction_it_falls_behind(job, rows):
    """The same runs of one code, of which the test above would notice it."""
    expected = descend(*rows, ITERATIONS, SMALL_STEP)[-1]
    code = {"name": "munim-diagonal", "design": "bibd", "n_segments": 2}
    ends = paths(job, code, 7, correct_step=False)
    assert np.abs(errors_off(ends, expected)).max() > 8


def test_fixed_decoding_follows_it_as_well(job, rows):
    expected = descend(*rows, ITERATIONS, SMALL_STEP)[-1]
    ends = paths(job, {"name": "expander"}, 8, method="fixed")
    assert np.abs(errors_off(ends, expected)).max() <= 4


def test_stragglers_are_independent_in_these_runs(job):
    """What the averages above rest on."""
    arrived = []

    class Watch:
        def iteration(self, columns, workers):
            arrived.append(np.array(workers["arrived"]))

    tables = job(**INDEPENDENT, code={"name": "ignore-stragglers"}, run={"iterations": 400})
    mpicode.run(tables, recorders=[Watch()])
    late = ~np.array(arrived)
    n = late.size
    assert abs(late.mean() - Q) <= 4 * np.sqrt(Q * (1 - Q) / n)
    # to be late twice in a row is as likely as two such events
    twice = (late[1:] & late[:-1]).mean()
    assert abs(twice - Q**2) <= 4 * np.sqrt(Q**2 / n)
