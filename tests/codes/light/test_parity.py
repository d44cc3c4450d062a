"""Whether redundant codewords agree, and which one does not."""

import numpy as np
import pytest

from mpicode.codes import light
from mpicode.errors import ConfigError

from .conftest import light_rows


@pytest.fixture
def codewords(rows, segments):
    return rows @ segments


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
class TestDamaged:
    def test_clean_ones_agree(self, rows, codewords, dtype):
        verdict = light.damaged(rows, codewords.astype(dtype))
        assert verdict.clean
        assert verdict.row is None
        assert verdict.mismatch < 20 * np.finfo(dtype).eps

    @pytest.mark.parametrize("n_rows", [14, 16, 24])
    def test_each_one_is_named_that_can_be_told_from_others(self, segments, dtype, n_rows):
        rows = light_rows(n_rows, 12, 4, seed=3)
        cancelling = np.linalg.svd(rows)[0][:, 12:]  # what row i does to the checks
        cancelling /= np.linalg.norm(cancelling, axis=1, keepdims=True)
        alike = (np.abs(cancelling @ cancelling.T) > 1 - 1e-9).sum(axis=1) - 1
        assert alike.any() == (n_rows == 14)
        for wrong in range(n_rows):
            codewords = (rows @ segments).astype(dtype)
            codewords[wrong, 5] += 0.5
            verdict = light.damaged(rows, list(codewords), tolerance=1e-6)
            assert not verdict.clean
            assert verdict.row == (None if alike[wrong] else wrong)

    def test_one_too_many_shows_damage_but_not_whose(self, rows, codewords, dtype):
        damaged = codewords[:13].astype(dtype)
        assert np.linalg.matrix_rank(rows[:13]) == 12
        damaged[3, 0] += 1.0
        verdict = light.damaged(rows[:13], damaged)
        assert not verdict.clean
        assert verdict.row is None

    def test_two_at_once_are_not_blamed_on_one(self, rows, codewords, dtype):
        damaged = codewords.astype(dtype)
        damaged[3, 0] += 1.0
        damaged[9, 4] -= 2.0
        verdict = light.damaged(rows, damaged)
        assert not verdict.clean
        assert verdict.row is None


def test_with_nothing_to_compare_all_is_clean(segments):
    rows = np.eye(12)[:5]
    assert light.damaged(rows, rows @ segments) == light.Verdict(0.0, True, None)
    assert light.damaged(light_rows(24, 12, 4), np.zeros((24, 3))).clean


def test_a_flipped_exponent_bit_is_found(rows, codewords):
    wrong = codewords.astype(np.float32)
    wrong[11, 30] = (wrong[11, 30].view(np.uint32) ^ np.uint32(1 << 28)).view(np.float32)
    assert light.damaged(rows, wrong).row == 11


def test_other_numbers_of_rows(rows, codewords):
    with pytest.raises(ConfigError, match=r"codewords: 24 rows, but .* have shape \(23, 31\)"):
        light.damaged(rows, codewords[:23])


class TestInOrtho:
    def add_all(self, rows, codewords, order):
        decoder = light.make("ortho", rows=rows, length=31)
        for i in order:
            decoder.add(int(i), codewords[i])
        return decoder

    @pytest.mark.parametrize("seed", range(4))
    def test_none_is_flagged_when_clean(self, rows, codewords, seed):
        order = np.random.default_rng(seed).permutation(24)
        for dtype in (np.float32, np.float64):
            decoder = self.add_all(rows, codewords.astype(dtype), order)
            decoder.settle()
            assert len(decoder.parities) == 12
            assert decoder.consistent
            assert decoder.damaged().clean

    @pytest.mark.parametrize("wrong", [0, 7, 23])
    def test_a_damaged_one_is_flagged_and_named_whenever_it_came(self, rows, codewords, wrong):
        codewords = codewords.astype(np.float32)
        codewords[wrong] *= 1.1
        for seed in range(4):
            order = np.random.default_rng(seed).permutation(24)
            decoder = self.add_all(rows, codewords, order)
            assert decoder.rank == 12
            assert not decoder.consistent
            assert decoder.damaged().row == wrong
            decoder.reset()
            for i in order[order != wrong]:
                decoder.add(int(i), codewords[i])
            assert decoder.consistent

    def test_before_anything_is_redundant_nothing_is_said(self, rows, codewords):
        decoder = self.add_all(rows, codewords, [0, 1, 2])
        assert decoder.consistent
        assert decoder.parities == []
        assert decoder.damaged().clean
