import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from mpicode import codes
from mpicode.codes.gradient.completions import Completions, fixed_sets, worst_sets
from mpicode.codes.sets import all_sets, straggler_sets


def make(n, s, complex_ones):
    name = "reed-solomon" if complex_ones else "ye-abbe"
    more = {} if complex_ones else {"n_segments": 2}
    code = codes.make(name, n_workers=n, n_stragglers=s, **more)
    return code, Completions(code.encoding.toarray(), code.n_segments, s)


@pytest.mark.parametrize("complex_ones", [False, True])
@pytest.mark.parametrize(("n", "s"), [(7, 0), (7, 3), (20, 5)])
def test_amplifications_are_those_of_the_coefficients(n, s, complex_ones):
    _, completions = make(n, s, complex_ones)
    sets = straggler_sets(n, s, 60, np.random.default_rng(0))
    norms = [np.linalg.norm(completions(lost), 2) for lost in sets]
    assert_allclose(completions.amplifications(sets), norms, rtol=1e-9)


def test_fewer_missing_than_tolerated_give_the_smallest_coefficients():
    code, completions = make(8, 3, False)
    encoding = code.encoding.toarray()
    for lost in all_sets(8, 2):
        wanted = np.zeros((2, 8))
        target = np.kron(np.eye(2), np.ones(8))
        kept = np.setdiff1d(np.arange(8), lost)
        wanted[:, kept] = target @ np.linalg.pinv(encoding[kept], rcond=1e-12)
        assert_allclose(completions(lost), wanted, atol=1e-12)


def test_a_code_that_needs_every_worker_of_a_pair_amplifies_without_bound():
    # Workers 0 and 1 send the same, so either suffices; without both the sum is lost.
    encoding = np.array([[1.0, 1, 0], [1, 1, 0], [0, 0, 1], [1, 1, 1]])
    amplifications = Completions(encoding, 1, 2).amplifications(all_sets(4, 2))
    singular = {tuple(s) for s, a in zip(all_sets(4, 2), amplifications, strict=True) if a > 1e6}
    assert singular == {(2, 3)}


def test_climbing_finds_what_is_hidden_among_many_sets():
    hidden = np.arange(3, 24, 4)

    def amplifications(sets):
        return 1.0 + np.isin(sets, hidden).sum(axis=1)

    n, size = 24, hidden.size
    sets = fixed_sets(n, size, size + 1, np.random.default_rng(0))
    worst, found = worst_sets(amplifications, sets, n, 1e7)
    assert worst == 1 + size
    assert_array_equal(found, np.tile(hidden, (len(found), 1)))
    # No need to look further when what was given is bad enough.
    assert worst_sets(amplifications, sets, n, 1.5)[0] == amplifications(sets).max()


def test_few_sets_are_tried_one_and_all():
    assert_array_equal(fixed_sets(9, 3, 4, np.random.default_rng(0)), all_sets(9, 3))
