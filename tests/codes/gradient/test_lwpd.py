from mpicode.codes.gradient.lwpd import Lwpd

from ..suite import CodeSuite


class TestLwpd(CodeSuite):
    code = Lwpd
    cases = (
        {"n_workers": 1, "n_segments": 1},
        {"n_workers": 4, "n_segments": 4},
        {"n_workers": 5, "n_segments": 3, "variant": "systematic", "seed": 2},
        {"n_workers": 6, "n_segments": 6, "variant": "degree-mix", "n_messages": 15},
        {"n_workers": 4, "n_segments": 6, "variant": "random-sign", "weight": 3},
        {"n_workers": 3, "n_segments": 4, "variant": "gaussian", "n_messages": 7},
        {"n_workers": 4, "n_segments": 3, "variant": "identity"},
        {"n_workers": 4, "n_segments": 4, "variant": "replicated", "n_messages": 12},
        {"n_workers": 6, "n_segments": 4, "n_blocks": 6, "load": 2},
        {"n_workers": 4, "n_segments": 4, "n_blocks": 3, "load": 2, "grid": "joint"},
    )
