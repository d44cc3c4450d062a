import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from mpicode import codes
from mpicode.codes.base import GradientCode
from mpicode.codes.gradient.reed_solomon import ReedSolomon
from mpicode.errors import ConfigError

from ..even import EvenSuite
from ..suite import CodeSuite


class TestReedSolomon(EvenSuite, CodeSuite):
    code = ReedSolomon
    earliest = False  # it counts, and a few regular sets would do with fewer
    cases = (
        {"n_workers": 1, "n_stragglers": 0},
        {"n_workers": 4, "n_stragglers": 0},
        {"n_workers": 5, "n_stragglers": 4},
        {"n_workers": 6, "n_stragglers": 2, "n_blocks": 12},
        {"n_workers": 9, "n_stragglers": 4},
        {"n_workers": 20, "n_stragglers": 6},
        {"n_workers": 30, "n_stragglers": 5},
    )


@pytest.mark.parametrize(("n", "s"), [(5, 1), (8, 3), (12, 5), (9, 0)])
def test_columns_are_values_of_monic_polynomials_of_degree_f_minus_1(n, s):
    columns = codes.make("reed-solomon", n_workers=n, n_stragglers=s).encoding.toarray().T
    # Interpolation on the roots of unity is a Fourier transform; it gives all n coefficients.
    coefficients = np.fft.fft(columns, axis=1) / n
    assert_allclose(coefficients[:, n - s :], 0, atol=1e-13 * np.abs(coefficients).max())
    leading = coefficients[:, n - s - 1]
    assert_allclose(leading, leading[0])
    assert leading[0].real > 0


@pytest.mark.parametrize(("n", "s"), [(5, 1), (8, 3), (20, 6)])
def test_the_leading_coefficient_is_what_least_squares_finds(n, s):
    code = codes.make("reed-solomon", n_workers=n, n_stragglers=s)
    rng = np.random.default_rng(n)
    for _ in range(20):
        arrived = ~np.isin(np.arange(n), rng.choice(n, s, replace=False))
        general = GradientCode.solve(code, arrived)
        size = np.linalg.norm(general)
        assert_allclose(code.solve(arrived), general, atol=1e-13 * size**2)


@pytest.mark.parametrize(("n", "s"), [(6, 2), (9, 4)])
def test_all_workers_hold_equally_many_blocks(n, s):
    code = codes.make("reed-solomon", n_workers=n, n_stragglers=s)
    for worker in range(n):
        assert_array_equal(code.blocks(worker), np.sort((worker + np.arange(s + 1)) % n))


def test_a_code_that_would_lose_half_the_digits_is_refused():
    said = r"code\.n_stragglers: 'reed-solomon' with 60 workers of which 10 .* amplifies"
    with pytest.raises(ConfigError, match=said):
        codes.make("reed-solomon", n_workers=60, n_stragglers=10)
