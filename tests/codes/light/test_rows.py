"""What the messages of a code say of the segments of the gradient."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from mpicode import codes
from mpicode.codes import light
from mpicode.errors import ConfigError


def make(**parameters):
    return codes.make("lwpd", n_workers=6, n_segments=4, **parameters)


def test_of_one_block_they_are_the_encoding():
    code = make()
    assert_allclose(light.rows_of(code), code.encoding.toarray())


@pytest.mark.parametrize("grid", ["table", "joint"])
def test_messages_of_some_blocks_stand_for_all(grid):
    code = make(n_blocks=6, grid=grid)
    segments = np.random.default_rng(0).standard_normal((4, 9))
    pieces = np.repeat(segments / 6, 6, axis=0)  # all blocks alike
    assert_allclose(code.encoding @ pieces, light.rows_of(code) @ segments, atol=1e-14)


def test_cosines_of_product_rows_multiply():
    code = make(n_blocks=6, grid="joint")
    rows = code.encoding.toarray()
    wanted = (code.rows @ code.rows.T) * (code.block_rows @ code.block_rows.T)
    assert_allclose(rows @ rows.T, wanted, atol=1e-14)


def test_a_joint_decoding_misses_the_distance_to_the_row_space():
    code = make(n_blocks=6, grid="joint")
    rows = code.encoding.toarray()
    wanted = np.kron(np.eye(4), np.ones(6))
    for count in (8, 20, code.n_messages):
        arrived = np.zeros(code.n_messages, dtype=bool)
        arrived[np.random.default_rng(count).permutation(code.n_messages)[:count]] = True
        decoding = code.decode(arrived)
        span = np.linalg.svd(rows[arrived], full_matrices=False)[2]
        span = span[np.linalg.svd(rows[arrived], compute_uv=False) > 1e-9]
        missed = wanted - wanted @ span.T @ span
        assert decoding.residual == pytest.approx(np.vdot(missed, missed), rel=1e-9, abs=1e-18)
    assert decoding.residual < 1e-18
    assert_allclose(decoding.coefficients @ rows, wanted, atol=1e-9)


def test_complex_codes_are_refused():
    code = codes.make("reed-solomon", n_workers=5, n_stragglers=1)
    assert code.encoding.dtype.kind == "c"
    with pytest.raises(ConfigError, match=r"code.name: 'reed-solomon' is complex, light decoders"):
        light.rows_of(code)
