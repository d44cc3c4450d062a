"""What decoded sums fall short by on average, and that dividing it out puts them right."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import mpicode
from mpicode import codes
from mpicode.cli.summary import summary
from mpicode.codes.sets import all_sets, masks
from mpicode.config import Decoding
from mpicode.results import read_run
from mpicode.train.shrinkage import Shrinkage, estimate
from mpicode.train.stop_rules import StopRules

from .schemes import EXACT, make

SEED = 5


def target(code):
    return np.kron(np.eye(code.n_segments), np.ones(code.n_blocks))


def decodings(code, n_arrived):
    """Return all decodings of so many messages that are not exact."""
    every = [code.decode(a) for a in masks(all_sets(code.n_messages, n_arrived), code.n_messages)]
    return [one for one in every if one.residual > 1e-20]


def mean_share(code, n_arrived):
    """Return the projection of the mean decoded sum on the true one, over all sets."""
    mean = np.mean([one.coefficients for one in decodings(code, n_arrived)], axis=0)
    return np.sum((mean @ code.encoding) * target(code)) / target(code).sum()


@pytest.mark.parametrize("name", EXACT)
def test_an_exact_code_falls_short_of_nothing(name):
    assert estimate(StopRules(make(name)), SEED) == Shrinkage()


@pytest.mark.parametrize("n_answers", [2, 5])
@pytest.mark.parametrize("name", ["ignore-stragglers", "uncoded", "cyclic", "bibd", "expander"])
def test_an_unbiased_decoding_is_left_alone(name, n_answers):
    rules = StopRules(make(name), Decoding(method="fixed", n_answers=n_answers, deadline=1.0))
    assert estimate(rules, SEED) == Shrinkage()


def test_scaled_sums_are_left_alone_to_the_last_bit():
    code = codes.make("ignore-stragglers", n_workers=7, n_stragglers=3)
    shrinkage = estimate(StopRules(code, Decoding(deadline=1.0)), SEED)
    assert shrinkage.stopped == 1.0
    assert (shrinkage.late == 1.0).all()


@pytest.mark.parametrize("n_stragglers", [1, 3, 5])
def test_a_block_design_has_its_closed_form(n_stragglers):
    """Kadhe et al. 2019: the residual is the same for all sets of a size, so alpha is known."""
    code = codes.make("bibd", n_workers=7, n_stragglers=n_stragglers)
    a = 7 - n_stragglers
    known = 9 * a / (3 + (a - 1)) / 7
    rules = StopRules(code)
    assert estimate(rules, SEED).stopped == pytest.approx(known, rel=1e-12)
    late = estimate(StopRules(code, Decoding(deadline=1.0)), SEED).late
    assert late[a] == pytest.approx(known, rel=1e-12)


@pytest.mark.parametrize(
    ("name", "n_workers", "parameters"),
    [
        ("expander", 9, {}),
        ("cyclic", 8, {"n_stragglers": 2}),
        ("uncoded", 8, {}),
        ("kadhe", 8, {"replication": 4, "n_segments": 2}),
        ("munim-diagonal", 7, {"design": "bibd", "n_segments": 2}),
    ],
)
def test_random_orders_come_near_the_mean_over_all_sets(name, n_workers, parameters):
    code = codes.make(name, n_workers=n_workers, seed=1, **parameters)
    for n_answers in (2, 4, 5):
        shrinkage = estimate(StopRules(code, Decoding(n_answers=n_answers)), SEED)
        known = mean_share(code, n_answers)
        # at most 400 orders; most of these codes vary by less than a fifth of their mean
        assert shrinkage.stopped == pytest.approx(known, rel=4 * 0.2 / np.sqrt(200))
        assert 0 < shrinkage.stopped < 1
        # least squares: 1 minus the mean relative residual
        residuals = [one.residual for one in decodings(code, n_answers)]
        assert known == pytest.approx(1 - np.mean(residuals) / target(code).sum(), rel=1e-9)


def test_what_is_taken_at_a_deadline_is_known_by_its_number():
    code = codes.make("expander", n_workers=9)
    shrinkage = estimate(StopRules(code, Decoding(deadline=1.0)), SEED)
    assert shrinkage.late.shape == (10,)
    for number in range(1, 9):
        assert shrinkage.late[number] == pytest.approx(mean_share(code, number), rel=0.04)
    decoding = decodings(code, 5)[0]
    assert shrinkage.of(code, decoding, 5) == shrinkage.late[5]
    assert shrinkage.of(code, decoding, None) == shrinkage.stopped


def test_between_the_sizes_tried_it_is_interpolated():
    code = codes.make("uncoded", n_workers=60)
    late = estimate(StopRules(code, Decoding(deadline=1.0)), SEED).late
    assert_allclose(late[1:60], np.arange(1, 60) / 60, rtol=1e-9)


def test_an_exact_sum_is_not_divided():
    code = codes.make("kadhe", n_workers=8, replication=4, n_segments=2)
    arrived = np.array([True, True, False, False] * 2)
    exact = [one for one in map(code.decode, (arrived, ~arrived)) if one.residual < 1e-20]
    assert exact
    shrinkage = Shrinkage(0.5, np.full(9, 0.25))
    for decoding in exact:
        assert shrinkage.of(code, decoding, None) == shrinkage.of(code, decoding, 4) == 1.0


def test_a_residual_rule_chooses_its_sets():
    """It stops only at sets that miss little, so less is divided out than for a mere count."""
    code = codes.make("expander", n_workers=9)
    stopped = estimate(StopRules(code, Decoding(max_residual=0.1)), SEED).stopped
    assert 0.9 <= stopped < 1
    # so do fixed coefficients, which are unbiased over all sets only
    code = codes.make("cyclic", n_workers=8, n_stragglers=2)
    fixed = estimate(StopRules(code, Decoding(method="fixed", max_residual=0.7)), SEED).stopped
    assert fixed != 1.0


def test_one_seed_one_estimate():
    code = codes.make("expander", n_workers=9)
    rules = StopRules(code, Decoding(n_answers=4))
    assert estimate(rules, 1) == estimate(rules, 1)
    assert estimate(rules, 1) != estimate(rules, 2)


@pytest.mark.parametrize(
    ("name", "n_workers", "parameters"),
    [("bibd", 7, {}), ("bibd", 13, {}), ("expander", 12, {}), ("graph", 12, {})],
)
@pytest.mark.parametrize("q", [0.1, 0.4])
def test_divided_sums_are_unbiased_for_independent_stragglers(name, n_workers, parameters, q):
    """Whatever the probability, which is not told: E[decoded / alpha] = sum, within 4 errors."""
    code = codes.make(name, n_workers=n_workers, **parameters)
    shrinkage = estimate(StopRules(code, Decoding(deadline=1.0)), SEED)
    rng = np.random.default_rng(2)
    sums = []
    while len(sums) < 2000:
        arrived = rng.random(code.n_messages) >= q
        if arrived.any():
            one = code.decode(arrived)
            divisor = shrinkage.of(code, one, int(arrived.sum()))
            sums.append(one.coefficients @ code.encoding / divisor)
    # over all blocks, so that the rounding of alpha, 0.2 %, does not hide
    sums = np.array(sums).mean(axis=(1, 2))
    error = sums.std() / np.sqrt(len(sums))
    assert abs(sums.mean() - 1) <= 4 * np.hypot(error, 2e-3)


# In a run


@pytest.fixture
def job(write_data, tables, tmp_path):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((84, 4))
    path = write_data(X, X @ [1.0, -1.0, 2.0, 0.5])

    def make(**changes):
        made = tables(
            data={"path": path},
            problem={"name": "least-squares", "l2": 0.1},
            optimizer={"step_size": 0.1},
            code={"name": "bibd", "n_stragglers": 3},
            run={"n_workers": 7, "iterations": 5},
            output={"path": str(tmp_path / "run.h5")},
        )
        for name, table in changes.items():
            made[name] = table if name == "code" else {**made.get(name, {}), **table}
        return made

    return make


ALPHA = 9 * 4 / (3 + 3) / 7


def test_a_run_tells_what_it_divided_by(job):
    result = mpicode.run(job())
    assert result.shrinkage == pytest.approx(ALPHA)
    assert (result.history["shrinkage"] == result.shrinkage).all()
    saved = read_run(result.path)
    assert saved.attrs["shrinkage"] == result.shrinkage
    assert "shrinkage" not in saved.codes[0]
    line = f"step correction: 5 inexact sums divided by alpha = {ALPHA:.4f}"
    assert line in "\n".join(summary(result))
    # the residual stays that of the decoding
    assert_allclose(result.history["residual"], 7 * (1 - ALPHA), rtol=1e-9)


def test_a_run_with_a_deadline_keeps_the_divisors_with_the_code(job):
    result = mpicode.run(job(decoding={"deadline": 0.5}))
    saved = read_run(result.path)
    late = saved.codes[0]["shrinkage"]
    assert late.shape == (8,)
    assert late[4] == pytest.approx(ALPHA)
    assert (result.history["shrinkage"] == 1).all()  # all answered


def test_gradient_and_loss_are_divided_before_the_penalty(job):
    """One step by hand: the same four workers, least squares scaled up, then the L2 term."""
    first = mpicode.run(job(run={"iterations": 1}))
    plain = mpicode.run(job(run={"iterations": 1}, decoding={"correct_step": False}))
    # from zero, where the penalty and its gradient vanish
    assert_allclose(first.parameters, plain.parameters / ALPHA, rtol=1e-12)
    assert first.history["loss"][0] == pytest.approx(plain.history["loss"][0] / ALPHA)
    assert plain.shrinkage == 1.0
    # and from elsewhere: the penalty is not divided
    two = mpicode.run(job(run={"iterations": 2}))
    x = first.parameters
    step = x - two.parameters
    more = mpicode.run(job(run={"iterations": 2}, problem={"l2": 0.3}))
    extra = 0.1 * 0.2 * x
    extra[-1] = 0  # the intercept is spared
    assert_allclose(x - more.parameters - step, extra, rtol=1e-9, atol=1e-15)
    penalty = 0.5 * 0.2 * np.sum(x[:-1] ** 2)
    assert more.history["loss"][1] - two.history["loss"][1] == pytest.approx(penalty)


def test_fixed_decoding_in_a_run_divides_by_nothing(job):
    result = mpicode.run(job(decoding={"method": "fixed"}))
    assert (result.history["n_arrived"] == 4).all()
    assert result.shrinkage == 1.0
    assert (result.history["shrinkage"] == 1).all()
    # the residual of least squares is less
    assert result.history["residual"].min() > 7 * (1 - ALPHA)
