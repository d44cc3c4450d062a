"""Berrut's interpolant: no poles, exact hits, its bound, its masks."""

from itertools import combinations, pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from mpicode import codes
from mpicode.codes.data.berrut import Berrut, berrut
from mpicode.codes.data.points import chebyshev
from mpicode.errors import ConfigError, NotDecodable

from ..data_suite import DataCodeSuite

GRID = np.linspace(-1, 1, 4001)


class TestBerrut(DataCodeSuite):
    code = Berrut
    cases = (
        {"n_workers": 1, "n_stragglers": 0},
        {"n_workers": 2},
        {"n_workers": 9, "n_blocks": 4, "n_stragglers": 8},
        {"n_workers": 12, "n_blocks": 12, "points": "first", "seed": 5},
        {"n_workers": 40, "n_blocks": 10, "n_stragglers": 10, "permute": False},
        {"n_workers": 20, "n_blocks": 8, "n_stragglers": 4, "n_colluding": 2},
    )


def responders(rng, n_least=2):
    """The points of a random set of workers, ascending, and their places."""
    n = int(rng.integers(n_least, 60))
    size = int(rng.integers(n_least, n + 1))
    places = np.sort(rng.choice(n, size=size, replace=False))
    return chebyshev(n, rng.choice(["first", "second"]))[places], places


def poles(knots, signs):
    """How often the denominator changes sign between neighbouring knots, where it has no poles."""
    found = 0
    for low, high in pairwise(knots):
        between = np.linspace(low, high, 42)[1:-1]
        values = (signs / (between[:, None] - knots)).sum(axis=1)
        found += int((np.sign(values[1:]) != np.sign(values[:-1])).sum())
    return found


def test_there_is_no_pole_whoever_is_missing_and_with_the_signs_of_workers_there_are():
    rng = np.random.default_rng(0)
    by_worker = 0
    for _ in range(500):
        knots, places = responders(rng)
        assert poles(knots, (-1.0) ** np.arange(knots.size)) == 0
        weights = berrut(knots, GRID)
        assert np.isfinite(weights).all()
        # far below what a pole between two points of the grid would make of them
        inside = (knots[0] <= GRID) & (knots[-1] >= GRID)
        assert np.abs(weights[inside]).sum(axis=1).max(initial=0) < 100
        by_worker += poles(knots, (-1.0) ** places) > 0
    assert by_worker > 300


def test_rows_sum_to_one_and_knots_are_hit():
    rng = np.random.default_rng(1)
    for _ in range(100):
        knots, _ = responders(rng, 1)
        assert_allclose(berrut(knots, GRID).sum(axis=1), 1, atol=1e-12)
        assert_array_equal(berrut(knots, knots), np.eye(knots.size))


def test_a_block_where_a_worker_sits_is_taken_as_it_is():
    # (N - 1)(2j + 1) = 2Ki: the worker in the middle has the block in the middle
    code = codes.make("berrut", n_workers=9, n_blocks=3)
    holder = int(np.argmin(np.abs(code.worker_points)))
    assert_array_equal(code.storage[holder], [0, 1, 0])
    matrix = code.decode_matrix(np.ones(9, dtype=bool))
    assert_array_equal(matrix[1], np.arange(9) == holder)


def test_the_error_is_below_the_bound_of_floater_and_hormann():
    """h (1 + beta) ((b - a) / 2 |g''| [+ |g'|]), Numerische Mathematik 107, 2007, theorem 3."""
    rng = np.random.default_rng(2)
    for _ in range(400):
        knots, _ = responders(rng, 4)
        frequency, phase = rng.uniform(0.5, 8), rng.uniform(0, 7)
        inside = GRID[(knots[0] <= GRID) & (knots[-1] >= GRID)]
        error = berrut(knots, inside) @ np.sin(frequency * knots + phase)
        error -= np.sin(frequency * inside + phase)
        gaps = np.diff(knots)
        inner, left, right = gaps[1:-1], gaps[:-2], gaps[2:]
        beta = np.maximum.reduce([np.minimum(inner / left, inner / right), np.zeros(inner.size)])
        curvature = (knots[-1] - knots[0]) / 2 * frequency**2
        slope = frequency * (knots.size % 2)
        assert np.abs(error).max() <= gaps.max() * (1 + beta.max()) * (curvature + slope)


def test_with_halved_ends_all_points_of_the_second_kind_give_the_polynomial():
    """So the interpolant differs from the polynomial by its end weights alone."""
    for n in (2, 5, 8, 13):
        knots = chebyshev(n, "second")
        weights = berrut(knots, GRID)
        weights[:, [0, -1]] /= 2
        weights /= weights.sum(axis=1, keepdims=True)
        free = np.abs(GRID[:, None] - knots).min(axis=1) > 1e-12
        for degree in range(n):
            assert_allclose(weights[free] @ knots**degree, GRID[free] ** degree, atol=1e-11)


def test_nobody_answering_is_not_decodable():
    code = codes.make("berrut", n_workers=5)
    with pytest.raises(NotDecodable, match="code 'berrut': 0 of 5 answers, wants at least 1"):
        code.decode_matrix(np.zeros(5, dtype=bool))


# Masks


def by_determinants(code, colluders, power):
    """The formula of the private variant as it is printed."""
    rows = code.storage[list(colluders)]
    data, masks = rows[:, : code.n_blocks], rows[:, code.n_blocks :]
    ratio = np.linalg.solve(masks @ masks.T, data @ data.T)
    return np.log2(np.linalg.det(np.eye(len(rows)) + power * ratio))


def test_what_colluders_learn_is_the_printed_formula():
    code = codes.make("berrut", n_workers=12, n_blocks=4, n_colluding=2, mask_scale=3.0)
    for colluders in combinations(range(12), 2):
        wanted = by_determinants(code, colluders, 4 / 9)
        assert code.leakage(colluders, data_scale=2.0) == pytest.approx(wanted, rel=1e-6)
    assert code.leakage([]) == 0
    assert code.leakage([3, 3]) == code.leakage([3]) < code.leakage([3, 4])
    assert code.leakage([1, 2, 3]) == np.inf
    assert codes.make("berrut", n_workers=12, n_blocks=4).leakage([0]) == np.inf


def test_blocks_that_are_alike_tell_more_but_within_the_bound():
    code = codes.make("berrut", n_workers=12, n_blocks=4, n_colluding=2)
    above = 0
    for pair in combinations(range(12), 2):
        rows = code.storage[list(pair)]
        together = rows[:, :4].sum(axis=1)  # all blocks one and the same, of variance 1
        noise = rows[:, 4:] @ rows[:, 4:].T
        told = np.linalg.slogdet(noise + np.outer(together, together))[1]
        told = (told - np.linalg.slogdet(noise)[1]) / np.log(2)
        above += told > code.leakage(pair)
        assert told <= code.leakage(pair, data_scale=2.0)
    assert above > 0


@pytest.mark.parametrize("worker", [-1, 12])
def test_a_colluder_that_does_not_exist_is_named(worker):
    code = codes.make("berrut", n_workers=12, n_blocks=4, n_colluding=2)
    with pytest.raises(ConfigError, match=f"worker {worker} does not exist: there are 12"):
        code.leakage([0, worker])


def test_larger_masks_hide_more_and_cost_accuracy():
    leaks, errors = [], []
    rng = np.random.default_rng(3)
    for scale in (1.0, 10.0, 100.0):
        code = codes.make("berrut", n_workers=20, n_blocks=6, n_colluding=2, mask_scale=scale)
        leaks.append(max(code.leakage(pair) for pair in combinations(range(20), 2)))
        blocks = rng.standard_normal((8, 500))
        blocks[6:] *= scale
        values = code.decode(code.storage @ blocks, np.ones(20, dtype=bool)).values
        errors.append(np.sqrt(np.mean((values - blocks[:6]) ** 2)))
    # each of the two numbers seen tells log2(10) bits less, up to what it tells at all
    assert leaks[0] > leaks[1] + 6
    assert leaks[1] > leaks[2] + 4
    assert errors[0] < errors[1] < errors[2]


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"n_blocks": 0}, r"code\.n_blocks: 0 blocks .* by 8 workers; wants 1 to 8"),
        ({"n_blocks": 9}, r"code\.n_blocks: 9 blocks .* by 8 workers; wants 1 to 8"),
        ({"n_blocks": 7, "n_colluding": 2}, r"7 blocks .* 8 workers, 2 of them for masks; .* 6"),
        ({"n_colluding": -1}, r"code\.n_colluding: must not be negative, got -1"),
        ({"n_colluding": 8}, r"code\.n_blocks: 1 blocks .* 8 of them for masks"),
        ({"mask_scale": 0.0}, r"code\.mask_scale: must be positive and finite, got 0\.0"),
        ({"mask_scale": float("nan")}, r"code\.mask_scale: .* got nan"),
        ({"n_stragglers": 8}, r"code\.n_stragglers: 8 of 8 workers"),
        ({"points": "third"}, r"code\.points: 'third' is not one of 'second', 'first'"),
        ({"permute": 1}, r"code\.permute: wants true or false, got 1"),
    ],
)
def test_impossible_numbers_are_named(parameters, said):
    with pytest.raises(ConfigError, match=said):
        codes.make("berrut", n_workers=8, **parameters)


def test_a_worker_that_would_see_a_block_bare_is_named():
    said = r"code\.n_colluding: .* worker \d of 9 would see block 1 of 3 bare"
    with pytest.raises(ConfigError, match=said):
        codes.make("berrut", n_workers=9, n_blocks=3, n_colluding=2)
