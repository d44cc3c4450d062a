import numpy as np
import pytest

from mpicode import codes
from mpicode.codes.decoder import EXACT, Decoder

HARSH = [
    ("cyclic", {"n_workers": 40, "n_stragglers": 20}, 5e5),
    ("cyclic-mds", {"n_workers": 30, "n_stragglers": 15}, 5e5),
    ("reed-solomon", {"n_workers": 30, "n_stragglers": 15}, 5e5),
    (
        "ye-abbe",
        {"n_workers": 16, "n_stragglers": 3, "n_segments": 3, "variant": "chebyshev"},
        5e5,
    ),
    (
        "ye-abbe",
        {"n_workers": 30, "n_stragglers": 5, "n_segments": 3, "variant": "gaussian"},
        5e6,
    ),
]


@pytest.mark.parametrize(("name", "given", "amplified"), HARSH)
def test_sums_that_amplify_rounding_are_still_known_to_be_exact(name, given, amplified):
    """Before they are refined coefficients miss up to twenty times more, and were called wrong."""
    code = codes.make(name, **given)
    n, everything = code.n_workers, code.n_segments * code.n_blocks
    decodings = []
    for lost in code.hard_sets(code.max_stragglers):
        decoding = code.decode(~np.isin(np.arange(n), lost))
        shortest = np.spacing(decoding.amplification) ** 2
        assert decoding.residual <= everything * min(EXACT, 1e-21 + 20 * shortest)
        decodings.append(decoding.amplification)
    assert max(decodings) > amplified


@pytest.mark.parametrize(("name", "given", "amplified"), HARSH)
def test_such_a_sum_is_found_to_be_determined_as_messages_arrive(name, given, amplified):
    code = codes.make(name, **given)
    decoder, payload = Decoder(code), np.zeros(1)
    sets = code.hard_sets(code.max_stragglers)
    for lost in sets[np.linspace(0, len(sets) - 1, 8).astype(int)]:
        decoder.reset()
        *first, last = np.setdiff1d(np.arange(code.n_workers), lost)
        for message in first:
            decoder.add(message, payload)
        assert not decoder.ready
        decoder.add(last, payload)
        assert decoder.ready
