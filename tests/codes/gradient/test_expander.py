import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from mpicode import codes
from mpicode.codes.gradient.expander import Expander
from mpicode.codes.sets import straggler_sets
from mpicode.errors import ConfigError

from ..approximate import ApproximateSuite
from ..even import EvenSuite
from ..suite import CodeSuite


class TestExpander(EvenSuite, ApproximateSuite, CodeSuite):
    code = Expander
    cases = (
        {"n_workers": 2, "replication": 1},
        {"n_workers": 5, "n_stragglers": 2},
        {"n_workers": 12, "replication": 3, "n_stragglers": 4, "n_blocks": 24},
        {"n_workers": 13, "replication": 6, "seed": 2},
        {"n_workers": 24, "replication": 3, "n_stragglers": 12},
    )


@pytest.mark.parametrize(("n", "degree"), [(24, 3), (24, 4), (50, 3), (25, 6)])
def test_the_error_over_any_stragglers_is_bounded_by_the_second_eigenvalue(n, degree):
    code = codes.make("expander", n_workers=n, replication=degree)
    mixing = code.second_eigenvalue / degree
    rows = code.encoding.toarray()
    for s in range(1, n, max(1, n // 12)):
        bound = mixing**2 * n * s / (n - s)
        sets = np.concatenate(
            [straggler_sets(n, s, 60, np.random.default_rng(s)), code.hard_sets(s)]
        )
        for lost in sets:
            arrived = ~np.isin(np.arange(n), lost)
            fixed = np.sum((n / (n - s) * arrived @ rows - 1) ** 2)
            assert fixed <= bound * (1 + 1e-9)
            assert code.decode(arrived).residual <= fixed * (1 + 1e-9) + 1e-20


@pytest.mark.parametrize(("n", "degree"), [(6, 2), (12, 2), (8, 3), (13, 6), (2, 1)])
def test_all_answers_together_have_coefficients_1(n, degree):
    # So the fixed decoding, which scales those of the full set, is that of the paper.
    code = codes.make("expander", n_workers=n, replication=degree)
    decoding = code.decode(np.ones(n, dtype=bool))
    assert_allclose(decoding.coefficients, np.ones((1, n)), rtol=1e-12)


def test_the_encoding_is_the_mean_over_the_neighbours():
    code = codes.make("expander", n_workers=14, replication=3)
    rows = code.encoding.toarray()
    assert_allclose(rows.sum(axis=1), 1)
    assert_array_equal(rows, rows.T)
    assert_array_equal(np.unique(rows), [0, 1 / 3])
    assert not rows.diagonal().any()
    eigenvalues = np.sort(np.abs(np.linalg.eigvalsh(rows)))
    assert_allclose(code.second_eigenvalue, 3 * eigenvalues[-2])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"n_workers": 7, "replication": 3},
            r"code\.replication: .* 7 .* 3 .* 2 or 4, or n_workers 6 or 8$",
        ),
        ({"n_workers": 4}, r"4 vertices has degree 4 .* valid: 3, or n_workers 5$"),
        ({"n_workers": 6, "replication": 0}, r"degree 0 .* valid: 1$"),
        ({"n_workers": 6, "n_stragglers": 6}, r"code\.n_stragglers: 6 of 6 workers"),
        ({"n_workers": 6, "n_blocks": 9}, r"code\.n_blocks: 9 blocks .* by 6 .* 6 or 12"),
    ],
)
def test_what_cannot_be_is_refused(given, said):
    with pytest.raises(ConfigError, match=said):
        codes.make("expander", **given)
