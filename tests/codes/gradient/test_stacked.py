from mpicode.codes.gradient.stacked import Stacked

from ..suite import CodeSuite


class TestStacked(CodeSuite):
    code = Stacked
    cases = (
        {"n_workers": 7, "design": "bibd", "n_stragglers": 2},
        {"n_workers": 9, "design": "srg", "n_segments": 3, "n_blocks": 18},
        {"n_workers": 12, "design": "biregular", "load": 2, "replication": 4},
        {"n_workers": 12, "design": "coset", "load": 2},
    )
