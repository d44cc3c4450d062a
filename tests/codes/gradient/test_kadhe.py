import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from mpicode import codes
from mpicode.codes.gradient.kadhe import Kadhe
from mpicode.codes.sets import all_sets, straggler_sets
from mpicode.errors import ConfigError
from mpicode.kernels import combine

from ..suite import CodeSuite


class TestKadhe(CodeSuite):
    code = Kadhe
    cases = (
        {"n_workers": 6, "replication": 3, "n_segments": 2},
        {"n_workers": 12, "replication": 6, "n_segments": 4, "spread": False},
        {"n_workers": 8, "replication": 2, "n_segments": 1, "n_blocks": 4},
        {"n_workers": 8, "replication": 4, "n_segments": 4},
        {"n_workers": 5, "replication": 5, "n_segments": 2, "n_blocks": 15},
        {"n_workers": 30, "replication": 15, "n_segments": 3, "seed": 2},
    )


SMALL = [(d, m) for d in range(1, 7) for m in range(1, min(d, 4) + 1)]


@pytest.mark.parametrize(("d", "m"), SMALL)
def test_every_set_decodes_to_twelve_digits_and_six_with_float32(d, m):
    n = 2 * d
    code = codes.make("kadhe", n_workers=n, replication=d, n_segments=m)
    pieces = np.random.default_rng(d).standard_normal((m * code.n_blocks, 50))
    total = pieces.reshape(m, code.n_blocks, 50).sum(axis=1)
    messages = code.encoding @ pieces
    rounded = messages.astype(np.float32)
    for lost in all_sets(n, d - m):
        coefficients = code.decode(~np.isin(np.arange(n), lost)).coefficients
        for given, limit in ((messages, 1e-12), (rounded, 1e-6)):
            out = np.empty((m, 50))
            for row, target in zip(coefficients, out, strict=True):
                combine(row, list(given), target)
            assert np.linalg.norm(out - total) <= limit * np.linalg.norm(total)
