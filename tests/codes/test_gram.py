import numpy as np
import pytest
from numpy.testing import assert_allclose

from mpicode import codes
from mpicode.codes.base import GradientCode
from mpicode.codes.design_code import per_worker
from mpicode.codes.designs import bibd
from mpicode.codes.gram import GramCode

CASES = [
    ("munim-diagonal", {"n_workers": 9, "design": "bibd", "n_segments": 4, "epsilon": 0.9}),
    ("munim-diagonal", {"n_workers": 16, "design": "bibd", "replication": 6, "n_blocks": 48}),
    ("munim-diagonal", {"n_workers": 13, "design": "bibd"}),
    ("munim-diagonal", {"n_workers": 91, "design": "bibd", "replication": 10}),
    ("munim-diagonal", {"n_workers": 16, "design": "srg", "epsilon": 0.3}),
    ("munim-diagonal", {"n_workers": 40, "design": "biregular", "load": 3, "replication": 6}),
    ("munim-nullspace", {"n_workers": 16, "design": "srg"}),
    ("munim-nullspace", {"n_workers": 91, "design": "bibd", "replication": 10}),
]


@pytest.mark.parametrize(("name", "given"), CASES)
@pytest.mark.parametrize("share", [0, 0.1, 0.3, 0.7, 0.95])
def test_the_coefficients_are_those_of_least_squares(name, given, share):
    code = codes.make(name, **given)
    rng = np.random.default_rng(0)
    for _ in range(5):
        arrived = rng.random(code.n_messages) >= share
        general = GradientCode.solve(code, arrived)
        scale = max(1, np.abs(general).max())
        assert_allclose(code.solve(arrived), general, atol=1e-10 * scale)


def test_inner_products_of_one_vector_per_worker_are_a_product_entry_by_entry():
    vectors = np.random.default_rng(0).standard_normal((13, 3))
    held = bibd(13).astype(float)
    gram, sums = Made(per_worker(held, vectors), n_segments=3).products
    assert_allclose(gram, (held.T @ held) * (vectors @ vectors.T), atol=1e-12)
    assert_allclose(sums, held.sum(axis=0)[:, None] * vectors, atol=1e-12)


class Made(GramCode):
    name = "made"

    def __init__(self, rows, *, n_segments):
        super().__init__(rows, n_segments=n_segments, n_stragglers=0, n_blocks=None)


def test_permuted_workers_have_permuted_coefficients():
    rng = np.random.default_rng(1)
    rows = per_worker(bibd(21), rng.choice([-1.0, 1.0], (21, 2)) * rng.uniform(1, 2, (21, 2)))
    order = rng.permutation(21)
    code, permuted = Made(rows, n_segments=2), Made(rows.tocsr()[order], n_segments=2)
    for share in (0.2, 0.7):
        arrived = rng.random(21) >= share
        assert_allclose(permuted.solve(arrived[order]), code.solve(arrived)[:, order], atol=1e-12)


def test_nearly_dependent_messages_are_left_to_singular_values():
    rng = np.random.default_rng(2)
    rows = rng.standard_normal((6, 8))
    rows[5] = rows[4] + 1e-6 * rng.standard_normal(8)
    code = Made(rows, n_segments=2)
    for arrived in (np.ones(6, dtype=bool), np.arange(6) >= 4):
        assert_allclose(code.solve(arrived), GradientCode.solve(code, arrived), rtol=1e-12)
        found = code.decode(arrived)
        assert found.amplification > 1e4
        missed = found.coefficients @ rows - np.kron(np.eye(2), np.ones(4))
        assert_allclose(found.residual, np.sum(missed**2), rtol=1e-8)


def test_more_messages_than_pieces_are_decoded_by_the_smallest_coefficients():
    rows = np.random.default_rng(3).standard_normal((9, 4))
    code = Made(rows, n_segments=2)
    found = code.decode(np.ones(9, dtype=bool))
    wanted = np.kron(np.eye(2), np.ones(2)) @ np.linalg.pinv(rows)
    assert_allclose(found.coefficients, wanted, atol=1e-12)
    assert found.residual <= 1e-20


def test_a_residual_near_zero_keeps_its_digits():
    code = codes.make("munim-nullspace", n_workers=16, design="srg")
    exact = code.decode(np.ones(16, dtype=bool)).coefficients
    for size in (1e-2, 1e-5, 1e-9):
        moved = exact + size * np.random.default_rng(4).standard_normal(exact.shape)
        missed = moved @ code.encoding - np.kron(np.eye(2), np.ones(16))
        assert_allclose(code.residual(moved), np.sum(missed**2), rtol=1e-9)
