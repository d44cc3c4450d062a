"""What every approximate code of one segment promises, beside the shared suite."""

import numpy as np
from numpy.testing import assert_allclose

from mpicode.codes.base import GradientCode
from mpicode.codes.sets import all_sets


class Permuted(GradientCode):
    """The code with its workers renamed, decoded by general least squares."""

    name = "permuted"

    def __init__(self, code, order):
        super().__init__(
            code.encoding[order],
            np.arange(code.n_workers),
            n_workers=code.n_workers,
            n_blocks=code.n_blocks,
        )


class ApproximateSuite:
    """Mix this in before `CodeSuite`."""

    def test_it_waits_for_all_but_the_stragglers(self, made, case, messages):
        decoder = made.decoder()
        awaited = case["n_workers"] - case.get("n_stragglers", 1)
        for count, message in enumerate(np.random.default_rng(1).permutation(made.n_messages)):
            assert decoder.ready == (count >= awaited)
            decoder.add(message, messages[message])
        assert decoder.ready

    def test_renaming_the_workers_renames_the_coefficients(self, made):
        order = np.random.default_rng(2).permutation(made.n_workers)
        other = Permuted(made, order)
        for mask in self.random_masks(made):
            decoding, wanted = made.decode(mask), other.decode(mask[order])
            # The sums are those of least squares; smaller coefficients with these there are not.
            assert_allclose(
                decoding.coefficients @ made.encoding,
                wanted.coefficients @ other.encoding,
                atol=1e-12 * made.n_blocks,
            )
            assert_allclose(decoding.residual, wanted.residual, rtol=1e-9, atol=1e-15)
            assert decoding.amplification >= wanted.amplification * (1 - 1e-9)

    def test_one_survivor_covers_its_own_blocks(self, made):
        rows = made.encoding.toarray()
        for worker in range(made.n_workers):
            coefficients, residual, _ = made.decode(np.arange(made.n_workers) == worker)
            # Projection of the ones on a single vector.
            row = rows[worker]
            assert_allclose(coefficients[0, worker], row.sum() / (row @ row))
            assert_allclose(residual, made.n_blocks - row.sum() ** 2 / (row @ row), atol=1e-12)


def mean_sum(code, n_lost):
    """What the decoded sum contains of each block, averaged over all sets of ``n_lost`` workers."""
    decoded = [
        code.decode(~np.isin(code.owner, lost)).coefficients @ code.encoding
        for lost in all_sets(code.n_workers, n_lost)
    ]
    return np.mean(decoded, axis=0)


def mean_errors(make, n_lost, n_codes=40, n_sets=25):
    """Return each code's mean residual per block over random sets of ``n_lost``, (n_codes,)."""
    rng = np.random.default_rng(n_lost)
    errors = np.empty((n_codes, n_sets))
    for seed, row in enumerate(errors):
        code = make(seed)
        for place in range(n_sets):
            arrived = rng.permutation(code.n_workers) >= n_lost
            row[place] = code.decode(arrived).residual / code.n_blocks
    return errors.mean(axis=1)
