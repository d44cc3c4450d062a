import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from mpicode import codes
from mpicode.codes.gradient.cyclic import Cyclic, amplifications
from mpicode.codes.sets import all_sets, runs, straggler_sets
from mpicode.errors import ConfigError

from ..suite import CodeSuite


class TestCyclic(CodeSuite):
    code = Cyclic
    earliest = False  # it counts, and a few regular sets would do with fewer
    cases = (
        {"n_workers": 1, "n_stragglers": 0},
        {"n_workers": 5, "n_stragglers": 0},
        {"n_workers": 5, "n_stragglers": 4},
        {"n_workers": 6, "n_stragglers": 2, "seed": 3},
        {"n_workers": 7, "n_stragglers": 3, "n_blocks": 14},
        {"n_workers": 12, "n_stragglers": 5},
        {"n_workers": 20, "n_stragglers": 5},
        {"n_workers": 24, "n_stragglers": 6},
        {"n_workers": 40, "n_stragglers": 4},
    )


@pytest.mark.parametrize(("n", "s"), [(6, 2), (9, 4), (20, 5), (21, 3)])
def test_worker_i_holds_the_blocks_from_i_on(n, s):
    code = codes.make("cyclic", n_workers=n, n_stragglers=s)
    for worker in range(n):
        assert_array_equal(code.blocks(worker), np.sort((worker + np.arange(s + 1)) % n))


@pytest.mark.parametrize(("n", "s"), [(6, 2), (9, 4), (20, 5), (21, 3)])
def test_rows_span_one_dimension_per_answer_awaited(n, s):
    code = codes.make("cyclic", n_workers=n, n_stragglers=s)
    rows = code.encoding.toarray()
    assert_allclose(np.linalg.norm(rows, axis=1), np.sqrt(s + 1))
    singular = np.linalg.svd(rows, compute_uv=False)
    assert singular[n - s - 1] > 1e-6
    assert singular[n - s] < 1e-12


def test_two_seeds_give_two_codes_where_random_ones_win():
    one, other = (codes.make("cyclic", n_workers=8, n_stragglers=6, seed=s) for s in (1, 2))
    assert (one.encoding != other.encoding).nnz > 0


def test_the_best_of_many_draws_is_kept():
    matrix = codes.make("cyclic", n_workers=8, n_stragglers=6).encoding.toarray()
    assert amplifications(matrix, all_sets(8, 6)).max() < 10


@pytest.mark.parametrize(("n", "s"), [(7, 3), (13, 3)])
def test_amplifications_are_those_of_the_decodings(n, s):
    code = codes.make("cyclic", n_workers=n, n_stragglers=s)
    sets = straggler_sets(n, s, 50, np.random.default_rng(0))
    decoded = [code.decode(~np.isin(np.arange(n), lost)).amplification for lost in sets]
    assert_allclose(amplifications(code.encoding.toarray(), sets), decoded, rtol=1e-8)


@pytest.mark.parametrize(("n", "s"), [(13, 4), (16, 3), (18, 5)])
def test_the_hard_sets_are_the_hardest(n, s):
    code = codes.make("cyclic", n_workers=n, n_stragglers=s)
    matrix = code.encoding.toarray()
    worst = amplifications(matrix, all_sets(n, s)).max()
    assert_allclose(amplifications(matrix, code.hard_sets(s)).max(), worst, rtol=1e-6)


@pytest.mark.parametrize(("n", "s"), [(20, 5), (30, 5), (40, 9)])
def test_it_amplifies_far_less_than_a_random_code(n, s):
    """A single Gaussian draw of H, as the paper has it, reaches 1e5 to 1e7 on these."""
    matrix = codes.make("cyclic", n_workers=n, n_stragglers=s).encoding.toarray()
    sets = straggler_sets(n, s, 2000, np.random.default_rng(1))
    assert amplifications(matrix, sets).max() < 1e5
    assert amplifications(matrix, runs(n, s)).max() < 100  # a lost node


@pytest.mark.parametrize(("n", "s"), [(40, 20), (60, 30), (64, 37)])
def test_a_code_that_would_lose_half_the_digits_is_refused(n, s):
    said = rf"code\.n_stragglers: .* {n} workers that tolerates {s} amplifies"
    with pytest.raises(ConfigError, match=said):
        codes.make("cyclic", n_workers=n, n_stragglers=s)


def test_every_code_of_up_to_thirty_workers_can_be_had():
    for n in range(1, 31):
        for s in range(0, n, 1 + n // 8):
            assert codes.make("cyclic", n_workers=n, n_stragglers=s).max_stragglers == s
