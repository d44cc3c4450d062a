import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from mpicode import codes
from mpicode.codes.gradient.kadhe import Kadhe
from mpicode.codes.sets import all_sets, straggler_sets
from mpicode.errors import ConfigError
from mpicode.kernels import combine

from ..even import EvenSuite
from ..suite import CodeSuite


class TestKadhe(EvenSuite, CodeSuite):
    code = Kadhe
    cases = (
        {"n_workers": 6, "replication": 3, "n_segments": 2},
        {"n_workers": 12, "replication": 6, "n_segments": 4, "spread": False},
        {"n_workers": 8, "replication": 2, "n_segments": 1, "n_blocks": 4},
        {"n_workers": 8, "replication": 4, "n_segments": 4},
        {"n_workers": 5, "replication": 5, "n_segments": 2, "n_blocks": 15},
        {"n_workers": 30, "replication": 15, "n_segments": 3, "seed": 2},
    )

    def is_even(self, made, case):
        return made.n_segments < case["replication"]  # else a member sends one segment alone


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


def test_a_group_is_finished_by_its_mth_message_whichever_those_are():
    code = codes.make("kadhe", n_workers=12, replication=4, n_segments=2)
    decoder, rng = code.decoder(), np.random.default_rng(0)
    for _ in range(50):
        decoder.reset()
        counts = np.zeros(3, dtype=int)
        for message in rng.permutation(12):
            assert decoder.ready == (counts.min() >= 2)
            group = code.group[message]
            assert decoder.add(message, np.zeros(1)) == (counts[group] < 2)
            counts[group] += 1
        assert decoder.ready
        assert decoder.n_arrived == 6
        assert decoder.n_duplicates == 6


@pytest.mark.parametrize(("n", "d", "m"), [(12, 4, 2), (12, 6, 4), (9, 3, 2)])
def test_what_is_missed_is_the_least_that_can_be(n, d, m):
    """No decoding misses less than m - r for a block of which r holders answered."""
    code = codes.make("kadhe", n_workers=n, replication=d, n_segments=m)
    rng = np.random.default_rng(n)
    for share in (0.0, 0.2, 0.4, 0.6, 0.8):
        for _ in range(30):
            arrived = rng.random(n) < share
            answers = np.bincount(code.group[arrived], minlength=code.n_groups)
            short = np.maximum(0, m - answers) * (code.n_blocks // code.n_groups)
            assert_allclose(code.decode(arrived).residual, short.sum(), atol=1e-12)


def test_far_more_than_the_promised_stragglers_hardly_ever_matter():
    code = codes.make("kadhe", n_workers=90, replication=10, n_segments=2)
    assert code.max_stragglers == 8
    rng = np.random.default_rng(0)
    lost = straggler_sets(90, 22, 200, rng)
    residuals = [code.decode(~np.isin(np.arange(90), one)).residual for one in lost]
    assert max(residuals) < 1e-20


@pytest.mark.parametrize("spread", [True, False])
def test_groups_are_distinct_workers_with_the_same_blocks(spread):
    code = codes.make("kadhe", n_workers=12, replication=4, spread=spread)
    for group in range(3):
        members = np.flatnonzero(code.group == group)
        assert_array_equal(np.sort(code.place[members]), np.arange(4))
        for worker in members:
            assert_array_equal(code.blocks(worker), 4 * group + np.arange(4))


def test_a_lost_node_is_not_a_lost_group():
    apart = codes.make("kadhe", n_workers=12, replication=4, n_segments=2)
    near = codes.make("kadhe", n_workers=12, replication=4, n_segments=2, spread=False)
    for first in range(7):
        node = np.isin(np.arange(12), np.arange(first, first + 6))
        assert apart.decode(~node).residual < 1e-20
        assert near.decode(~node).residual > 1


def test_with_one_segment_it_is_fractional_repetition():
    one = codes.make("kadhe", n_workers=12, replication=3, n_segments=1)
    plain = codes.make("fractional-repetition", n_workers=12, n_stragglers=2)
    assert_array_equal(one.encoding.toarray(), plain.encoding.toarray())


def test_the_group_sizes_that_fit_are_named():
    with pytest.raises(ConfigError, match=r"code\.replication: groups of 5 .* 12 workers") as told:
        codes.make("kadhe", n_workers=12, replication=5)
    assert "replication 4 or 6" in str(told.value)
    assert "10 or 15 workers" in str(told.value)
    for wrong in (0, 13):
        with pytest.raises(ConfigError, match=r"code\.replication"):
            codes.make("kadhe", n_workers=12, replication=wrong)
    for wrong in (0, 5):
        with pytest.raises(
            ConfigError, match=rf"code\.n_segments: {wrong} .* 4 workers; .* 1 to 4"
        ):
            codes.make("kadhe", n_workers=12, replication=4, n_segments=wrong)
    with pytest.raises(ConfigError, match=r"code\.n_blocks: 7 blocks .* 3 groups.* 6 or 9"):
        codes.make("kadhe", n_workers=12, replication=4, n_blocks=7)
