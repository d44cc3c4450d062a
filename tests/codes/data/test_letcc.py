"""Splines there and back: how they are smoothed, and what that is good for."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from mpicode import codes
from mpicode.codes.data.error_terms import estimated_error
from mpicode.codes.data.letcc import LeTCC
from mpicode.codes.data.smoothing import (
    CAP,
    CHUNK,
    NOISY_GRID,
    against_corrupt,
    capped,
    cross_validated,
    inner_products,
)
from mpicode.codes.data.spline import roughness, smoothing_spline
from mpicode.errors import ConfigError, NotDecodable

from ..data_suite import DataCodeSuite


class TestLeTCC(DataCodeSuite):
    code = LeTCC
    cases = (
        {"n_workers": 1, "n_stragglers": 0},
        {"n_workers": 2},
        {"n_workers": 9, "n_blocks": 4, "n_stragglers": 8},
        {"n_workers": 12, "n_blocks": 12, "points": "second", "seed": 5},
        {"n_workers": 40, "n_blocks": 10, "n_stragglers": 10, "permute": False},
        {"n_workers": 20, "n_blocks": 8, "n_stragglers": 17, "decoder_smoothing": "gcv"},
        {"n_workers": 16, "n_blocks": 5, "decoder_smoothing": 1e-3, "encoder_smoothing": 1e-4},
        {"n_workers": 16, "n_blocks": 5, "n_stragglers": 3, "n_corrupt": 2},
    )


def noisy(sigma, rng, n=40, n_blocks=10, length=50, **given):
    """A code, its noisy answers of smooth functions, and what they should have been."""
    code = codes.make("letcc", n_workers=n, n_blocks=n_blocks, decoder_smoothing="gcv", **given)
    frequencies = rng.uniform(1, 4, length)
    answers = np.sin(code.storage @ code.block_points[:, None] * frequencies)
    answers += sigma * rng.standard_normal(answers.shape)
    return code, answers, np.sin(code.block_points[:, None] * frequencies)


# Cross-validation


def test_cross_validation_comes_near_the_best_there_is():
    """Within 1.1 of the oracle's error: 40 workers, 10 blocks, noise of 0.5."""
    rng = np.random.default_rng(0)
    everyone = np.ones(40, dtype=bool)
    squares, best = [], []
    for _ in range(10):
        code, answers, wanted = noisy(0.5, rng)
        squares.append(np.mean((code.decode(answers, everyone).values - wanted) ** 2))
        knots = np.sort(code.worker_points)
        along = answers[code.along(everyone)]
        best.append(
            [
                np.mean((smoothing_spline(knots, code.block_points, 40 * p) @ along - wanted) ** 2)
                for p in 10.0 ** np.arange(-9, 1.25, 0.25)
            ]
        )
    oracle = np.mean(best, axis=0).min()
    assert np.sqrt(np.mean(squares)) <= 1.1 * np.sqrt(oracle)
    plain = codes.make("letcc", n_workers=40, n_blocks=10)
    rough = np.mean((plain.decode(answers, everyone).values - wanted) ** 2)
    assert rough > 2 * squares[-1]


def test_the_scale_and_the_offset_of_the_answers_do_not_matter():
    code, answers, _ = noisy(0.3, np.random.default_rng(1))
    arrived = np.arange(40) % 4 != 2
    penalty = code.penalty(answers, arrived)
    assert 1e-9 < penalty < 10
    for scale in (2.0**-40, 3.7, 1e9):
        assert code.penalty(scale * answers, arrived) == penalty
    assert code.penalty(answers + 1e3, arrived) == penalty
    assert code.penalty(answers.astype(np.float32), arrived) == penalty
    values = code.decode(answers, arrived).values
    assert_allclose(code.decode(1024 * answers, arrived).values, 1024 * values, rtol=1e-15)


def test_more_noise_is_smoothed_more():
    everyone = np.ones(40, dtype=bool)
    found = []
    for sigma in (1e-3, 1e-1, 1.0):
        code, answers, _ = noisy(sigma, np.random.default_rng(2))
        found.append(code.penalty(answers, everyone))
    assert found == sorted(found)
    assert found[0] < found[-1] / 100


def test_the_score_is_the_printed_one():
    rng = np.random.default_rng(3)
    knots = np.sort(rng.uniform(-1, 1, 15))
    answers = np.sin(3 * knots)[:, None] + 0.2 * rng.standard_normal((15, 6))
    scores = {}
    for penalty in NOISY_GRID:
        missed = answers - smoothing_spline(knots, knots, 15 * penalty) @ answers
        free = 15 - np.trace(smoothing_spline(knots, knots, 15 * penalty))
        if free >= 0.5:
            scores[penalty] = 15 * np.sum(missed**2) / free**2
    gram = inner_products(list(answers))
    assert cross_validated(knots, gram) == min(scores, key=scores.get)


def test_inner_products_are_taken_in_parts():
    rng = np.random.default_rng(4)
    vectors = list(rng.standard_normal((3, CHUNK + 1000)).astype(np.float32))
    rows = np.array(vectors, dtype=float)
    rows -= rows.mean(axis=0)
    assert_allclose(inner_products(vectors), rows @ rows.T, rtol=1e-10)


def test_few_answers_are_decoded_without_cross_validation():
    rng = np.random.default_rng(5)
    code, answers, _ = noisy(0.3, rng, n=8, n_blocks=3)
    for n_arrived in (1, 2, 3, 4):
        arrived = np.arange(8) < n_arrived
        assert np.isfinite(code.decode(answers, arrived).values).all()
    with pytest.raises(NotDecodable, match="0 of 8 answers, wants at least 1"):
        code.decode(answers, np.zeros(8, dtype=bool))


@pytest.mark.parametrize("wrong", [np.nan, np.inf, 1e308])
def test_answers_that_are_not_numbers_spoil_their_own_coordinate_alone(wrong):
    rng = np.random.default_rng(7)
    code, answers, _ = noisy(0.3, rng, n=12, n_blocks=5, length=3)
    everyone = np.ones(12, dtype=bool)
    answers[5, 1] = wrong
    for name in ("gcv", "lebesgue"):
        code = codes.make("letcc", n_workers=12, n_blocks=5, decoder_smoothing=name)
        values = code.decode(answers, everyone).values
        assert np.isfinite(values[:, [0, 2]]).all()
        assert not (np.abs(values[:, 1]) < 1e6).all()
        found = estimated_error(code, answers, everyone)
        assert np.isfinite(found[:, [0, 2]]).all()


# Corrupt answers


def test_the_penalty_against_corrupt_answers_grows_with_their_share():
    assert against_corrupt(0, 40) == 0
    assert against_corrupt(10, 100) == pytest.approx(0.02 * 0.1**1.6)
    # N^a of N: the exponent 8/5 (a - 1)
    for a in (0.0, 0.3, 0.7):
        few, many = against_corrupt(100**a, 100), against_corrupt(10_000**a, 10_000)
        assert np.log(many / few) / np.log(100) == pytest.approx(1.6 * (a - 1))


def test_corrupt_answers_shift_a_code_made_for_them_less():
    everyone = np.ones(100, dtype=bool)
    shifts = {}
    for n_corrupt in (0, 5):
        code = codes.make("letcc", n_workers=100, n_blocks=10, n_corrupt=n_corrupt)
        weights = np.sort(np.abs(code.decode_matrix(everyone)), axis=1)
        shifts[n_corrupt] = weights[:, -5:].sum(axis=1).max()
    assert shifts[5] < shifts[0] / 2
    free = codes.make("letcc", n_workers=100, n_corrupt=5, decoder_smoothing=0.0, n_blocks=10)
    weights = np.sort(np.abs(free.decode_matrix(everyone)), axis=1)
    assert weights[:, -5:].sum(axis=1).max() == shifts[0]


def test_a_line_too_steep_is_reduced_towards_the_mean():
    """Two neighbours at one end: what the line through them says at the other is not believed."""
    knots = np.array([0.9, 0.91])
    weights = capped(knots, np.array([-1.0, 0.905]))
    assert_allclose(weights.sum(axis=1), 1)
    assert CAP / 2 < np.abs(weights[0]).sum() <= CAP
    assert weights[0, 0] > 1 > 0 > weights[0, 1]
    assert_allclose(weights[1], [0.5, 0.5])


# The objective that both splines are defined by


def test_no_perturbed_encoder_or_decoder_is_better():
    """1,000 trials each, of curves that are natural splines through more points than the code's."""
    rng = np.random.default_rng(6)
    code = codes.make(
        "letcc", n_workers=30, n_blocks=8, encoder_smoothing=1e-4, decoder_smoothing=1e-5
    )
    arrived = np.arange(30) % 5 != 1
    workers = code.along(arrived)
    blocks = rng.standard_normal((8, 3))
    answers = np.tanh(code.storage @ blocks)[workers]
    cases = [
        (code.block_points, blocks, 1e-4, lambda at: code.encoder(code.block_points, at)),
        (
            code.worker_points[workers],
            answers,
            1e-5,
            lambda at: code.curve(code.worker_points[workers], at),
        ),
    ]
    for knots, targets, penalty, weights in cases:
        fine = np.union1d(knots, np.linspace(-1, 1, 23))
        at_knots = np.searchsorted(fine, knots)
        curve = weights(fine) @ targets

        def objective(curve, fine=fine, at=at_knots, targets=targets, penalty=penalty):
            missed = np.sum((curve[at] - targets) ** 2) / len(targets)
            return missed + penalty * roughness(fine, curve).sum()

        own = objective(curve)
        for _ in range(1000):
            bump = rng.standard_normal(curve.shape)
            if rng.random() < 0.5:  # smooth ones too
                bump = np.cos(np.outer(fine, rng.uniform(0, 9, 3)) + rng.uniform(0, 7))
            assert objective(curve + 10.0 ** rng.uniform(-3, 0) * bump) > own


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"n_corrupt": 8}, r"code\.n_corrupt: 8 of 8 workers cannot be wrong; wants 0 to 7"),
        ({"n_corrupt": -1}, r"code\.n_corrupt: -1 of 8 workers"),
        ({"n_blocks": 9}, r"code\.n_blocks: 9 blocks .* by 8 workers; wants 1 to 8"),
        ({"encoder_smoothing": -1.0}, r"code\.encoder_smoothing: .* \[0, 1e\+300\], got -1\.0"),
        ({"encoder_smoothing": 1e308}, r"code\.encoder_smoothing: .* got 1e\+308"),
        ({"decoder_smoothing": float("nan")}, r"code\.decoder_smoothing: .* got nan"),
        ({"decoder_smoothing": float("inf")}, r"code\.decoder_smoothing: .* got inf"),
        ({"decoder_smoothing": "loo"}, r"code\.decoder_smoothing: .*'lebesgue', 'gcv', got 'loo'"),
        ({"n_colluding": 1}, r"code\.n_colluding: no such parameter of 'letcc'"),
    ],
)
def test_impossible_numbers_are_named(parameters, said):
    with pytest.raises(ConfigError, match=said):
        codes.make("letcc", n_workers=8, **parameters)
