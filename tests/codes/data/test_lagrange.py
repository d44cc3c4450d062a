"""Lagrange coded computing: exact over the field, certified over the complex numbers."""

from mpicode.codes.data.field import LARGEST
from mpicode.codes.data.lagrange import Lagrange

from ..data_suite import DataCodeSuite


class TestLagrange(DataCodeSuite):
    code = Lagrange
    cases = (
        {"n_workers": 4},
        {"n_workers": 3, "n_blocks": 1, "n_stragglers": 2, "degree": 3},
        {"n_workers": 9, "n_blocks": 2, "n_colluding": 1, "n_corrupt": 1, "n_stragglers": 2},
        {
            "n_workers": 12,
            "n_blocks": 4,
            "n_stragglers": 5,
            "points": "chebyshev",
            "permute": False,
        },
        {"n_workers": 8, "n_blocks": 3, "n_stragglers": 2, "points": "integers"},
        {"n_workers": 40, "n_blocks": 4, "n_stragglers": 33, "seed": 3},
        {"n_workers": 9, "n_colluding": 1, "n_corrupt": 1, "n_stragglers": 2, "prime": LARGEST},
        {"n_workers": 12, "n_blocks": 6, "prime": 65537, "n_stragglers": 1},
        {"n_workers": 8, "n_colluding": 1, "n_corrupt": 1, "prime": 11},
    )
