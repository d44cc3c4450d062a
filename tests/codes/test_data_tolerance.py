from math import comb

import numpy as np
import pytest

from mpicode import codes
from mpicode.codes import DataCode
from mpicode.codes.data_tolerance import data_tolerance


class Stored(DataCode):
    """Any storage."""

    name = "stored"


def test_every_set_is_tried_where_they_are_few():
    # blocks held by two workers each: sets of two that are both of a block decode nothing
    code = Stored(np.kron(np.eye(3), np.ones((2, 1))))
    row = data_tolerance(code, 2, count=100)
    # 15 pairs, and 6 neighbours around the ring, which are tried besides
    assert row.n_sets == comb(6, 2) + 6
    assert row.decodable_share == pytest.approx(1 - (3 + 3) / 21)
    assert row.mean_lebesgue == row.worst_lebesgue == 1
    assert data_tolerance(code, 4, count=100).worst_lebesgue is None
    assert data_tolerance(code, 4, count=100).mean_lebesgue is None
    assert data_tolerance(code, 0, count=100)[:3] == (0, 1, 1.0)


def test_sets_too_small_to_find_a_wrong_answer_do_not_count():
    parameters = {"n_blocks": 2, "degree": 2, "n_corrupt": 1, "n_colluding": 1, "n_stragglers": 2}
    code = codes.make("lagrange", n_workers=9, **parameters)
    assert data_tolerance(code, 2, count=100).decodable_share == 1
    assert data_tolerance(code, 3, count=100).decodable_share == 0


def test_neighbours_on_the_line_are_worse_than_any_drawn():
    code = codes.make("letcc", n_workers=40, n_blocks=10, decoder_smoothing=0.0, points="second")
    row = data_tolerance(code, 10, count=100, seed=1)
    # the table of section 1.4: 3.27 on average, 39.4 for neighbours
    assert row.mean_lebesgue == pytest.approx(3.27, rel=0.1)
    assert row.worst_lebesgue == pytest.approx(39.4, rel=0.01)
    berrut = data_tolerance(codes.make("berrut", n_workers=40, n_blocks=10), 10, count=100)
    assert berrut.mean_lebesgue == pytest.approx(5.01, rel=0.1)
    assert berrut.worst_lebesgue == pytest.approx(27.6, rel=0.01)


def test_the_same_seed_tries_the_same_sets():
    code = codes.make("berrut", n_workers=30, n_blocks=10)
    assert data_tolerance(code, 6, 50, seed=3) == data_tolerance(code, 6, 50, seed=3)
    assert data_tolerance(code, 6, 50, seed=3) != data_tolerance(code, 6, 50, seed=4)
