"""Data codes: what follows from storage alone, on systematic and random storages."""

from itertools import combinations

import numpy as np
import pytest

from mpicode.codes import DataCode
from mpicode.errors import ConfigError, NotDecodable


class Stored(DataCode):
    """Any storage."""

    name = "stored"


def mds(n_workers, n_blocks, dtype=float):
    """Chebyshev-Vandermonde: any ``n_blocks`` rows are independent."""
    points = np.cos((2 * np.arange(n_workers) + 1) * np.pi / (2 * n_workers))
    return Stored(np.polynomial.chebyshev.chebvander(points, n_blocks - 1).astype(dtype))


@pytest.mark.parametrize("dtype", [float, complex])
def test_any_threshold_many_answers_give_every_block_of_a_linear_function(dtype):
    code = mds(7, 4, dtype)
    rng = np.random.default_rng(0)
    blocks = rng.standard_normal((4, 5, 3))
    x = rng.standard_normal(3)
    answers = np.einsum("ij,jrc->irc", code.storage, blocks) @ x
    for n_arrived in range(8):
        for workers in combinations(range(7), n_arrived):
            arrived = np.isin(np.arange(7), workers)
            if n_arrived < 4:
                with pytest.raises(NotDecodable, match=f"^code 'stored': {n_arrived} of 7 answers"):
                    code.decode_matrix(arrived)
                continue
            matrix = code.decode_matrix(arrived)
            assert matrix.shape == (4, 7)
            assert not matrix[:, ~arrived].any()
            values = matrix[:, arrived] @ answers[arrived]
            np.testing.assert_allclose(values, blocks @ x, rtol=1e-10, atol=1e-12)


def test_the_same_set_gives_the_same_matrix_which_nobody_can_change():
    code = mds(5, 2)
    arrived = np.array([True, False, True, True, False])
    first = code.decode_matrix(arrived)
    assert code.decode_matrix(arrived.copy()) is first
    assert not first.flags.writeable
    assert not code.storage.flags.writeable


def test_of_all_that_decode_it_takes_the_smallest():
    code = mds(6, 2)
    everyone = np.ones(6, dtype=bool)
    matrix = code.decode_matrix(everyone)
    free = np.linalg.svd(code.storage.T)[2][2:]
    for direction in free:
        for scale in (1e-3, -1e-3):
            other = matrix + scale * direction
            np.testing.assert_allclose(other @ code.storage, np.eye(2), atol=1e-12)
            assert np.linalg.norm(other) > np.linalg.norm(matrix)


def test_masks_are_decoded_away():
    rng = np.random.default_rng(1)
    code = Stored(rng.standard_normal((6, 5)), n_masks=2)
    assert (code.n_workers, code.n_blocks, code.load(0)) == (6, 3, 1 / 3)
    blocks = rng.standard_normal((5, 4))
    arrived = np.array([True, True, False, True, True, True])
    values = code.decode_matrix(arrived) @ (code.storage @ blocks)
    np.testing.assert_allclose(values, blocks[:3], rtol=1e-9)
    with pytest.raises(NotDecodable):
        code.decode_matrix(np.array([True, True, True, False, False, False]))


@pytest.mark.parametrize(
    ("storage", "n_masks", "text"),
    [
        (np.ones(3), 0, r"storage is \(3,\), of which 0 masks"),
        (np.ones((4, 2)), 2, r"storage is \(4, 2\), of which 2 masks"),
        (np.full((4, 2), np.nan), 0, "not finite"),
    ],
)
def test_impossible_storages(storage, n_masks, text):
    with pytest.raises(ConfigError, match=text):
        Stored(storage, n_masks=n_masks)


def test_masks_of_another_size_are_refused():
    with pytest.raises(ConfigError, match=r"arrived: wants \(5,\) bool, got \(4,\) bool"):
        mds(5, 2).decode_matrix(np.ones(4, dtype=bool))
