from mpicode.codes.gradient.munim_nullspace import MunimNullspace

from ..suite import CodeSuite


class TestMunimNullspace(CodeSuite):
    code = MunimNullspace
    cases = (
        {"n_workers": 2, "n_segments": 1},
        {"n_workers": 7, "design": "bibd", "n_stragglers": 2},
        {"n_workers": 9, "design": "bibd", "n_segments": 3, "n_blocks": 24},
        {"n_workers": 16, "design": "srg"},
        {"n_workers": 12, "design": "biregular", "load": 2, "replication": 4},
        {"n_workers": 18, "design": "coset", "load": 4, "n_stragglers": 4},
        {"n_workers": 18, "design": "coset", "load": 4, "frame": "harmonic"},
    )
