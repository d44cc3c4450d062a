"""What every gradient code promises. A scheme's test subclasses `CodeSuite` and names its cases."""

import weakref
from functools import lru_cache

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from mpicode import codes
from mpicode.codes.decoder import EXACT, Decoder
from mpicode.codes.sets import masks, straggler_sets
from mpicode.errors import ConfigError
from mpicode.kernels import combine

LENGTH = 5
SETS = 150


@lru_cache(maxsize=16)
def built(name, parameters):
    """The code; tests of one class share it and what it has decoded."""
    return codes.make(name, **dict(parameters))


class CodeSuite:
    code = None  # the class under test
    cases = ()  # parameters to try, each a dict with n_workers
    least_squares = True  # False: the scheme decodes otherwise, and says why
    earliest = True  # False: ready may come later than the sum is determined

    @pytest.fixture
    def made(self, case):
        return built(self.code.name, tuple(case.items()))

    @pytest.fixture
    def pieces(self, made):
        shape = (made.n_segments * made.n_blocks, LENGTH)
        return np.random.default_rng(7).standard_normal(shape)

    @pytest.fixture
    def messages(self, made, pieces):
        return made.encoding @ pieces

    @pytest.fixture
    def total(self, made, pieces):
        return pieces.reshape(made.n_segments, made.n_blocks, LENGTH).sum(axis=1)

    # The arrays

    def test_the_arrays_fit_together(self, made, case):
        assert sparse.issparse(made.encoding)
        assert made.encoding.format == "csr"
        assert made.encoding.dtype in (np.float64, np.complex128)
        assert made.encoding.shape == (made.n_messages, made.n_segments * made.n_blocks)
        assert made.owner.shape == (made.n_messages,)
        assert made.n_workers == case["n_workers"]
        every = [made.messages(worker) for worker in range(made.n_workers)]
        assert_array_equal(np.sort(np.concatenate(every)), np.arange(made.n_messages))

    def test_a_worker_holds_the_blocks_its_messages_need(self, made):
        dense = made.encoding.toarray().reshape(made.n_messages, made.n_segments, made.n_blocks)
        for worker in range(made.n_workers):
            needed = np.flatnonzero(np.any(dense[made.messages(worker)], axis=(0, 1)))
            assert_array_equal(made.blocks(worker), needed)
            assert made.load(worker) == needed.size / made.n_blocks

    def messages_of_blocks(self, made):
        """How many messages of each worker a block is part of, (n_workers, n_blocks)."""
        parts = made.encoding.toarray().reshape(made.n_messages, made.n_segments, made.n_blocks)
        held = np.zeros((made.n_workers, made.n_blocks), dtype=int)
        np.add.at(held, made.owner, parts.any(axis=1))
        return held

    def test_every_block_is_held_often_enough(self, made):
        """Whoever is lost, a block needs a message for each of its segments (Ye & Abbe, 2018)."""
        held = np.sort(self.messages_of_blocks(made), axis=0)
        assert held[-1].min() > 0
        if made.max_stragglers is not None:
            left = held[: made.n_workers - made.max_stragglers].sum(axis=0)
            assert left.min() >= made.n_segments

    def test_the_same_seed_gives_the_same_code(self, made, case):
        again = codes.make(self.code.name, **case)
        assert again is not made
        assert (again.encoding != made.encoding).nnz == 0
        assert_array_equal(again.owner, made.owner)

    def test_the_hard_sets_are_sets_of_distinct_workers(self, made):
        for size in self.sizes(made):
            sets = made.hard_sets(size)
            assert sets.shape == (len(sets), size)
            assert ((sets >= 0) & (sets < made.n_workers)).all()
            assert (masks(sets, made.n_workers).sum(axis=1) == size).all()

    # Decoding a set

    def sizes(self, made):
        """Numbers of lost workers: a dozen, and those at which a promise ends."""
        promised = made.max_stragglers or 0
        few = np.linspace(0, made.n_workers, 12).astype(int).tolist()
        return sorted({*few, promised, min(promised + 1, made.n_workers), made.n_workers - 1})

    def arrived(self, made, lost):
        return ~np.isin(made.owner, lost)

    def lost_sets(self, made, size, count=SETS):
        rng = np.random.default_rng(size)
        sets = straggler_sets(made.n_workers, size, count, rng)
        return np.concatenate([sets, made.hard_sets(size)])

    def decoded(self, decoding, messages, arrived):
        """Combine the messages, with NaN in place of what did not arrive."""
        replies = np.where(arrived[:, None], messages, np.nan)
        out = np.full((len(decoding.coefficients), replies.shape[1]), np.nan, messages.dtype)
        for row, target in zip(decoding.coefficients, out, strict=True):
            combine(row, list(replies), target)
        return out

    def test_every_set_of_stragglers_is_decoded_exactly(self, made, messages, total):
        if made.max_stragglers is None:
            pytest.skip("the code promises no exact sum")
        for size in range(made.max_stragglers + 1):
            for lost in self.lost_sets(made, size):
                arrived = self.arrived(made, lost)
                decoding = made.decode(arrived)
                error = np.linalg.norm(self.decoded(decoding, messages, arrived) - total)
                assert error <= 1e-10 * np.linalg.norm(total), f"lost {lost}"
                assert decoding.residual <= EXACT * made.n_segments * made.n_blocks

    def test_a_wrong_sum_is_never_silent(self, made, messages, pieces, total):
        energy = np.sum(np.abs(pieces) ** 2)
        for size in self.sizes(made):
            for lost in self.lost_sets(made, size, 50):
                arrived = self.arrived(made, lost)
                decoding = made.decode(arrived)
                error = np.linalg.norm(self.decoded(decoding, messages, arrived) - total)
                rounding = 1e-14 * made.n_messages * max(1, decoding.amplification)
                assert error <= (np.sqrt(decoding.residual) + rounding) * np.sqrt(energy)

    def test_one_more_straggler_than_promised_shows(self, made):
        if made.max_stragglers is None:
            pytest.skip("the code promises no exact sum")
        sets = self.lost_sets(made, made.max_stragglers + 1)
        residuals = [made.decode(self.arrived(made, lost)).residual for lost in sets]
        assert max(residuals) > 1e-6

    def test_float32_messages_lose_no_more_than_the_amplification(self, made, messages, total):
        if np.iscomplexobj(messages):
            pytest.skip("complex messages travel in double precision")
        rng = np.random.default_rng(3)
        size = made.max_stragglers or 0
        scale = np.linalg.norm(messages.astype(np.float32))
        for lost in straggler_sets(made.n_workers, size, 20, rng):
            arrived = self.arrived(made, lost)
            decoding = made.decode(arrived)
            exact = self.decoded(decoding, messages, arrived)
            out = np.zeros_like(total)
            for row, target in zip(decoding.coefficients, out, strict=True):
                combine(row, list(messages.astype(np.float32)), target)
            assert np.linalg.norm(out - exact) <= 6e-8 * decoding.amplification * scale

    def random_masks(self, made):
        rng = np.random.default_rng(11)
        return [rng.random(made.n_messages) < share for share in (0.2, 0.5, 0.8, 0.9, 1.0) * 4]

    def test_the_numbers_reported_are_those_of_the_coefficients(self, made):
        target = np.kron(np.eye(made.n_segments), np.ones(made.n_blocks))
        for mask in self.random_masks(made):
            coefficients, residual, amplification = made.decode(mask)
            assert coefficients.shape == (made.n_segments, made.n_messages)
            assert not coefficients[:, ~mask].any()
            missed = coefficients @ made.encoding.toarray() - target
            assert_allclose(residual, np.sum(np.abs(missed) ** 2), rtol=1e-9, atol=1e-18)
            assert_allclose(amplification, np.linalg.norm(coefficients, 2), rtol=1e-9)

    def test_no_other_coefficients_miss_less(self, made):
        if not self.least_squares:
            pytest.skip("the scheme does not decode by least squares")
        target = np.kron(np.eye(made.n_segments), np.ones(made.n_blocks))
        encoding = made.encoding.toarray()
        rng = np.random.default_rng(5)
        for mask in self.random_masks(made):
            coefficients, residual, _ = made.decode(mask)
            best = np.linalg.lstsq(encoding[mask].T, target.T, rcond=1e-12)[0].T
            least = np.sum(np.abs(best @ encoding[mask] - target) ** 2)
            assert_allclose(residual, least, rtol=1e-9, atol=1e-15)
            for size in (1e-1, 1e-3):
                other = coefficients + size * mask * rng.standard_normal(coefficients.shape)
                missed = np.sum(np.abs(other @ encoding - target) ** 2)
                assert missed >= residual * (1 - 1e-12)

    def test_a_block_is_missed_where_too_few_messages_of_it_are_left(self, made):
        """Its part of the result has the rank of its messages, of n_segments wanted."""
        parts = made.encoding.toarray().reshape(made.n_messages, made.n_segments, made.n_blocks)
        held = parts.any(axis=1)
        for size in self.sizes(made):
            sets = self.lost_sets(made, size, 50)
            for lost in np.concatenate([sets[:20], sets[-40:]]):
                arrived = self.arrived(made, lost)
                missing = np.maximum(0, made.n_segments - held[arrived].sum(axis=0)).sum()
                assert made.decode(arrived).residual >= missing * (1 - 1e-9)

    def test_another_answer_never_makes_it_worse(self, made):
        if not self.least_squares:
            pytest.skip("the scheme does not decode by least squares")
        rng = np.random.default_rng(19)
        for _ in range(4):
            mask = np.zeros(made.n_messages, dtype=bool)
            before = made.decode(mask).residual
            for message in rng.permutation(made.n_messages):
                mask[message] = True
                after = made.decode(mask).residual
                assert after <= before * (1 + 1e-9) + 1e-18
                before = after

    def test_nothing_arrived_gives_nothing(self, made):
        coefficients, residual, amplification = made.decode(np.zeros(made.n_messages, dtype=bool))
        assert not coefficients.any()
        assert residual == made.n_segments * made.n_blocks
        assert amplification == 0

    def test_the_same_set_gives_the_same_object(self, made):
        mask = np.zeros(2 * made.n_messages, dtype=bool)
        mask[::4] = True
        first = made.decode(mask[::2])
        assert made.decode(mask[::2].copy()) is first
        with pytest.raises(ValueError, match="read-only"):
            first.coefficients[0, 0] = 1

    @pytest.mark.parametrize("wrong", ["numbers", "short", "column"])
    def test_a_wrong_mask_is_refused(self, made, wrong):
        mask = np.ones(made.n_messages, dtype=bool)
        given = {"numbers": mask.astype(int), "short": mask[1:], "column": mask[:, None]}[wrong]
        with pytest.raises(ConfigError, match="arrived: wants"):
            made.decode(given)

    # Decoding a stream

    def test_a_decoder_is_ready_once_the_sum_is_determined(self, made, messages, total):
        if made.max_stragglers is None:
            pytest.skip("the code promises no exact sum")
        rng = np.random.default_rng(13)
        decoder, general = made.decoder(), Decoder(made)
        out = np.empty_like(total, dtype=messages.dtype)
        for _ in range(8):
            decoder.reset()
            general.reset()
            for message in rng.permutation(made.n_messages):
                assert general.ready or not decoder.ready
                assert decoder.ready or not (self.earliest and general.ready)
                if decoder.ready:
                    break
                decoder.add(message, messages[message])
                general.add(message, messages[message])
            assert decoder.ready
            assert decoder.arrived.sum() <= made.n_messages - made.max_stragglers
            decoding = decoder.estimate(out)
            assert_allclose(out, total, atol=1e-10 * np.linalg.norm(total))
            assert decoding.residual <= EXACT * made.n_segments * made.n_blocks

    def test_an_estimate_may_be_had_at_any_time(self, made, messages):
        decoder = made.decoder()
        order = np.random.default_rng(17).permutation(made.n_messages)
        used = np.zeros(made.n_messages, dtype=bool)
        out = np.full((made.n_segments, LENGTH), np.nan, dtype=messages.dtype)
        assert decoder.estimate(out).amplification == 0
        assert not out.any()
        for message in order:
            used[message] = decoder.add(message, messages[message])
            decoding = decoder.estimate(out)
            assert not decoding.coefficients[:, ~used].any()
            wanted = decoding.coefficients @ messages
            scale = 1 + decoding.amplification
            assert_allclose(out, wanted, atol=1e-12 * scale * np.linalg.norm(messages))
        assert decoder.n_arrived == used.sum()

    def test_once_ready_always_ready(self, made, messages):
        """At the latest when everything has arrived, so that nobody waits for ever."""
        rng = np.random.default_rng(23)
        decoder = made.decoder()
        for _ in range(4):
            decoder.reset()
            ready = decoder.ready
            for message in rng.permutation(made.n_messages):
                decoder.add(message, messages[message])
                assert decoder.ready >= ready
                ready = decoder.ready
            assert ready

    def test_duplicates_and_old_messages_are_counted_and_left(self, made, messages):
        decoder = made.decoder()
        nan = np.full(LENGTH, np.nan)
        assert not decoder.add(0, nan, age=1)
        assert decoder.add(0, messages[0])
        assert not decoder.add(0, nan)
        assert not decoder.add(0, nan, age=2)
        assert (decoder.n_arrived, decoder.n_duplicates, decoder.n_stale) == (1, 1, 2)
        out = np.empty((made.n_segments, LENGTH), dtype=messages.dtype)
        decoder.estimate(out)
        assert np.isfinite(out).all()

    @pytest.mark.parametrize("offset", [-1, 0])
    def test_a_message_that_does_not_exist_is_refused(self, made, messages, offset):
        message = offset if offset < 0 else made.n_messages
        with pytest.raises(ConfigError, match=f"message {message} does not exist"):
            made.decoder().add(message, messages[0])

    def test_payloads_are_kept_by_reference_and_let_go(self, made, messages):
        decoder = made.decoder()
        payload = messages[0].copy()
        held = weakref.ref(payload)
        before = payload.copy()
        decoder.add(0, payload)
        decoder.estimate(np.empty((made.n_segments, LENGTH), dtype=messages.dtype))
        assert_array_equal(payload, before)
        del payload
        assert held() is not None
        decoder.reset()
        assert held() is None
        assert (decoder.n_arrived, decoder.n_duplicates, decoder.ready) == (0, 0, False)

    def test_out_of_the_wrong_shape_is_refused(self, made):
        for shape in [(LENGTH,), (made.n_segments + 1, LENGTH)]:
            with pytest.raises(ConfigError, match="out: wants"):
                made.decoder().estimate(np.empty(shape))

    def test_a_kind_that_is_not_served_is_refused(self, made):
        with pytest.raises(ConfigError, match="not 'map'"):
            made.decoder("map")
