import numpy as np
import pytest

from mpicode.kernels import plain


def problem(n_rows, k, width, dtype, more=0):
    rng = np.random.default_rng([n_rows, k, width])
    direction = rng.standard_normal(k)
    direction[::3] = 0.0
    vectors = rng.standard_normal((n_rows, k * width + more)).astype(dtype)
    return vectors, direction, np.full((n_rows, width), np.nan, dtype)


class TestMixSlots:
    @pytest.mark.parametrize("dtype", ["f4", "f8"])
    @pytest.mark.parametrize("k", [0, 1, 2, 5, 40])
    @pytest.mark.parametrize(
        ("n_rows", "width", "more"), [(0, 3, 0), (1, 1, 2), (9, 0, 1), (7, 33, 5)]
    )
    def test_is_the_sum(self, kernels, n_rows, width, more, k, dtype):
        vectors, direction, out = problem(n_rows, k, width, dtype, more)
        assert kernels.mix_slots(vectors, direction, out) is out
        slots = vectors[:, : k * width].reshape(n_rows, k, width).astype("f8")
        wanted = np.einsum("u,iue->ie", direction, slots)
        np.testing.assert_allclose(out, wanted, rtol=1e-4 if dtype == "f4" else 1e-12, atol=1e-4)

    @pytest.mark.parametrize("dtype", ["f4", "f8"])
    def test_same_bits_as_its_twin(self, compiled, dtype):
        vectors, direction, out = problem(50, 17, 9, dtype)
        twin = plain.mix_slots(vectors, direction, np.empty_like(out))
        np.testing.assert_array_equal(compiled.mix_slots(vectors, direction, out), twin)

    def test_a_slot_with_factor_zero_is_not_looked_at(self, kernels):
        vectors = np.array([[np.nan, 1.0, np.inf, 3.0], [2.0, 5.0, np.nan, 7.0]])
        out = kernels.mix_slots(vectors, np.array([0.0, 1.0, 0.0, -2.0]), np.empty((2, 1)))
        np.testing.assert_array_equal(out, [[-5.0], [-9.0]])

    @pytest.mark.parametrize(
        ("change", "error", "text"),
        [
            ({"vectors": np.ones((3, 5))}, ValueError, r"vectors: has shape \(3, 5\), .*\(3, 6\)"),
            ({"vectors": np.ones((2, 6))}, ValueError, r"vectors: has shape \(2, 6\), .*\(3, 6\)"),
            ({"vectors": np.ones((3, 6), "f4")}, TypeError, "vectors: wants float64, got <f4"),
            ({"vectors": np.ones((6, 3)).T}, ValueError, "vectors: must be C-contiguous"),
            ({"vectors": None}, TypeError, "vectors: wants a numpy array, got NoneType"),
            ({"direction": np.ones(2, "f4")}, TypeError, "direction: wants float64"),
            ({"direction": np.ones((1, 2))}, ValueError, r"direction: wants 1 dimension"),
            ({"out": np.ones(3)}, ValueError, r"out: wants 2 dimension"),
            ({"out": np.ones((3, 3), "c16")}, TypeError, "out: wants float32 or float64"),
        ],
    )
    def test_arguments_that_do_not_fit(self, kernels, change, error, text):
        arguments = {
            "vectors": np.ones((3, 6)),
            "direction": np.ones(2),
            "out": np.ones((3, 3)),
        } | change
        with pytest.raises(error, match=text):
            kernels.mix_slots(**arguments)

    def test_out_apart_from_what_is_read(self, kernels):
        memory = np.ones((3, 3))
        with pytest.raises(ValueError, match="vectors: overlaps out in memory"):
            kernels.mix_slots(memory, np.ones(1), memory)
