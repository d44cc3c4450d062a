"""What is proved of descents along light messages, held to it step by step."""

from itertools import combinations, count, product

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize

import mpicode
from mpicode import codes, optimizers
from mpicode.codes import light
from mpicode.pool.delays import Delay
from mpicode.train import setup
from mpicode.train.asynchronous.descents import Descent, Direct, Memory
from mpicode.train.asynchronous.even import Even
from mpicode.train.asynchronous.light import light_messages

N_FEATURES, N_ROWS, N_WORKERS = 12, 60, 6


class Quadratic:
    """F(w) = 1/2 mean (X w - y)^2."""

    name = "least-squares"

    def __init__(self, seed, even=False):
        rng = np.random.default_rng([seed, 1])
        self.X = rng.standard_normal((N_ROWS, N_FEATURES))
        if not even:
            self.X *= np.geomspace(0.1, 1, N_FEATURES)
        self.y = self.X @ rng.standard_normal(N_FEATURES) + 0.3 * rng.standard_normal(N_ROWS)
        self.hessian = self.X.T @ self.X / N_ROWS
        self.least, *_, self.beta = np.linalg.eigvalsh(self.hessian)
        self.lowest = self(np.linalg.lstsq(self.X, self.y)[0])

    def __call__(self, w):
        return 0.5 * np.mean((self.X @ w - self.y) ** 2)

    def gradient(self, w):
        return self.X.T @ (self.X @ w - self.y) / N_ROWS


class Logistic:
    """The mean logistic loss of labels that no plane tells apart."""

    name = "logistic"

    def __init__(self, seed):
        rng = np.random.default_rng([seed, 2])
        self.X = rng.standard_normal((N_ROWS, N_FEATURES)) * np.geomspace(0.3, 1, N_FEATURES)
        slope = 2 * rng.standard_normal(N_FEATURES)
        self.y = (rng.random(N_ROWS) < 1 / (1 + np.exp(-self.X @ slope))).astype(np.int64)
        self.beta = np.linalg.eigvalsh(self.X.T @ self.X)[-1] / (4 * N_ROWS)
        self.lowest = minimize(self, np.zeros(N_FEATURES), jac=self.gradient, tol=1e-12).fun

    def __call__(self, w):
        z = self.X @ w
        return np.mean(np.logaddexp(0.0, z) - self.y * z)

    def gradient(self, w):
        with np.errstate(over="ignore"):
            return self.X.T @ (1 / (1 + np.exp(-self.X @ w)) - self.y) / N_ROWS


class Scripted(Delay):
    """Seconds read off a table, (n_workers, n), by the version asked about."""

    name = "scripted"

    def __init__(self, table):
        self._table = table

    def seconds(self, worker, iteration, now, load):
        return float(self._table[worker, iteration % self._table.shape[1]])


def delays(kind, seed=0):
    rng = np.random.default_rng([seed, 3])
    if kind == "alike":  # all of the age n_workers - 1
        return Scripted(np.ones((N_WORKERS, 1)))
    if kind == "uneven":
        return Scripted(np.geomspace(1, 20, N_WORKERS)[:, np.newaxis])
    return Scripted(rng.pareto(1.1, (N_WORKERS, 500)) + 0.1)


@pytest.fixture
def descend(write_data, monkeypatch):
    """Run under the virtual clock; return what happened: parameters, message, age of each step."""

    files = (f"{number}.h5" for number in count())
    take = Descent.take

    def descend(loss, step_size, delay, code, n_messages=400, mode="direct", **asynchronous):
        steps = []

        def watch(descent, message, codeword, age):
            steps.append((descent.x.copy(), message, np.array(codeword), age))
            square = take(descent, message, codeword, age)
            after(descent)
            return square

        after = asynchronous.pop("after", lambda descent: None)
        monkeypatch.setattr(Descent, "take", watch)
        monkeypatch.setattr(setup.delays, "make", lambda *_, **__: delay)
        tables = {
            "data": {"path": write_data(loss.X, loss.y, next(files), n_classes=2)},
            "problem": {"name": loss.name, "intercept": False},
            "optimizer": {"name": "gradient-descent", "step_size": step_size},
            "code": {"name": "lwpd", "n_segments": 4, "weight": 2, **code},
            "run": {"n_workers": N_WORKERS, "iterations": n_messages, "record_every": 1},
            "asynchronous": {"mode": mode, **asynchronous},
        }
        result = mpicode.run(tables)
        made = codes.make(n_workers=N_WORKERS, **tables["code"])
        return result, made.encoding.toarray(), steps

    return descend


def sides(loss, step_size, rows, steps, order):
    """Both sides of T8: what the steps saw of the gradient at their moment, and what it may be."""
    seen = 0.0
    for x, message, _, _ in steps:
        w = np.empty(N_FEATURES)
        w[order] = x.reshape(-1)
        codeword = rows[message] @ loss.gradient(w)[order].reshape(4, -1)
        seen += codeword @ codeword
    return seen, 2 * (loss(np.zeros(N_FEATURES)) - loss.lowest) / step_size


def order_of(loss):
    made = mpicode.problems.make(
        loss.name,
        {"intercept": False},
        n_features=N_FEATURES,
        n_classes=2 if loss.name == "logistic" else 0,
        task="binary" if loss.name == "logistic" else "regression",
    )
    order = made.slices(4)
    return np.arange(N_FEATURES) if order is None else order


CODES = {
    "packed": {},
    "identity": {"variant": "identity"},
    "gaussian": {"variant": "gaussian"},
}


@pytest.mark.parametrize("kind", ["alike", "uneven", "at random"])
@pytest.mark.parametrize("variant", CODES)
@pytest.mark.parametrize("make", [Quadratic, Logistic])
class TestStaleSteps:
    """T8: beta-smooth F, ages up to tau, any rows; eta <= 1 / (beta (1 + tau)) bounds the sum of
    |V_t^T grad F(w_t)|^2 by 2 (F(w_0) - F*) / eta, on every path.
    """

    @pytest.mark.parametrize("rows", ["queue", "fixed"])
    def test_the_bound_holds_on_every_path(self, descend, make, variant, kind, rows):
        for seed, tau in ((0, N_WORKERS - 1), (1, 3), (2, 15)):
            loss, delay = make(seed), delays(kind, seed)
            step_size = 1 / (loss.beta * (1 + tau))
            _, encoding, steps = descend(
                loss, step_size, delay, CODES[variant], max_staleness=tau, rows=rows
            )
            ages = [age for *_, age in steps]
            assert max(ages) <= tau
            assert max(ages) > 0
            seen, bound = sides(loss, step_size, encoding, steps, order_of(loss))
            assert seen <= bound

    def test_far_above_the_bound_it_does_not(self, descend, make, variant, kind):
        loss, tau = make(0), N_WORKERS - 1
        step_size = 100 / (loss.beta * (1 + tau))
        _, encoding, steps = descend(loss, step_size, delays(kind), CODES[variant])
        seen, bound = sides(loss, step_size, encoding, steps, order_of(loss))
        assert seen > bound

    def test_a_message_is_the_gradient_of_its_age(self, descend, make, variant, kind):
        loss = make(0)
        _, encoding, steps = descend(loss, 0.1, delays(kind), CODES[variant], n_messages=60)
        order = order_of(loss)
        for t, (_, message, codeword, age) in enumerate(steps):
            w = np.empty(N_FEATURES)
            w[order] = steps[t - age][0].reshape(-1)
            wanted = encoding[message] @ loss.gradient(w)[order].reshape(4, -1)
            assert_allclose(codeword, wanted, rtol=1e-11, atol=1e-13)


def direct(rows, length, step_size, x, make=Direct):
    """A descent over given unit rows."""
    n, k = rows.shape
    code = codes.GradientCode(rows, np.zeros(n, dtype=int), n_workers=1, n_blocks=1, n_segments=k)
    optimizer = optimizers.make("gradient-descent", {"step_size": step_size}, n_parameters=x.size)
    return make(x.reshape(k, length), x.size, light_messages(code), optimizer, None, 1)


def test_stale_steps_against_an_adversary():
    """T8 on 200 quadratics: of each step row and age are those that the bound suffers most from."""
    worst = 0.0
    for seed in range(200):
        rng = np.random.default_rng([seed, 4])
        k, length = int(rng.integers(2, 5)), int(rng.integers(1, 4))
        tau, n = int(rng.integers(0, 20)), int(rng.integers(2, 7))
        rows = rng.standard_normal((n, k))
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        factor = rng.standard_normal((k * length, k * length))
        hessian = factor @ factor.T
        beta = np.linalg.eigvalsh(hessian)[-1]
        step_size = 1 / (beta * (1 + tau))
        x = rng.standard_normal(k * length)
        start = 0.5 * x @ hessian @ x
        descent, past, seen = direct(rows, length, step_size, x), [], 0.0
        for _ in range(120):
            past.append((hessian @ x).reshape(k, length))
            now = rows @ past[-1]
            ages = range(min(tau, len(past) - 1) + 1)
            # the oldest news of what has turned round most since
            message, age = min(
                product(range(n), ages),
                key=lambda pair: now[pair[0]] @ (rows[pair[0]] @ past[-1 - pair[1]]),
            )
            seen += now[message] @ now[message]
            descent.take(message, rows[message] @ past[-1 - age], age)
        worst = max(worst, seen * step_size / (2 * start))
    assert 0.2 < worst <= 1.0


@pytest.mark.parametrize("variant", ["packed", "gaussian", "identity"])
def test_without_delay_the_gap_shrinks_on_average(variant):
    """T9: E(F_t - F*) <= (1 - alpha lambda_min / (n beta))^t (F_0 - F*), over all draws of rows."""
    n_draws = 3
    for seed in range(10):
        loss = Quadratic(seed)
        rows = codes.make(
            "lwpd", n_workers=2, n_segments=3, n_messages=3 if variant == "identity" else 6,
            weight=2, variant=variant, seed=seed,
        ).rows  # fmt: skip
        n, smallest = len(rows), np.linalg.eigvalsh(rows.T @ rows)[0]
        gaps = np.zeros(n_draws)
        for draw in product(range(n), repeat=n_draws):
            w = np.zeros(N_FEATURES)
            descent = direct(rows, N_FEATURES // 3, 1 / loss.beta, w)
            for t, message in enumerate(draw):
                descent.take(message, rows[message] @ loss.gradient(w).reshape(3, -1), 0)
                gaps[t] += (loss(w) - loss.lowest) / n**n_draws
        rate = 1 - loss.least * smallest / (n * loss.beta)
        start = loss(np.zeros(N_FEATURES)) - loss.lowest
        assert (gaps <= rate ** np.arange(1, n_draws + 1) * start).all()


class TestMemory:
    @pytest.mark.parametrize("kind", ["alike", "uneven", "at random"])
    @pytest.mark.parametrize("rows", ["queue", "fixed"])
    def test_of_a_gradient_that_stands_still_becomes_right_however_fast_who_is(
        self, descend, rows, kind
    ):
        loss, errors = Quadratic(0), []
        gradient = loss.gradient(np.zeros(N_FEATURES))[order_of(loss)].reshape(4, -1)

        def after(descent):
            errors.append(np.linalg.norm(descent._decoder.estimate() - gradient))

        descend(
            loss, 1e-300, delays(kind), {}, 900, "memory", rows=rows, after=after,
            max_staleness=10**6,
        )  # fmt: skip
        size = np.linalg.norm(gradient)
        assert (np.diff(errors) <= 1e-14 * size).all()
        # geometrically: each third of the run as good as the first, down to rounding
        first = errors[299] / size
        assert first < 1e-2
        assert errors[599] / size < max(10 * first**2, 1e-14)
        assert errors[899] / size < max(100 * first**3, 1e-14)

    def test_steps_of_sega_have_no_bias(self):
        """Over all rows of a tight code; of several blocks too."""
        rng = np.random.default_rng(0)
        for n_blocks in (1, 3):
            k, length = 4, 5
            n_pieces = k * n_blocks
            if n_blocks == 1:
                rows = np.concatenate([np.eye(k), np.linalg.qr(rng.standard_normal((k, k)))[0]])
                decoder = light.make("sega", rows=rows, length=length)
                jump = 1.0
            else:
                rows = np.eye(n_pieces)  # a message is of one block
                decoder = light.make("kaczmarz", rows=rows, length=length)
                jump = float(n_pieces)
            code = codes.GradientCode(
                rows, np.zeros(len(rows), dtype=int), n_workers=1, n_blocks=n_blocks, n_segments=k
            )
            pieces = rng.standard_normal((n_pieces, length))
            begun = rng.standard_normal((n_pieces, length))
            mean = np.zeros((k, length))
            for message in range(len(rows)):
                x = np.zeros((k, length))
                optimizer = optimizers.make(
                    "gradient-descent", {"step_size": 1.0}, n_parameters=x.size
                )
                descent = Memory(
                    x, x.size, light_messages(code), optimizer, None, 1,
                    decoder=decoder, jump=jump,
                )  # fmt: skip
                memory = {**descent.state(), "estimate": begun}
                assert set(memory) == set(descent.state())
                descent.restore(memory)
                descent.take(message, rows[message] @ pieces, 0)
                mean -= x / len(rows)
            wanted = pieces.reshape(k, n_blocks, length).sum(axis=1)
            assert_allclose(mean, wanted, rtol=0, atol=1e-10)


class Dead(Delay):
    """Some workers never answer again; the others take a second."""

    name = "dead"

    def __init__(self, dead):
        self._dead = dead

    def seconds(self, worker, iteration, now, load):
        return 1e9 if worker in self._dead and now > 3.0 else 1.0


def test_the_dead_may_be_any_who_leave_the_rank(descend):
    """6 workers with 2 of 12 rows over 6 segments: every set of 3 dead that leaves rank 6.

    Of the same rows twice, sets with both copies of a segment do not, even far from the optimum:
    the last that is known of such a segment stays in the estimate.
    """
    loss, k = Quadratic(1, even=True), 6
    start = loss(np.zeros(N_FEATURES)) - loss.lowest
    reached = {"packed": [], "replicated": []}
    for variant, gaps in reached.items():
        given = {"n_segments": k, "n_messages": 2 * k, "variant": variant}
        code = codes.make("lwpd", n_workers=N_WORKERS, weight=2, **given)
        n_messages = 1500 if variant == "packed" else 400
        for dead in combinations(range(N_WORKERS), 3):
            left = code.rows[~np.isin(code.owner, dead)]
            full = np.linalg.svd(left, compute_uv=False)[-1] > 1e-9
            result, *_ = descend(
                loss, 0.05 / loss.beta, Dead(dead), given, n_messages, "memory", rows="fixed"
            )
            gaps.append((full, (loss(result.parameters) - loss.lowest) / start))
    assert sum(full for full, _ in reached["packed"]) >= 15
    assert sum(full for full, _ in reached["replicated"]) <= 2
    for full, gap in reached["packed"] + reached["replicated"]:
        assert gap < 0.02 if full else gap > 1.0, (full, gap)


def drift(even, speeds, n_draws):
    """Return the mean step, per step size, along a gradient that stands still; and that in turn.

    Worker i has message i of its own and answers ``speeds[i]`` times as often as others.
    """
    rng = np.random.default_rng(5)
    rows = codes.make("lwpd", n_workers=4, n_segments=4, n_messages=8, weight=2).rows
    gradient = rng.standard_normal((4, 3))
    x = np.zeros(12)
    descent = direct(rows, 3, 1.0, x, Even if even else Direct)
    shares = np.asarray(speeds) / np.sum(speeds)
    for message in rng.choice(8, size=n_draws, p=shares).tolist():
        descent.take(message, rows[message] @ gradient, 0)
    in_turn = rows.T @ rows @ gradient / 8
    return -x.reshape(4, 3) / n_draws, in_turn


class TestEven:
    def test_the_mean_step_is_that_of_messages_in_turn(self):
        """Over 100,000 draws; not so without, where the fast pull it their way."""
        speeds = [1, 1, 2, 3, 5, 8, 8, 8]
        found, wanted = drift(True, speeds, 100_000)
        size = np.linalg.norm(wanted)
        assert np.linalg.norm(found - wanted) < 0.01 * size
        found, _ = drift(False, speeds, 100_000)
        assert np.linalg.norm(found - wanted) > 0.2 * size

    def test_of_fixed_rows_and_workers_of_any_speed(self, descend):
        """Through the loop: 100 and more of the rarest message."""
        loss = Quadratic(0)
        rows = codes.make("lwpd", n_workers=N_WORKERS, n_segments=4, weight=2).rows
        gradient = loss.gradient(np.zeros(N_FEATURES))[order_of(loss)].reshape(4, -1)
        wanted = rows.T @ rows @ gradient / len(rows)
        away = {}
        for even in (True, False):
            delay, n_messages = Scripted(np.geomspace(1, 8, N_WORKERS)[:, np.newaxis]), 4000
            result, _, steps = descend(
                loss, 1e-9, delay, {}, n_messages, rows="fixed", even=even, max_staleness=10**6
            )
            moved = result.parameters[order_of(loss)].reshape(4, -1)
            mean = -moved / 1e-9 / len(steps)
            away[even] = np.linalg.norm(mean - wanted) / np.linalg.norm(wanted)
        assert away[True] < 0.01
        assert away[False] > 0.1

    def test_one_that_comes_back_gets_what_it_is_owed_little_by_little(self):
        rows = np.eye(2)
        x = np.zeros(2)
        descent, moved = direct(rows, 1, 1.0, x, Even), []
        for message in [0, 1] * 10 + [0] * 80 + [0, 1] * 80:
            before = x.copy()
            descent.take(message, np.ones(1), 0)
            moved.append((message, (before - x)[message]))
        steps = [step for message, step in moved[100:] if message == 1]
        assert max(steps) < 10  # not the 40 that were missed
        assert steps[-1] == pytest.approx(1.0)
        assert_allclose(-x, [130, 130], atol=1.0)
