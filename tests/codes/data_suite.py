"""What every data code promises. A scheme's test subclasses `DataCodeSuite` and names its cases."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from mpicode import codes
from mpicode.errors import ConfigError, NotDecodable

LENGTH = 6
KINDS = {"gradient", "product", "map"}


class DataCodeSuite:
    code = None  # the class under test
    cases = ()  # parameters to try, each a dict with n_workers and, where it has one, n_stragglers

    @pytest.fixture
    def made(self, case):
        return codes.make(self.code.name, **case)

    @pytest.fixture
    def sets(self, made, case):
        """Some sets of workers with which the code must decode."""
        rng = np.random.default_rng(5)
        most = case.get("n_stragglers", 0)
        orders = [np.arange(made.n_workers), *(rng.permutation(made.n_workers) for _ in range(9))]
        return [~np.isin(np.arange(made.n_workers), order[:most]) for order in orders]

    def test_the_arrays_fit_together(self, made, case):
        assert made.family == "data"
        assert set(made.kinds) <= KINDS
        assert made.kinds
        assert made.n_workers == case["n_workers"]
        assert made.storage.shape == (made.n_workers, made.n_blocks + made.n_masks)
        assert not made.storage.flags.writeable
        assert 0 < made.load(0) <= 1

    def test_every_rank_makes_the_same_code(self, made, case):
        again = codes.make(self.code.name, **case)
        assert_array_equal(made.storage, again.storage)
        everyone = np.ones(made.n_workers, dtype=bool)
        assert_array_equal(made.decode_matrix(everyone), again.decode_matrix(everyone))

    def test_a_matrix_belongs_to_its_set(self, made, sets):
        for arrived in sets:
            matrix = made.decode_matrix(arrived)
            assert matrix.shape == (made.n_blocks, made.n_workers)
            assert np.isfinite(matrix).all()
            assert not matrix[:, ~arrived].any()
            assert not matrix.flags.writeable
            assert made.decode_matrix(arrived.copy()) is matrix

    def test_what_is_kept_of_a_set_is_what_would_be_made_anew(self, made, sets, case):
        kept = [made.decode_matrix(arrived) for arrived in sets]
        fresh = codes.make(self.code.name, **case)
        for arrived, matrix in zip(reversed(sets), reversed(kept), strict=True):
            assert_array_equal(fresh.decode_matrix(arrived), matrix)

    def test_what_never_arrived_is_not_looked_at(self, made, sets):
        for arrived in sets:
            answers = self.constant(made)
            expected = made.decode(answers, arrived).values
            whole = [v if here else None for v, here in zip(answers, arrived, strict=True)]
            assert_array_equal(made.decode(whole, arrived).values, expected)
            if answers.dtype.kind in "fc":
                answers[~arrived] = np.nan
                assert_array_equal(made.decode(answers, arrived).values, expected)

    def test_a_constant_function_is_decoded(self, made, sets):
        for arrived in sets:
            answers = self.constant(made)
            decoded = made.decode(answers, arrived)
            assert decoded.values.shape == (made.n_blocks, LENGTH)
            wanted = np.broadcast_to(answers[0].real, decoded.values.shape)
            assert_allclose(decoded.values, wanted, rtol=1e-7)
            assert decoded.corrupt.shape == (made.n_workers,)
            assert not decoded.corrupt.any()

    def test_the_sum_is_the_sum_of_the_values(self, made, sets):
        for arrived in sets:
            answers = self.constant(made)
            weights = made.sum_weights(arrived)
            assert weights.shape == (made.n_workers,)
            values = made.decode(answers, arrived).values
            prime = getattr(made, "prime", None)
            if prime is None:
                total, expected = weights @ answers, values.sum(axis=0)
                assert_allclose(total.real, expected, rtol=1e-7)
                wanted = np.abs(made.decode_matrix(arrived)).sum(axis=1).max()
                assert made.lebesgue(arrived) == pytest.approx(wanted)
                assert made.lebesgue(arrived) > 1 - 1e-9
            else:
                total = weights.astype(object) @ answers
                assert_array_equal(total % prime, values.astype(object).sum(axis=0) % prime)

    def test_the_number_of_answers_that_is_enough_is_enough(self, made):
        for kind in made.kinds:
            enough = made.threshold(kind)
            if enough is None:
                continue
            assert 1 <= enough <= made.n_workers
            rng = np.random.default_rng(6)
            for _ in range(20):
                arrived = np.zeros(made.n_workers, dtype=bool)
                workers = rng.permutation(made.n_workers)
                arrived[workers[:enough]] = True
                made.decode(self.constant(made), arrived)
                arrived[workers[enough - 1]] = False
                with pytest.raises(NotDecodable, match=rf"{enough - 1}\b.*\b{enough}\b"):
                    made.decode(self.constant(made), arrived)

    def test_impossible_answers_are_named(self, made):
        arrived = np.ones(made.n_workers, dtype=bool)
        answers = list(self.constant(made))
        with pytest.raises(ConfigError, match=rf"arrived: wants \({made.n_workers},\) bool"):
            made.decode(answers, arrived[:-1])
        with pytest.raises(ConfigError, match=f"answers: {made.n_workers - 1} of them"):
            made.decode(answers[:-1], arrived)
        with pytest.raises(ConfigError, match="answers: wants a vector of worker 0, got none"):
            made.decode([None, *answers[1:]], arrived)
        if made.n_workers > 1:
            shorter = [answers[0][:-1], *answers[1:]]
            with pytest.raises(
                ConfigError, match=f"{LENGTH} numbers of worker 1, but {LENGTH - 1}"
            ):
                made.decode(shorter, arrived)

    @staticmethod
    def constant(made):
        """The answers of a function that does not look at its block, (n_workers, LENGTH)."""
        value = np.arange(1, LENGTH + 1).astype(made.storage.dtype)
        return np.tile(value, (made.n_workers, 1))
