"""What the error is made of, and what the answers tell of it."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from mpicode import codes
from mpicode.codes.data.error_terms import error_terms, estimated_error, left_out
from mpicode.errors import ConfigError


def relu_layer(rng, d=6, length=9):
    """A function and its Lipschitz constant."""
    weights = rng.standard_normal((d, length))
    return lambda x: np.maximum(x @ weights, 0), float(np.linalg.norm(weights, 2))


@pytest.mark.parametrize("encoder", [0.0, 1e-6, 1e-3, 1.0])
def test_the_loss_is_below_the_bound_whoever_answers_and_whatever(encoder):
    rng = np.random.default_rng(0)
    f, lipschitz = relu_layer(rng)
    code = codes.make("letcc", n_workers=20, n_blocks=6, encoder_smoothing=encoder)
    blocks = rng.standard_normal((6, 6))
    for n_lost in (0, 5, 17):
        arrived = rng.permutation(20) >= n_lost
        noisy = f(code.storage @ blocks) + 0.1 * rng.standard_normal((20, 9))
        for answers in (None, noisy):
            terms = error_terms(code, blocks, f, arrived, lipschitz, answers)
            assert terms.loss <= terms.bound * (1 + 1e-12)
            assert terms.bound == pytest.approx(
                2 * terms.generalization + 2 * lipschitz**2 * terms.training
            )
            if encoder == 0:
                assert terms.training < 1e-28
                assert terms.loss == pytest.approx(terms.generalization)
            else:
                assert terms.training > 1e-6


def test_the_parts_are_what_they_are_called():
    rng = np.random.default_rng(1)
    f, lipschitz = relu_layer(rng)
    code = codes.make("letcc", n_workers=12, n_blocks=5, encoder_smoothing=1e-3)
    blocks = rng.standard_normal((5, 6))
    arrived = np.arange(12) != 3
    terms = error_terms(code, blocks, f, arrived, lipschitz)
    curve = code.encoder(code.block_points, code.block_points) @ blocks
    values = code.decode(f(code.storage @ blocks), arrived).values
    assert terms.training == pytest.approx(np.mean(np.sum((curve - blocks) ** 2, axis=1)))
    missed = np.mean(np.sum((values - f(curve)) ** 2, axis=1))
    assert terms.generalization == pytest.approx(missed)
    assert terms.loss == pytest.approx(np.mean(np.sum((values - f(blocks)) ** 2, axis=1)))


def test_masks_are_rows_of_the_blocks_too():
    rng = np.random.default_rng(2)
    f, lipschitz = relu_layer(rng)
    code = codes.make("berrut", n_workers=20, n_blocks=4, n_colluding=2)
    blocks = rng.standard_normal((6, 6))
    terms = error_terms(code, blocks, f, np.ones(20, dtype=bool), lipschitz)
    assert terms.training == 0
    assert 0 < terms.loss <= terms.bound
    with pytest.raises(ConfigError, match=r"blocks: 4 rows, but .* has 4 blocks and 2 masks"):
        error_terms(code, blocks[:4], f, np.ones(20, dtype=bool), lipschitz)


@pytest.mark.parametrize("name", ["berrut", "letcc"])
def test_an_answer_is_held_against_what_the_others_say(name):
    rng = np.random.default_rng(3)
    code = codes.make(name, n_workers=11, n_blocks=4)
    answers = rng.standard_normal((11, 3))
    arrived = np.arange(11) != 5
    workers = code.along(arrived)
    weights = left_out(code, answers, arrived)
    assert weights.shape == (8, 11)
    for row, worker in zip(weights, workers[1:-1], strict=True):
        others = [w for w in workers if w != worker]
        said = code.curve(code.worker_points[others], code.worker_points[[worker]])[0]
        wanted = answers[worker] - said @ answers[others]
        assert_allclose(row[arrived] @ answers[arrived], wanted, atol=1e-12)
    assert not weights[:, ~arrived].any()
    assert_allclose(weights.sum(axis=1), 0, atol=1e-12)


def test_the_estimate_is_on_the_safe_side_and_of_the_right_size():
    rng = np.random.default_rng(4)
    squares, estimates = [], []
    for _ in range(40):
        f, _ = relu_layer(rng)
        code = codes.make("letcc", n_workers=30, n_blocks=10)
        blocks = rng.standard_normal((10, 6))
        arrived = rng.permutation(30) >= 6
        answers = f(code.storage @ blocks)
        squares.append(np.mean((code.decode(answers, arrived).values - f(blocks)) ** 2))
        found = estimated_error(code, answers, arrived)
        assert found.shape == (10, 9)
        estimates.append(np.mean(found**2))
    ratio = np.sqrt(np.mean(estimates) / np.mean(squares))
    assert 1 < ratio < 6


def test_what_is_known_exactly_is_estimated_so():
    code = codes.make("letcc", n_workers=9, n_blocks=3)
    answers = np.tile([2.0, -1.0], (9, 1))
    arrived = np.arange(9) > 1
    assert_allclose(estimated_error(code, answers, arrived), 0, atol=1e-13)


def test_three_answers_tell_nothing_of_their_error():
    code = codes.make("letcc", n_workers=9, n_blocks=3)
    answers = [np.arange(4.0) if i < 3 else None for i in range(9)]
    found = estimated_error(code, answers, np.arange(9) < 3)
    assert_array_equal(found, np.full((3, 4), np.nan))
    assert np.isfinite(estimated_error(code, np.ones((9, 4)), np.arange(9) < 4)).all()


def test_noise_shows_in_the_estimate_of_cross_validated_answers():
    rng = np.random.default_rng(5)
    code = codes.make("letcc", n_workers=40, n_blocks=5, decoder_smoothing="gcv")
    everyone = np.ones(40, dtype=bool)
    clean = np.tile(np.sin(code.worker_points)[:, None], (1, 50))
    found = estimated_error(code, clean + 0.5 * rng.standard_normal(clean.shape), everyone)
    assert 0.4 < np.sqrt(np.mean(found**2)) < 0.7
