from mpicode.codes.gradient.munim_diagonal import MunimDiagonal

from ..suite import CodeSuite


class TestMunimDiagonal(CodeSuite):
    code = MunimDiagonal
    cases = (
        {"n_workers": 1, "n_segments": 1, "n_stragglers": 0},
        {"n_workers": 7, "design": "bibd", "n_stragglers": 2},
        {"n_workers": 9, "design": "bibd", "n_segments": 3, "n_blocks": 24, "epsilon": 0.5},
        {"n_workers": 10, "design": "srg", "load": 3, "n_segments": 1, "n_blocks": 20},
        {"n_workers": 16, "design": "srg", "epsilon": 0.1, "seed": 4},
        {"n_workers": 12, "design": "biregular", "load": 2, "replication": 4},
        {"n_workers": 12, "design": "biregular", "n_segments": 1, "load": 2, "replication": 6},
        {"n_workers": 18, "design": "coset", "load": 4, "epsilon": 0.1, "n_stragglers": 4},
    )
