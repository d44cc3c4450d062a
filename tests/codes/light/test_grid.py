"""Messages of several blocks: product rows, decoded jointly."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from mpicode import codes
from mpicode.codes import light


def make():
    return codes.make("lwpd", n_workers=6, n_segments=4, n_blocks=6, grid="joint")


def test_cosines_of_product_rows_multiply():
    code = make()
    rows = code.encoding.toarray()
    wanted = (code.rows @ code.rows.T) * (code.block_rows @ code.block_rows.T)
    assert_allclose(rows @ rows.T, wanted, rtol=0, atol=1e-14)


def test_what_is_missed_is_the_distance_to_the_row_space():
    code = make()
    rows = code.encoding.toarray()
    wanted = np.kron(np.eye(4), np.ones(6))
    for count in (8, 20, code.n_messages):
        arrived = np.zeros(code.n_messages, dtype=bool)
        arrived[np.random.default_rng(count).permutation(code.n_messages)[:count]] = True
        decoding = code.decode(arrived)
        _, values, span = np.linalg.svd(rows[arrived], full_matrices=False)
        missed = wanted - wanted @ span[values > 1e-9].T @ span[values > 1e-9]
        assert decoding.residual == pytest.approx(np.vdot(missed, missed), rel=1e-9, abs=1e-18)
    assert decoding.residual < 1e-18
    assert_allclose(decoding.coefficients @ rows, wanted, rtol=0, atol=1e-9)


def test_all_messages_taken_one_by_one_give_every_piece():
    code = make()
    pieces = np.random.default_rng(0).standard_normal((24, 5))
    decoder = light.make("ortho", {"threshold": 0.0}, rows=code.encoding.toarray(), length=5)
    for i, codeword in enumerate(code.encoding @ pieces):
        decoder.add(i, codeword)
    wanted = np.linalg.pinv(code.encoding.toarray()) @ code.encoding.toarray() @ pieces
    assert_allclose(decoder.estimate(), wanted, rtol=0, atol=1e-10)
    summed = decoder.estimate().reshape(4, 6, 5).sum(axis=1)
    assert_allclose(summed, pieces.reshape(4, 6, 5).sum(axis=1), rtol=0, atol=1e-9)
