"""How fast the error falls: slopes of log MSE beside the exponents of the theorems.

Blocks lie on a straight line, so that workers compute the function where they sit. The same
experiments, with more sizes and both codes, are in benchmarks/rates.py.
"""

import numpy as np
import pytest

from mpicode import codes

# half an octave apart
WORKERS = [round(32 * 2 ** (i / 2)) for i in range(11)]
SLACK = 0.15


def made(name, n, n_blocks=29, **parameters):
    if name == "letcc":
        parameters.setdefault("decoder_smoothing", 0.0)
    return codes.make(
        name, n_workers=n, n_blocks=n_blocks, points="second", permute=False, **parameters
    )


def slope(sizes, errors):
    return np.polyfit(np.log(sizes), np.log(errors), 1)[0]


def missed(code, function, arrived=None):
    """Decoded values less true ones, (n_blocks, length)."""
    arrived = np.ones(code.n_workers, dtype=bool) if arrived is None else arrived
    blocks = code.block_points[:, None]
    return code.decode(function(code.storage @ blocks), arrived).values - function(blocks)


def at_the_kink(name, power):
    errors = []
    for n in WORKERS:
        code = made(name, n)
        off = missed(code, lambda x, c=code.block_points: np.abs(x - c) ** power)
        errors.append(np.mean(np.diag(off) ** 2))
    return slope(WORKERS, errors)


def test_the_least_smooth_function_allowed_has_the_exponent_of_the_theorem():
    assert at_the_kink("letcc", 1.51) == pytest.approx(-3.0, abs=SLACK)
    assert at_the_kink("letcc", 3.0) < -6 + SLACK
    # Berrut's functions know nothing of smoothness
    assert at_the_kink("berrut", 1.51) == pytest.approx(-2.0, abs=SLACK)
    assert at_the_kink("berrut", 3.0) == pytest.approx(-2.0, abs=SLACK)


def with_a_gap(name, n=1024):
    sizes, code, errors = [4, 8, 16, 32, 64], made(name, n), []
    for size in sizes:
        squares = []
        for k in range(0, code.n_blocks, 4):
            centre = code.block_points[k]
            arrived = np.ones(n, dtype=bool)
            near = np.argsort(np.abs(code.worker_points - centre), kind="stable")
            arrived[near[:size]] = False
            off = missed(code, lambda x, c=centre: np.abs(x - c) ** 1.51, arrived)
            squares.append(off[k, 0] ** 2)
        errors.append(np.mean(squares))
    return slope(sizes, errors)


def test_of_stragglers_side_by_side_it_grows_at_most_as_the_third_power():
    assert 2 < with_a_gap("letcc") < 3
    assert with_a_gap("berrut") == pytest.approx(2.0, abs=SLACK)


def test_rectified_kinks_anywhere():
    centres = np.random.default_rng(1).uniform(-1, 1, 200)
    for name, bound in (("letcc", -3.0), ("berrut", -2.0)):
        errors = [
            np.mean(missed(made(name, n), lambda x: np.maximum(x - centres, 0)) ** 2)
            for n in WORKERS
        ]
        assert slope(WORKERS, errors) < bound + SLACK


def with_noise(name, smoothing=None):
    """By the exact bias and variance."""
    errors = []
    for n in WORKERS:
        given = {} if smoothing is None else {"decoder_smoothing": smoothing(n)}
        code = made(name, n, 10, **given)
        off = missed(code, lambda x: 4 * x * np.sin(4 * x))
        weights = code.decode_matrix(np.ones(n, dtype=bool))
        errors.append(np.mean(off**2) + 0.3**2 * np.mean(np.sum(weights**2, axis=1)))
    return slope(WORKERS, errors)


def test_noise_is_averaged_away_by_smoothing_alone():
    assert with_noise("letcc", lambda n: 1e-3 * n**-0.8) < -0.6 + SLACK
    assert with_noise("letcc") > -0.15
    assert with_noise("berrut") > -0.15


@pytest.mark.parametrize("a", [0.0, 0.3, 0.5, 0.7])
def test_corrupt_answers_shift_the_values_as_little_as_the_theorem_says(a):
    """N^a of them are wrong by 1, where each value is hurt most."""
    slopes = {}
    for name in ("letcc", "berrut"):
        errors = []
        for n in WORKERS:
            n_corrupt = max(1, round(n**a))
            given = {"n_corrupt": n_corrupt, "decoder_smoothing": "lebesgue"}
            code = made(name, n, 10, **(given if name == "letcc" else {}))
            off = np.abs(missed(code, lambda x: x * np.sin(x))[:, 0])
            weights = np.abs(code.decode_matrix(np.ones(n, dtype=bool)))
            shift = np.sort(weights, axis=1)[:, -n_corrupt:].sum(axis=1)
            errors.append(np.mean((off + shift) ** 2))
        slopes[name] = slope(WORKERS, errors)
    assert slopes["letcc"] < 1.2 * (a - 1) + SLACK
    assert slopes["berrut"] > -0.1
