"""Which values of a polynomial over a prime field are wrong."""

from itertools import combinations

import numpy as np
import pytest

from mpicode.codes.data.field import LARGEST
from mpicode.codes.data.gao import wrong_values


def word(coefficients, points, prime):
    return [sum(c * x**k for k, c in enumerate(coefficients)) % prime for x in points]


@pytest.mark.parametrize("prime", [11, 65537, LARGEST])
@pytest.mark.parametrize("degree", [0, 1, 3])
def test_every_set_of_as_many_as_can_be_is_found(prime, degree):
    rng = np.random.default_rng(degree)
    points = [0, 2, 3, 5, 6, 8, 9, 10]
    most = (8 - degree - 1) // 2
    for n_wrong in range(most + 1):
        for places in combinations(range(8), n_wrong):
            values = word([int(c) for c in rng.integers(0, prime, degree + 1)], points, prime)
            for place in places:
                values[place] = (values[place] + int(rng.integers(1, prime))) % prime
            assert wrong_values(points, values, degree, prime) == list(places)


@pytest.mark.parametrize("prime", [11, LARGEST])
def test_words_of_special_form(prime):
    points = list(range(7))
    assert wrong_values(points, [0] * 7, 2, prime) == []
    assert wrong_values(points, [0, 0, 5, 0, 0, 0, 0], 2, prime) == [2]
    # the polynomial has a lower degree than it may
    assert wrong_values(points, [4, 4, 4, 9, 4, 8, 4], 2, prime) == [3, 5]
    # no value to spare: everything is a polynomial
    assert wrong_values([1, 2, 3], [5, 0, 9], 2, prime) == []
    assert wrong_values([1, 2], [5, 0], 2, prime) is None


def test_too_many_wrong_values_are_refused_or_lie_on_another_polynomial():
    rng = np.random.default_rng(3)
    points, degree, prime = list(range(9)), 4, 65537
    refused = 0
    for _ in range(300):
        values = word([int(c) for c in rng.integers(0, prime, 5)], points, prime)
        for place in rng.permutation(9)[:3]:
            values[place] = int(rng.integers(0, prime))
        refused += wrong_values(points, values, degree, prime) is None
    assert refused == 300


def test_one_liar_too_many_can_pass_another_polynomial_off_as_the_right_one():
    points, degree, prime = list(range(9)), 4, 65537
    # theirs agrees with the right one, which is 0, at the first four points
    theirs = [x * (x - 1) * (x - 2) * (x - 3) % prime for x in points]
    assert wrong_values(points, [0] * 7 + theirs[7:], degree, prime) == [7, 8]
    assert wrong_values(points, [0] * 6 + theirs[6:], degree, prime) == [4, 5]
