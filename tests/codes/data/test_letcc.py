"""Splines there and back: how they are smoothed, and what that is good for."""

from mpicode.codes.data.letcc import LeTCC

from ..data_suite import DataCodeSuite


class TestLeTCC(DataCodeSuite):
    code = LeTCC
    cases = (
        {"n_workers": 1, "n_stragglers": 0},
        {"n_workers": 2},
        {"n_workers": 9, "n_blocks": 4, "n_stragglers": 8},
        {"n_workers": 12, "n_blocks": 12, "points": "second", "seed": 5},
        {"n_workers": 40, "n_blocks": 10, "n_stragglers": 10, "permute": False},
        {"n_workers": 20, "n_blocks": 8, "n_stragglers": 17, "decoder_smoothing": "gcv"},
        {"n_workers": 16, "n_blocks": 5, "decoder_smoothing": 1e-3, "encoder_smoothing": 1e-4},
        {"n_workers": 16, "n_blocks": 5, "n_stragglers": 3, "n_corrupt": 2},
    )
