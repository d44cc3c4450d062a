import numpy as np
import pytest

from mpicode.kernels import plain

SIZES = [0, 1, 7, 511, 512, 513, 3001]


def problem(n_segments, size, dtype="f8", seed=0):
    """Row, codeword, gain, state, move and x, row and gain with zeros at different places."""
    rng = np.random.default_rng([seed, n_segments, size])
    row, gain, move = rng.standard_normal((3, n_segments))
    row[::3] = 0.0
    gain[1::2] = 0.0
    state, x = rng.standard_normal((2, n_segments, size))
    return row, rng.standard_normal(size).astype(dtype), gain, state, move, x


def by_hand(row, codeword, gain, state, move, step, x):
    rest = codeword.astype(float) - row @ state
    x = x - step * (state[:, : x.shape[1]] + np.outer(move, rest[: x.shape[1]]))
    return rest @ rest, state + np.outer(gain, rest), x


class TestInnovate:
    @pytest.mark.parametrize("dtype", ["f4", "f8"])
    @pytest.mark.parametrize("n_segments", [1, 2, 5, 12, 40])
    @pytest.mark.parametrize("size", SIZES)
    def test_is_the_sum(self, kernels, size, n_segments, dtype):
        row, codeword, gain, state, move, x = problem(n_segments, size, dtype)
        square, wanted, _ = by_hand(row, codeword, gain, state, move, 0.0, x)
        found = kernels.innovate(row, codeword, gain, state)
        assert found == pytest.approx(square, rel=1e-12)
        np.testing.assert_allclose(state, wanted, rtol=1e-12, atol=1e-12)

    @pytest.mark.parametrize("dtype", ["f4", "f8"])
    @pytest.mark.parametrize("n_segments", [1, 9, 40])
    def test_same_bits_as_its_twin(self, compiled, n_segments, dtype):
        row, codeword, gain, state, *_ = problem(n_segments, 2000, dtype)
        twin = state.copy()
        compiled.innovate(row, codeword, gain, state)
        plain.innovate(row, codeword, gain, twin)
        np.testing.assert_array_equal(state, twin)

    def test_what_has_no_part_is_not_looked_at(self, kernels):
        state = np.full((4, 6), np.nan)
        state[1] = 1.0
        row, gain = np.array([0.0, 2.0, 0.0, 0.0]), np.array([0.0, 0.5, 0.0, 0.0])
        assert kernels.innovate(row, np.full(6, 3.0), gain, state) == 6.0
        np.testing.assert_array_equal(state[1], np.full(6, 1.5))
        assert np.isnan(state[[0, 2, 3]]).all()

    def test_numbers_that_are_not_finite_pass_through(self, kernels):
        state = np.ones((2, 3))
        codeword = np.array([np.inf, np.nan, 2.0])
        assert np.isnan(kernels.innovate(np.ones(2), codeword, np.array([1.0, 0.0]), state))
        np.testing.assert_array_equal(state, [[np.inf, np.nan, 1.0], [1.0, 1.0, 1.0]])

    @pytest.mark.parametrize(
        ("change", "error", "text"),
        [
            ({"state": np.ones((3, 4), "f4")}, TypeError, "state: wants float64, got <f4"),
            ({"state": np.ones(12)}, ValueError, r"state: wants 2 dimension.*\(12,\)"),
            ({"state": [[1.0]]}, TypeError, "state: wants a numpy array, got list"),
            ({"codeword": np.ones(5)}, ValueError, r"codeword: has shape \(5,\), but state .*\(4,"),
            ({"codeword": np.ones(4, "c16")}, TypeError, "codeword: wants float32 or float64"),
            ({"codeword": np.ones(8)[::2]}, ValueError, "codeword: must be C-contiguous"),
            ({"row": np.ones(4)}, ValueError, r"row: has shape \(4,\), but state wants \(3,\)"),
            ({"gain": np.ones(3, "f4")}, TypeError, "gain: wants float64"),
            ({"gain": None}, TypeError, "gain: wants a numpy array, got NoneType"),
        ],
    )
    def test_arguments_that_do_not_fit(self, kernels, change, error, text):
        arguments = {
            "row": np.ones(3),
            "codeword": np.ones(4),
            "gain": np.ones(3),
            "state": np.ones((3, 4)),
        } | change
        with pytest.raises(error, match=text):
            kernels.innovate(**arguments)

    def test_a_state_that_is_read_only_or_overlaps(self, kernels):
        state = np.ones((3, 4))
        with pytest.raises(ValueError, match="codeword: overlaps out in memory"):
            kernels.innovate(np.ones(3), state[1], np.ones(3), state)
        state.flags.writeable = False
        with pytest.raises(ValueError, match="state: is read-only"):
            kernels.innovate(np.ones(3), np.ones(4), np.ones(3), state)


class TestInnovateStep:
    @pytest.mark.parametrize("dtype", ["f4", "f8"])
    @pytest.mark.parametrize("shorter", [0, 1, 600])
    @pytest.mark.parametrize("size", SIZES)
    def test_is_a_step_along_the_estimate(self, kernels, size, shorter, dtype):
        row, codeword, gain, state, move, x = problem(5, size, dtype)
        x = np.ascontiguousarray(x[:, : max(0, size - shorter)])
        square, wanted, moved = by_hand(row, codeword, gain, state, move, 0.3, x)
        found = kernels.innovate_step(row, codeword, gain, state, move, 0.3, x)
        assert found == pytest.approx(square, rel=1e-12)
        np.testing.assert_allclose(state, wanted, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(x, moved, rtol=1e-12, atol=1e-12)

    def test_same_bits_as_its_twin(self, compiled):
        row, codeword, gain, state, move, x = problem(20, 2000)
        twins = state.copy(), x.copy()
        compiled.innovate_step(row, codeword, gain, state, move, 0.7, x)
        plain.innovate_step(row, codeword, gain, twins[0], move, 0.7, twins[1])
        np.testing.assert_array_equal(state, twins[0])
        np.testing.assert_array_equal(x, twins[1])

    def test_with_the_gain_it_is_the_new_estimate(self, kernels):
        row, codeword, gain, state, _, x = problem(6, 700)
        before = x.copy()
        kernels.innovate_step(row, codeword, gain, state, gain, 0.25, x)
        np.testing.assert_allclose(x, before - 0.25 * state, rtol=1e-12, atol=1e-12)

    @pytest.mark.parametrize(
        ("change", "error", "text"),
        [
            ({"x": np.ones((3, 5))}, ValueError, r"x: has shape \(3, 5\), but .*\(3, 4\)"),
            ({"x": np.ones((2, 4))}, ValueError, r"x: has shape \(2, 4\), but .*\(3, 4\)"),
            ({"x": np.ones((3, 4), "f4")}, TypeError, "x: wants float64"),
            ({"x": None}, TypeError, "x: wants a numpy array, got NoneType"),
            ({"move": np.ones(2)}, ValueError, r"move: has shape \(2,\), but state wants \(3,\)"),
            ({"move": None}, TypeError, "move: wants a numpy array, got NoneType"),
            ({"step": "1"}, TypeError, "step: wants a real number"),
            ({"codeword": np.ones(5)}, ValueError, "codeword: has shape"),
        ],
    )
    def test_arguments_that_do_not_fit(self, kernels, change, error, text):
        arguments = {
            "row": np.ones(3),
            "codeword": np.ones(4),
            "gain": np.ones(3),
            "state": np.ones((3, 4)),
            "move": np.ones(3),
            "step": 0.5,
            "x": np.ones((3, 4)),
        } | change
        with pytest.raises(error, match=text):
            kernels.innovate_step(**arguments)

    def test_x_apart_from_what_is_read(self, kernels):
        state, x = np.ones((3, 4)), np.ones((3, 4))
        a = np.ones(3)
        with pytest.raises(ValueError, match="state: overlaps out in memory"):
            kernels.innovate_step(a, np.ones(4), a, state, a, 0.5, state)
        with pytest.raises(ValueError, match="codeword: overlaps out in memory"):
            kernels.innovate_step(a, x[0], a, state, a, 0.5, x)
