import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from mpicode import codes
from mpicode.codes.gradient.cyclic_mds import CyclicMDS
from mpicode.codes.sets import runs
from mpicode.errors import ConfigError

from ..even import EvenSuite
from ..suite import CodeSuite


class TestCyclicMDS(EvenSuite, CodeSuite):
    code = CyclicMDS
    earliest = False  # it counts, and a few regular sets would do with fewer
    cases = (
        {"n_workers": 1, "n_stragglers": 0},
        {"n_workers": 4, "n_stragglers": 0},
        {"n_workers": 5, "n_stragglers": 4},
        {"n_workers": 6, "n_stragglers": 2},
        {"n_workers": 7, "n_stragglers": 2, "n_blocks": 14},
        {"n_workers": 12, "n_stragglers": 5},
        {"n_workers": 20, "n_stragglers": 6},
        {"n_workers": 30, "n_stragglers": 5},
    )


@pytest.mark.parametrize(("n", "s"), [(5, 2), (6, 3), (9, 4), (12, 7), (13, 6), (16, 15)])
def test_the_rows_are_one_codeword_of_the_cyclic_code_moved_on(n, s):
    rows = codes.make("cyclic-mds", n_workers=n, n_stragglers=s).encoding.toarray()
    for i in range(n):
        assert_allclose(rows[i], np.roll(rows[0], i), rtol=1e-14)
    assert_array_equal(np.flatnonzero(rows[0]), np.arange(s + 1))
    # A polynomial with the coefficients of row 0 vanishes at s consecutive powers, not at 1.
    spectrum = np.abs(np.fft.fft(rows[0]))
    first = (n - s + 1) // 2
    zeros = np.isin(np.arange(n), np.arange(first, first + s))
    mirrored = (-np.arange(n)) % n
    zeros = zeros[mirrored] if np.iscomplexobj(rows) else zeros
    assert spectrum[zeros].max() < 1e-14 * spectrum.max()
    assert spectrum[~zeros].min() > 1e-6 * spectrum.max()
    assert not zeros[0]


@pytest.mark.parametrize("n", [2, 5, 8, 13])
def test_it_is_real_where_the_parity_allows(n):
    for s in range(1, n):
        code = codes.make("cyclic-mds", n_workers=n, n_stragglers=s)
        assert (code.encoding.dtype == np.float64) == ((n - s) % 2 == 1)


def test_coefficients_are_those_of_the_expanded_product():
    n, s = 9, 4
    row = codes.make("cyclic-mds", n_workers=n, n_stragglers=s).encoding.toarray()[0, : s + 1]
    roots = np.exp(2j * np.pi / n * np.arange(3, 7))
    assert_allclose(row / row[0], (np.poly(roots) / np.poly(roots)[0]).real, atol=1e-14)


@pytest.mark.parametrize(("n", "s"), [(13, 4), (12, 4), (16, 5)])
def test_runs_are_the_hardest_sets(n, s):
    code = codes.make("cyclic-mds", n_workers=n, n_stragglers=s)
    amplifications = [
        code.decode(~np.isin(np.arange(n), lost)).amplification
        for lost in (*code.hard_sets(s), *runs(n, s))
    ]
    assert_allclose(max(amplifications), amplifications[-1], rtol=1e-9)


@pytest.mark.parametrize(("n", "s"), [(60, 10), (100, 30)])
def test_a_code_that_would_lose_half_the_digits_is_refused(n, s):
    said = rf"code\.n_stragglers: 'cyclic-mds' with {n} workers of which {s} .* amplifies"
    with pytest.raises(ConfigError, match=said):
        codes.make("cyclic-mds", n_workers=n, n_stragglers=s)


def test_every_code_of_up_to_thirty_workers_can_be_had():
    for n in (1, 2, 3, 10, 17, 29, 30):
        for s in range(0, n, 1 + n // 5):
            assert codes.make("cyclic-mds", n_workers=n, n_stragglers=s).max_stragglers == s
