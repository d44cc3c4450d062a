import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from mpicode import codes
from mpicode.codes.gradient.completions import Completions
from mpicode.codes.gradient.cyclic import Cyclic, orthogonal_to
from mpicode.codes.sets import all_sets, runs, straggler_sets
from mpicode.errors import ConfigError

from ..even import EvenSuite
from ..suite import CodeSuite


class TestCyclic(EvenSuite, CodeSuite):
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
    one, other = (codes.make("cyclic", n_workers=6, n_stragglers=1, seed=s) for s in (1, 2))
    assert (one.encoding != other.encoding).nnz > 0


def amplifications(code, sets):
    completions = Completions(code.encoding.toarray(), 1, code.max_stragglers)
    return completions.amplifications(sets)


@pytest.mark.parametrize(("n", "s"), [(5, 0), (6, 2), (8, 6), (9, 4), (20, 5)])
def test_rows_are_what_algorithm_1_makes_of_their_null_space(n, s):
    """Of H with H 1 = 0, any s columns of which are independent; waves or draws, it is the same."""
    code = codes.make("cyclic", n_workers=n, n_stragglers=s)
    rows = code.encoding.toarray()
    null = np.linalg.svd(rows)[2][n - s :]
    assert_allclose(null @ np.ones(n), 0, atol=1e-13)
    columns = null.T[straggler_sets(n, s, 200, np.random.default_rng(0))]
    assert np.linalg.svd(columns, compute_uv=False).min(initial=1) > 1e-5
    assert_allclose(rows, rows.diagonal()[:, None] * orthogonal_to(null), atol=1e-10)


@pytest.mark.parametrize(("n", "s", "limit"), [(8, 6, 7), (4, 1, 2), (12, 5, 60)])
def test_the_best_of_many_is_kept(n, s, limit):
    code = codes.make("cyclic", n_workers=n, n_stragglers=s)
    assert amplifications(code, all_sets(n, s)).max() < limit


@pytest.mark.parametrize(("n", "s"), [(13, 4), (16, 3), (18, 5)])
def test_the_hard_sets_are_the_hardest(n, s):
    code = codes.make("cyclic", n_workers=n, n_stragglers=s)
    worst = amplifications(code, all_sets(n, s)).max()
    assert_allclose(amplifications(code, code.hard_sets(s)).max(), worst, rtol=1e-6)


@pytest.mark.parametrize(
    ("n", "s", "limit"), [(20, 5, 200), (30, 5, 500), (40, 9, 1e4), (100, 10, 1e5), (300, 5, 2000)]
)
def test_it_amplifies_far_less_than_a_random_code(n, s, limit):
    """A single Gaussian draw of H, as the paper has it, reaches 1e5 to 1e7 on the first three."""
    code = codes.make("cyclic", n_workers=n, n_stragglers=s)
    sets = straggler_sets(n, s, 2000, np.random.default_rng(1))
    assert amplifications(code, np.concatenate([sets, code.hard_sets(s)])).max() < limit
    assert amplifications(code, runs(n, s)).max() < 100  # a lost node


@pytest.mark.parametrize(("n", "s"), [(50, 25), (60, 30)])
def test_a_code_that_would_lose_half_the_digits_is_refused(n, s):
    said = rf"code\.n_stragglers: 'cyclic' with {n} workers of which {s} .* amplifies"
    with pytest.raises(ConfigError, match=said):
        codes.make("cyclic", n_workers=n, n_stragglers=s)


def test_every_code_of_up_to_thirty_workers_can_be_had():
    for n in (1, 2, 3, 10, 17, 30):
        for s in range(0, n, 1 + n // 5):
            assert codes.make("cyclic", n_workers=n, n_stragglers=s).max_stragglers == s
