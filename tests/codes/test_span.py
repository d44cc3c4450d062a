import numpy as np
import pytest
from numpy.testing import assert_allclose

from mpicode.codes.span import Span


@pytest.mark.parametrize("dtype", [float, complex])
def test_missing_is_what_least_squares_misses(dtype):
    rng = np.random.default_rng(0)

    def draw(*shape):
        values = rng.standard_normal(shape).astype(dtype)
        return values + 1j * rng.standard_normal(shape) if dtype is complex else values

    targets, vectors = draw(6, 2), draw(6, 9)
    vectors[:, 2] = vectors[:, 0] - 2 * vectors[:, 1]
    span = Span(targets)
    for _ in range(2):
        assert_allclose(span.missing, np.sum(np.abs(targets) ** 2))
        for count in range(1, 10):
            span.add(vectors[:, count - 1])
            best = np.linalg.lstsq(vectors[:, :count], targets)[0]
            missed = np.sum(np.abs(targets - vectors[:, :count] @ best) ** 2)
            assert_allclose(span.missing, missed, rtol=1e-9, atol=1e-24)
        span.clear()


def test_nearly_dependent_vectors_do_not_spoil_the_basis():
    rng = np.random.default_rng(1)
    first = rng.standard_normal(8)
    near = [first + 1e-9 * rng.standard_normal(8) for _ in range(3)]
    targets = rng.standard_normal((8, 1))
    span = Span(targets)
    for vector in (first, *near):
        span.add(vector)
    # the basis the four should give, from their differences
    differences = np.column_stack([first, *(vector - first for vector in near)])
    basis = np.linalg.qr(differences)[0]
    missed = targets - basis @ (basis.T @ targets)
    assert_allclose(span.missing, np.sum(missed**2), rtol=1e-5)


def test_a_vector_of_zeros_adds_nothing():
    span = Span(np.ones((2, 1)))
    span.add(np.zeros(2))
    assert span.missing == 2
