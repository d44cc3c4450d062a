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


@pytest.mark.parametrize("dtype", [float, complex])
@pytest.mark.parametrize("sent", ["float32", "float64"])
def test_answers_are_decoded_into_the_value_of_each_block(dtype, sent):
    code = mds(7, 3, dtype)
    blocks = np.random.default_rng(2).integers(-9, 9, (3, 4)).astype(float)
    answers = (code.storage @ blocks).astype("complex128" if dtype is complex else sent)
    for missing in combinations(range(7), 4):
        arrived = ~np.isin(np.arange(7), missing)
        given = np.where(arrived[:, None], answers, np.nan)
        decoded = code.decode(given, arrived)
        assert decoded.values.dtype == np.float64
        np.testing.assert_allclose(decoded.values, blocks, atol=1e-4 if sent == "float32" else 1e-9)
        assert not decoded.corrupt.any()
        assert not decoded.certified
        some = [row if here else None for row, here in zip(answers, arrived, strict=True)]
        np.testing.assert_array_equal(code.decode(some, arrived).values, decoded.values)
        weights = code.sum_weights(arrived)
        assert not weights[~arrived].any()
        np.testing.assert_allclose(weights @ answers, blocks.sum(axis=0), atol=1e-3)
        rows = np.abs(code.decode_matrix(arrived)).sum(axis=1)
        assert code.lebesgue(arrived) == pytest.approx(rows.max())
        with pytest.raises(NotDecodable):
            code.decode(given, arrived & (np.arange(7) != np.argmax(arrived)))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda a: a[:-1], "answers: 4 of them for 5 workers"),
        (lambda a: [None, *a[1:]], "answers: wants a vector of worker 0, got none"),
        (lambda a: [a[0], a, *a[2:]], r"answers: wants a vector of worker 1, got shape \(5, 3\)"),
        (lambda a: [*a[:3], a[3][:2], a[4]], "answers: 2 numbers of worker 3, but 3 of worker 0"),
    ],
)
def test_impossible_answers_are_named(change, text):
    answers = np.ones((5, 3))
    with pytest.raises(ConfigError, match=f"^{text}$"):
        mds(5, 2).decode(change(answers), np.ones(5, dtype=bool))


def test_a_plain_storage_has_no_threshold():
    assert mds(5, 2).threshold("map") is None
    assert mds(5, 2).threshold("map", 2) is None
