"""There and back through both codes: what is exact, what converges, what never fails."""

from itertools import pairwise, product

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from mpicode import codes
from mpicode.codes.data.points import chebyshev, mask_places, scattered
from mpicode.codes.data.smoothing import CAP

NAMES = ("berrut", "letcc")
both = pytest.mark.parametrize("name", NAMES)


def sets(n, count, rng, least=1):
    """Random sets of who arrived, and those that lack neighbours."""
    for _ in range(count):
        arrived = np.zeros(n, dtype=bool)
        arrived[rng.choice(n, rng.integers(least, n + 1), replace=False)] = True
        yield arrived
    for size in range(1, n - least + 1, max(1, n // 12)):
        for start in range(0, n, max(3, n // 8)):
            arrived = np.ones(n, dtype=bool)
            arrived[np.arange(start, start + size) % n] = False
            yield arrived


# Exactness


@both
def test_a_constant_function_is_exact_for_every_set(name):
    code = codes.make(name, n_workers=13, n_blocks=6)
    for arrived in sets(13, 100, np.random.default_rng(0)):
        values = code.decode(np.full((13, 2), 3.5), arrived).values
        assert_allclose(values, 3.5, rtol=1e-11)


@pytest.mark.parametrize("decoder", [0.0, 1e-6, 1e-2, 10.0])
@pytest.mark.parametrize("encoder", [0.0, 1e-4, 1.0])
def test_data_on_a_line_and_an_affine_function_are_exact_for_every_set_of_two(encoder, decoder):
    code = codes.make(
        "letcc",
        n_workers=11,
        n_blocks=5,
        encoder_smoothing=encoder,
        decoder_smoothing=decoder,
    )
    blocks = np.outer(code.block_points, [1.0, -2.0, 0.5]) + np.array([3.0, 0.0, 1.0])
    affine = np.random.default_rng(1).standard_normal((3, 4))
    answers = code.storage @ blocks @ affine + 7
    for arrived in sets(11, 100, np.random.default_rng(2), least=2):
        # an answer far away counts as often as the line through two neighbours is steep
        scale = code.lebesgue(arrived) * np.abs(answers).max()
        values = code.decode(answers, arrived).values
        assert np.abs(values - blocks @ affine - 7).max() <= 1e-12 * scale


@pytest.mark.parametrize("name", ["letcc", "berrut"])
def test_workers_at_the_blocks_points_give_the_blocks_back(name):
    """As many workers as blocks, at the same points: each value is one answer."""
    rng = np.random.default_rng(3)
    for n in (1, 2, 7, 20):
        code = codes.make(name, n_workers=n, n_blocks=n, n_stragglers=0, points="first")
        blocks = rng.standard_normal((n, 5))
        values = code.decode(code.storage @ blocks, np.ones(n, dtype=bool)).values
        assert_array_equal(np.sort(code.worker_points), code.block_points)
        assert_allclose(values, blocks, rtol=1e-14)
        # three times as many, odd, have the blocks' points among theirs
        code = codes.make(name, n_workers=3 * n, n_blocks=n, n_stragglers=0, points="first")
        values = code.decode(code.storage @ blocks, np.ones(3 * n, dtype=bool)).values
        assert_allclose(values, blocks, rtol=1e-12, atol=1e-12)


@both
def test_of_the_identity_the_error_vanishes_as_workers_are_added(name):
    rng = np.random.default_rng(4)
    blocks = rng.standard_normal((6, 30))
    errors = []
    for n in (16, 64, 256, 1024):
        code = codes.make(name, n_workers=n, n_blocks=6, points="second")
        values = code.decode(code.storage @ blocks, np.ones(n, dtype=bool)).values
        errors.append(np.abs(values - blocks).max())
    # by 4 times the workers: a spline's kinks of the third derivative, Berrut's second order
    for before, after in pairwise(errors):
        assert after < before / (16 if name == "letcc" else 3)


@both
def test_the_sum_of_the_values_is_what_the_weights_of_the_sum_give(name):
    rng = np.random.default_rng(5)
    code = codes.make(name, n_workers=17, n_blocks=6, n_stragglers=5)
    answers = rng.standard_normal((17, 4))
    for arrived in sets(17, 50, rng):
        values = code.decode(answers, arrived).values
        scale = code.lebesgue(arrived)
        weights = code.sum_weights(arrived)
        assert_allclose(weights @ answers, values.sum(axis=0), atol=1e-12 * scale)
        # those of the mean sum to 1
        assert weights.sum() / code.n_blocks == pytest.approx(1.0, abs=1e-12 * scale)
        assert weights.sum() == pytest.approx(6, abs=1e-11 * scale)


@both
def test_coded_labels_sum_to_one_as_the_labels_do(name):
    for points in ("first", "second"):
        code = codes.make(name, n_workers=19, n_blocks=8, points=points)
        labels = np.eye(10)[np.random.default_rng(6).integers(10, size=8)]
        assert_allclose((code.storage @ labels).sum(axis=1), 1, atol=1e-12)


@both
def test_one_block_is_given_to_everybody_and_anybody_suffices(name):
    code = codes.make(name, n_workers=5, n_blocks=1)
    assert_allclose(code.storage, np.ones((5, 1)), atol=1e-15)
    for worker in range(5):
        arrived = np.arange(5) == worker
        value = np.array([[2.0, -3.0]])
        answers = np.where(arrived[:, None], value, np.nan)
        assert_allclose(code.decode(answers, arrived).values, value, rtol=1e-14)


@both
def test_any_one_answer_is_taken_for_all_values(name):
    code = codes.make(name, n_workers=6, n_blocks=3)
    arrived = np.arange(6) == 4
    assert_array_equal(code.decode_matrix(arrived)[:, 4], [1, 1, 1])


# Every set, in any order


@both
def test_the_order_of_arrival_does_not_matter_to_the_last_bit(name):
    rng = np.random.default_rng(7)
    code = codes.make(name, n_workers=14, n_blocks=6)
    answers = rng.standard_normal((14, 3))
    for _ in range(6):
        workers = rng.choice(14, rng.integers(1, 15), replace=False)
        arrived, again = np.zeros((2, 14), dtype=bool)
        stream = [None] * 14
        for worker in workers:  # a decoding after each answer
            arrived[worker] = True
            stream[worker] = answers[worker]
            assert np.isfinite(code.decode(stream, arrived).values).all()
        again[workers[::-1]] = True
        fresh = codes.make(name, n_workers=14, n_blocks=6)
        assert_array_equal(code.decode_matrix(arrived), fresh.decode_matrix(again))
        assert code.decode_matrix(again) is code.decode_matrix(arrived)
        assert_array_equal(code.decode(stream, arrived).values, fresh.decode(answers, again).values)


def test_more_answers_make_it_better_on_the_whole():
    rng = np.random.default_rng(8)
    code = codes.make("letcc", n_workers=40, n_blocks=8)
    blocks = code.block_points[:, None]
    answers = np.sin(3 * code.storage @ blocks)
    errors = np.zeros(40)
    for _ in range(6):
        arrived = np.zeros(40, dtype=bool)
        for i, worker in enumerate(rng.permutation(40)):
            arrived[worker] = True
            values = code.decode(answers, arrived).values
            errors[i] += np.abs(values - np.sin(3 * blocks)).max()
    assert np.all(errors[[4, 9, 19, 39]] < 0.7 * errors[[1, 4, 9, 19]])


@pytest.mark.parametrize(
    ("n", "n_blocks", "points"), [(8, 4, "first"), (12, 12, "second"), (40, 10, "first")]
)
def test_the_cap_holds_for_every_set(n, n_blocks, points):
    rng = np.random.default_rng(9)
    given = {"n_workers": n, "n_blocks": n_blocks, "points": points, "permute": False}
    code = codes.make("letcc", **given)
    free = codes.make("letcc", decoder_smoothing=0.0, **given)
    above = 0
    for arrived in sets(n, 40, rng):
        assert code.lebesgue(arrived) <= CAP * (1 + 1e-9)
        above += free.lebesgue(arrived) > CAP
    assert above > 10


def test_the_cap_holds_for_answers_that_are_cross_validated():
    rng = np.random.default_rng(13)
    code = codes.make("letcc", n_workers=14, n_blocks=6, decoder_smoothing="gcv", permute=False)
    for arrived in sets(14, 5, rng):
        answers = np.sign(rng.standard_normal((14, 20)))
        assert np.abs(code.decode(answers, arrived).values).max() <= CAP * (1 + 1e-9)


def test_only_values_above_the_cap_are_smoothed():
    rng = np.random.default_rng(10)
    code = codes.make("letcc", n_workers=40, n_blocks=10, permute=False)
    free = codes.make("letcc", n_workers=40, n_blocks=10, permute=False, decoder_smoothing=0.0)
    kept = 0
    for arrived in sets(40, 20, rng, least=15):
        ours, theirs = code.decode_matrix(arrived), free.decode_matrix(arrived)
        within = np.abs(theirs).sum(axis=1) <= CAP
        assert_array_equal(ours[within], theirs[within])
        kept += within.sum()
        assert np.abs(ours[~within]).sum(axis=1).min(initial=CAP) > CAP / 2
    assert kept > 100


@both
def test_float32_answers_lose_no_more_than_the_lebesgue_constant(name):
    rng = np.random.default_rng(11)
    code = codes.make(name, n_workers=20, n_blocks=8)
    answers = rng.uniform(-1, 1, (20, 100))
    for arrived in sets(20, 20, rng):
        exact = code.decode(answers, arrived).values
        rough = code.decode(answers.astype(np.float32), arrived).values
        assert rough.dtype == np.float64
        assert np.abs(rough - exact).max() < 1e-5 * code.lebesgue(arrived)


@both
def test_bias_and_variance_of_the_weights_are_those_that_draws_have(name):
    rng = np.random.default_rng(12)
    given = {"decoder_smoothing": 1e-4} if name == "letcc" else {}
    code = codes.make(name, n_workers=40, n_blocks=10, **given)
    everyone = np.ones(40, dtype=bool)
    blocks = code.block_points[:, None]
    clean = np.sin(4 * code.storage @ blocks)
    wanted = np.sin(4 * blocks)[:, 0]
    matrix = code.decode_matrix(everyone)
    bias = matrix @ clean[:, 0] - wanted
    expected = np.mean(bias**2) + 0.3**2 * np.mean(np.sum(matrix**2, axis=1))
    noisy = clean + 0.3 * rng.standard_normal((40, 4000))
    drawn = np.mean((code.decode(noisy, everyone).values - wanted[:, None]) ** 2, axis=0)
    assert abs(drawn.mean() - expected) <= 3 * drawn.std() / np.sqrt(drawn.size)


# Places


@pytest.mark.parametrize("kind", ["first", "second"])
def test_points_are_chebyshevs(kind):
    for n in (1, 2, 3, 8, 41):
        points = chebyshev(n, kind)
        assert_array_equal(points, -points[::-1])
        angles = (
            (2 * np.arange(n) + 1) / (2 * n) if kind == "first" else np.arange(n) / (n - 1 or 1)
        )
        wanted = np.cos(np.pi * angles)[::-1] if n > 1 else [0.0]
        assert_allclose(points, wanted, atol=1e-15)
        assert n == 1 or np.diff(points).min() > 0


@pytest.mark.parametrize("n", [1, 2, 7, 40, 100, 1000])
def test_consecutive_workers_are_scattered(n):
    for seed in range(5):
        places = scattered(n, seed)
        assert_array_equal(np.sort(places), np.arange(n))
        assert_array_equal(places, scattered(n, seed))
        for size in {2, 4, 8, n // 4} & set(range(2, n // 4 + 1)):
            gone = np.sort(np.lib.stride_tricks.sliding_window_view(places, size), axis=1)
            assert np.diff(gone, axis=1).min() > 1
    assert n < 7 or len({tuple(scattered(n, seed)) for seed in range(5)}) > 1


def test_a_lost_node_leaves_no_gap():
    apart = codes.make("letcc", n_workers=40, n_blocks=10, decoder_smoothing=0.0)
    beside = codes.make("letcc", n_workers=40, n_blocks=10, decoder_smoothing=0.0, permute=False)
    for start in range(0, 40, 8):
        arrived = np.ones(40, dtype=bool)
        arrived[start : start + 8] = False
        assert apart.lebesgue(arrived) < 3
        assert beside.lebesgue(arrived) > 5


@pytest.mark.parametrize(("n_blocks", "n_masks"), list(product(range(1, 9), range(1, 9))))
def test_masks_are_spread_evenly(n_blocks, n_masks):
    where = np.flatnonzero(mask_places(n_blocks, n_masks))
    assert where.size == n_masks
    gaps = np.diff([-1, *where, n_blocks + n_masks]) - 1
    assert gaps.sum() == n_blocks
    inner = gaps[1:-1]
    assert inner.size == 0 or inner.max() - inner.min() <= 1
    assert not mask_places(n_blocks, 0).any()
