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


class TestFiniteSquare:
    @pytest.mark.parametrize("dtype", ["f4", "f8"])
    @pytest.mark.parametrize("size", SIZES)
    def test_is_the_sum_of_squares(self, kernels, size, dtype):
        vector = np.random.default_rng(size).standard_normal(size).astype(dtype)
        wanted = float((vector.astype(float) ** 2).sum())
        assert kernels.finite_square(vector) == pytest.approx(wanted, rel=1e-13)

    @pytest.mark.parametrize(("dtype", "wanted"), [("f4", 33e60), ("f8", np.inf)])
    def test_squares_that_are_too_large(self, kernels, dtype, wanted):
        large = np.full(33, {"f4": 1e30, "f8": 1e300}[dtype], dtype)
        assert kernels.finite_square(large) == pytest.approx(wanted, rel=1e-6)

    @pytest.mark.parametrize("dtype", ["f4", "f8"])
    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    @pytest.mark.parametrize("place", [0, 6, 8, 16])
    def test_one_number_that_is_not_finite(self, kernels, place, value, dtype):
        vector = np.ones(17, dtype)
        vector[place] = value
        assert np.isnan(kernels.finite_square(vector))

    @pytest.mark.parametrize(
        ("vector", "error", "text"),
        [
            (np.ones(4, "c16"), TypeError, "vector: wants float32 or float64, got <c16"),
            (np.ones((2, 2)), ValueError, r"vector: wants 1 dimension.*\(2, 2\)"),
            (np.ones(8)[::2], ValueError, "vector: must be C-contiguous"),
            ([1.0], TypeError, "vector: wants a numpy array, got list"),
        ],
    )
    def test_what_does_not_fit(self, kernels, vector, error, text):
        with pytest.raises(error, match=text):
            kernels.finite_square(vector)


class TestLightSteps:
    """Bit by bit what `innovate_step` does, and `accumulate` without a state."""

    @staticmethod
    def tables(n_segments=5):
        rows, gains, moves = np.random.default_rng(3).standard_normal((3, 4, n_segments))
        rows[:, ::3] = moves[:, 1::2] = gains[:, 1::2] = 0.0
        return rows, gains, moves

    @pytest.mark.parametrize("dtype", ["f4", "f8"])
    @pytest.mark.parametrize("shorter", [0, 1, 600])
    @pytest.mark.parametrize("size", SIZES)
    def test_with_a_state(self, kernels, size, shorter, dtype):
        _, codeword, _, state, _, x = problem(5, size, dtype)
        x = np.ascontiguousarray(x[:, : max(0, size - shorter)])
        rows, gains, moves = self.tables()
        wanted = state.copy(), x.copy()
        steps = kernels.LightSteps(x, moves, state, rows, gains)
        for message in (2, 0, 3, 2):
            square = steps.take(message, codeword, 0.3)
            assert square == kernels.finite_square(codeword)
            kernels.innovate_step(
                rows[message], codeword, gains[message], wanted[0], moves[message], 0.3, wanted[1]
            )
        np.testing.assert_array_equal(state, wanted[0])
        np.testing.assert_array_equal(x, wanted[1])

    @pytest.mark.parametrize("dtype", ["f4", "f8"])
    @pytest.mark.parametrize("size", SIZES)
    def test_without_one(self, kernels, size, dtype):
        _, codeword, *_, x = problem(5, size, dtype)
        *_, moves = self.tables()
        x[[1, 3]] = np.nan  # what does not move is not looked at
        wanted = x.copy()
        steps = kernels.LightSteps(x, moves)
        for message in (1, 3, 1):
            assert steps.take(message, codeword, 0.3) == kernels.finite_square(codeword)
            for u in (0, 2, 4):
                kernels.accumulate(-0.3 * moves[message, u], codeword, wanted[u])
        np.testing.assert_array_equal(x, wanted)

    @pytest.mark.parametrize("with_state", [False, True])
    def test_a_codeword_that_is_not_finite_is_left(self, kernels, with_state):
        rows, gains, moves = self.tables()
        state, x = np.ones((2, 5, 700))
        more = (state, rows, gains) if with_state else ()
        codeword = np.ones(700)
        codeword[-1] = np.inf
        assert np.isnan(kernels.LightSteps(x, moves, *more).take(0, codeword, 0.5))
        assert (state == 1).all()
        assert (x == 1).all()
        codeword[-1] = 1e200  # whose square alone is too large
        assert kernels.LightSteps(x, moves, *more).take(0, codeword, 0.5) == np.inf
        assert not (x == 1).all()

    @pytest.mark.parametrize(
        ("change", "error", "text"),
        [
            ({"x": np.ones((5, 7), "f4")}, TypeError, "x: wants float64"),
            ({"x": np.ones((5, 8))}, ValueError, r"x: has shape \(5, 8\), but .*\(5, 7\)"),
            ({"moves": np.ones((4, 6))}, ValueError, r"moves: has shape \(4, 6\), .*\(4, 5\)"),
            ({"moves": None}, TypeError, "moves: wants a numpy array, got NoneType"),
            ({"rows": np.ones((3, 5))}, ValueError, r"rows: has shape \(3, 5\), .*\(4, 5\)"),
            ({"gains": None}, TypeError, "gains: wants a numpy array, got NoneType"),
            ({"state": None}, TypeError, "rows: wants a state beside them, got None"),
            ({"state": np.ones((4, 7))}, ValueError, r"x: has shape \(5, 7\), but .*\(4, 7\)"),
        ],
    )
    def test_tables_that_do_not_fit(self, kernels, change, error, text):
        rows, gains, moves = self.tables()
        arguments = {
            "x": np.ones((5, 7)), "moves": moves, "state": np.ones((5, 7)), "rows": rows,
            "gains": gains,
        } | change  # fmt: skip
        with pytest.raises(error, match=text):
            kernels.LightSteps(**arguments)

    @pytest.mark.parametrize(
        ("message", "codeword", "error", "text"),
        [
            (4, np.ones(7), IndexError, "message: 4 is not one of 4"),
            (-1, np.ones(7), IndexError, "message: -1 is not one of 4"),
            (0, np.ones(8), ValueError, r"codeword: has shape \(8,\), but .*\(7,\)"),
            (0, np.ones(7, int), TypeError, "codeword: wants float32 or float64"),
            (0, None, TypeError, "codeword: wants a numpy array, got NoneType"),
        ],
    )
    def test_messages_that_do_not_fit(self, kernels, message, codeword, error, text):
        x = np.ones((5, 7))
        steps = kernels.LightSteps(x, self.tables()[2])
        with pytest.raises(error, match=text):
            steps.take(message, codeword, 0.5)
        with pytest.raises(ValueError, match="codeword: overlaps out in memory"):
            steps.take(0, x[1], 0.5)
        assert (x == 1).all()

    def test_what_is_read_may_not_be_what_is_written(self, kernels):
        rows, gains, moves = self.tables()
        x = np.ones((5, 7))
        with pytest.raises(ValueError, match="state: overlaps out in memory"):
            kernels.LightSteps(x, moves, x, rows, gains)
        square = np.ones((5, 5))
        with pytest.raises(ValueError, match="moves: overlaps out in memory"):
            kernels.LightSteps(square, square)

    def test_arrays_are_held(self, kernels):
        *_, moves = self.tables()
        x = np.zeros((5, 7))
        steps = kernels.LightSteps(x, moves.copy())
        for _ in range(50):
            np.random.default_rng(0).standard_normal((4, 5))  # where freed memory would be
        steps.take(0, np.ones(7), -1.0)
        np.testing.assert_array_equal(x, np.repeat(moves[0][:, None], 7, axis=1))
