import numpy as np
import pytest
from numpy.testing import assert_array_equal

from mpicode.codes.designs.field import field, prime_power


@pytest.mark.parametrize("size", [2, 3, 4, 5, 7, 8, 9, 16, 25, 27, 32])
def test_the_tables_are_those_of_a_field(size):
    f = field(size)
    every = np.arange(size)
    for table in (f.add, f.multiply):
        assert_array_equal(table, table.T)
    assert_array_equal(f.add[0], every)
    assert_array_equal(f.multiply[1], every)
    assert_array_equal(f.add[every, f.negative], 0)
    # each row is a permutation, so division is possible
    assert_array_equal(np.sort(f.add, axis=1), np.tile(every, (size, 1)))
    assert_array_equal(np.sort(f.multiply[1:], axis=1), np.tile(every, (size - 1, 1)))
    a, b, c = np.ix_(every, every, every)
    assert_array_equal(f.multiply[f.multiply[a, b], c], f.multiply[a, f.multiply[b, c]])
    assert_array_equal(f.multiply[a, f.add[b, c]], f.add[f.multiply[a, b], f.multiply[a, c]])


def test_powers_are_those_of_the_elements_other_than_0():
    assert_array_equal(field(11).powers(2), [1, 3, 4, 5, 9])
    assert len(field(27).powers(2)) == 13
    assert_array_equal(field(37).powers(4), np.unique(np.arange(1, 37) ** 4 % 37))


@pytest.mark.parametrize(
    ("number", "found"),
    [(1, None), (2, (2, 1)), (6, None), (12, None), (27, (3, 3)), (31, (31, 1))],
)
def test_prime_powers_are_known(number, found):
    assert prime_power(number) == found


def test_no_field_has_6_elements():
    with pytest.raises(ValueError, match="no field has 6 elements"):
        field(6)
