"""What is proved of steps along light messages, held to it step by step."""

from itertools import product

import numpy as np
import pytest
from numpy.testing import assert_allclose

from mpicode import codes
from mpicode.codes import light

from .small import N_FEATURES, N_WORKERS, Logistic, Quadratic, delays, direct, order_of

CODES = {
    "packed": {},
    "identity": {"variant": "identity"},
    "gaussian": {"variant": "gaussian"},
}


def sides(loss, step_size, rows, steps, order):
    """Both sides of T8: what the steps saw of the gradient at their moment, and what it may be."""
    seen = 0.0
    for x, message, _, _ in steps:
        w = np.empty(N_FEATURES)
        w[order] = x.reshape(-1)
        codeword = rows[message] @ loss.gradient(w)[order].reshape(4, -1)
        seen += codeword @ codeword
    return seen, 2 * (loss(np.zeros(N_FEATURES)) - loss.lowest) / step_size


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
        for _ in range(80):
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
    for seed in range(4):
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


def test_a_step_along_any_prefix_goes_down():
    """T6: of m codewords of one version, eta = 1 / beta, F falls by at least |G'|^2 / (2 beta)."""
    for seed, make in ((0, Quadratic), (1, Quadratic), (0, Logistic), (1, Logistic)):
        loss = make(seed)
        rows = codes.make("lwpd", n_workers=2, n_segments=4, weight=2).rows
        rng = np.random.default_rng(seed)
        for _ in range(10):
            w = rng.standard_normal(N_FEATURES)
            gradient = loss.gradient(w).reshape(4, -1)
            decoder = light.make("ortho", {"threshold": 0.0}, rows=rows, length=3)
            for message in rng.permutation(len(rows)).tolist():
                decoder.add(message, rows[message] @ gradient)
                estimate = decoder.estimate().reshape(-1)
                fallen = loss(w) - loss(w - estimate / loss.beta)
                assert fallen >= estimate @ estimate / (2 * loss.beta) - 1e-12
