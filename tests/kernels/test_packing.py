import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from mpicode.codes.packing.anneal import Pattern
from mpicode.codes.packing.supports import balanced_supports
from mpicode.kernels import plain

MIXED = np.array([1, 1, 2, 2, 3, 4, 5, 5, 6, 6])


def pattern(weights=MIXED, n_columns=6, seed=0):
    rng = np.random.default_rng(seed)
    return Pattern.of(balanced_supports(np.asarray(weights), n_columns, rng), n_columns)


def numbers(size, seed=1):
    return np.random.default_rng(seed).standard_normal(size)


def energy_of(matrix, power):
    cosines = (matrix @ matrix.T)[np.triu_indices(len(matrix), 1)]
    return np.sum(np.abs(cosines) ** power) ** (1 / power)


class TestFrameEnergy:
    @pytest.mark.parametrize("power", [2, 4, 16, 64])
    def test_is_the_norm_of_the_inner_products(self, kernels, power):
        pairs, gradient = pattern(), np.empty(MIXED.sum())
        values = numbers(MIXED.sum())
        found = kernels.frame_energy(values, pairs.starts, pairs.left, pairs.right, power, gradient)
        assert_allclose(found, energy_of(pairs.matrix(values), power), rtol=1e-13)

    @pytest.mark.parametrize("power", [2, 4, 16, 64])
    def test_gradient_is_that_of_central_differences(self, kernels, power):
        pairs, gradient, rest = pattern(), np.empty(MIXED.sum()), np.empty(MIXED.sum())
        values = numbers(MIXED.sum())

        def energy(at):
            return kernels.frame_energy(at, pairs.starts, pairs.left, pairs.right, power, rest)

        kernels.frame_energy(values, pairs.starts, pairs.left, pairs.right, power, gradient)
        step = 1e-5
        for place in range(values.size):
            there = step * (np.arange(values.size) == place)
            slope = (energy(values + there) - energy(values - there)) / (2 * step)
            assert_allclose(gradient[place], slope, rtol=0, atol=1e-7)

    def test_large_powers_neither_overflow_nor_vanish(self, kernels):
        pairs, gradient = pattern(), np.empty(MIXED.sum())
        for scale in (1e-100, 1e100):
            values = scale * numbers(MIXED.sum())
            found = kernels.frame_energy(
                values, pairs.starts, pairs.left, pairs.right, 2**20, gradient
            )
            matrix = pairs.matrix(numbers(MIXED.sum()))
            cosines = np.abs(matrix @ matrix.T)
            np.fill_diagonal(cosines, 0)
            assert_allclose(found, scale * scale * cosines.max(), rtol=1e-4)
            assert np.isfinite(gradient).all()

    def test_nothing_shared_is_no_energy(self, kernels):
        pairs, gradient = pattern([1, 1, 1], 3), np.full(3, 7.0)
        assert pairs.left.size == 0
        assert (
            kernels.frame_energy(np.ones(3), pairs.starts, pairs.left, pairs.right, 2, gradient)
            == 0
        )
        assert not gradient.any()

    def test_both_give_the_same_bits(self, compiled):
        pairs = pattern(np.full(40, 7), 20)
        values = numbers(280)
        for power in (2, 8, 512):
            mine, twin = np.empty(280), np.empty(280)
            given = (values, pairs.starts, pairs.left, pairs.right, power)
            assert compiled.frame_energy(*given, mine) == plain.frame_energy(*given, twin)
            assert_array_equal(mine, twin)

    @pytest.mark.parametrize(
        ("changes", "error", "text"),
        [
            ({"power": 3}, ValueError, "power: wants 2, 4, 8 .* got 3"),
            ({"power": 1}, ValueError, "power: wants 2, 4, 8 .* got 1"),
            ({"power": 2.0}, ValueError, "power: wants 2, 4, 8 .* got 2.0"),
            ({"left": np.array([0, 4], "i4")}, ValueError, "left: names value 4 of 4"),
            ({"right": np.array([-1, 3], "i4")}, ValueError, "right: names value -1 of 4"),
            ({"right": np.array([2], "i4")}, ValueError, r"right: has shape \(1,\)"),
            ({"left": np.array([0, 1])}, TypeError, "left: wants int32"),
            ({"starts": np.array([0, 1])}, ValueError, "starts: .* rise from 0 to the 2 terms"),
            ({"starts": np.array([0, 3, 2])}, ValueError, "starts: .* rise from 0 to the 2 terms"),
            ({"starts": np.array([], int)}, ValueError, "starts: .* rise from 0 to the 2 terms"),
            ({"values": np.ones(4, "f4")}, TypeError, "values: wants float64"),
            ({"gradient": np.ones(3)}, ValueError, r"gradient: has shape \(3,\)"),
            ({"gradient": [1.0]}, TypeError, "gradient: wants a numpy array"),
        ],
    )
    def test_says_what_is_wrong(self, kernels, changes, error, text):
        arguments = {
            "values": np.ones(4),
            "starts": np.array([0, 1, 2]),
            "left": np.array([0, 1], "i4"),
            "right": np.array([2, 3], "i4"),
            "power": 2,
            "gradient": np.zeros(4),
            **changes,
        }
        with pytest.raises(error, match=text):
            kernels.frame_energy(**arguments)

    def test_refuses_memory_it_would_overwrite(self, kernels):
        values = np.ones(4)
        with pytest.raises(ValueError, match="values: overlaps out"):
            kernels.frame_energy(
                values, np.array([0, 1]), np.zeros(1, "i4"), np.ones(1, "i4"), 2, values
            )


class TestSphereStep:
    def rows(self, values, row_starts):
        return np.split(values, row_starts[1:-1])

    @pytest.mark.parametrize("floor", [0.0, 0.5, 0.9, 1.0])
    @pytest.mark.parametrize("length", [0.0, 0.1, 3.0])
    def test_rows_end_on_their_spheres_above_the_floor(self, kernels, length, floor):
        starts = np.concatenate([[0], np.cumsum(MIXED)])
        values, out = numbers(MIXED.sum()), np.empty(MIXED.sum())
        kernels.sphere_step(values, starts, numbers(MIXED.sum(), 2), length, floor, out)
        for row in self.rows(out, starts):
            assert_allclose(np.linalg.norm(row), 1.0, rtol=0, atol=1e-12)
            assert np.abs(row).min() >= floor / np.sqrt(row.size) - 1e-12

    def test_the_step_is_along_the_spheres_and_as_long_as_said(self, kernels):
        starts = np.array([0, 3, 5])
        values = np.concatenate([[0.6, 0.0, 0.8], [1.0, 0.0]])
        gradient, out = numbers(5), np.empty(5)
        slope = kernels.sphere_step(values, starts, gradient, 1e-6, 0.0, out)
        along = [
            g - r * (r @ g)
            for r, g in zip(np.split(values, [3]), np.split(gradient, [3]), strict=True)
        ]
        tangent = np.concatenate(along)
        assert_allclose(slope, np.linalg.norm(tangent))
        assert_allclose(out - values, -1e-6 * np.sqrt(2) * tangent / slope, atol=1e-11)

    def test_where_it_is_flat_it_stays(self, kernels):
        values, out = np.array([0.6, 0.8]), np.empty(2)
        assert kernels.sphere_step(values, np.array([0, 2]), np.zeros(2), 0.1, 0.0, out) == 0.0
        assert_allclose(out, values, rtol=1e-15)

    def test_the_floor_keeps_signs(self, kernels):
        values, out = np.array([-1e-3, 1e-3, -1.0, 1.0]), np.empty(4)
        kernels.sphere_step(values, np.array([0, 4]), np.zeros(4), 0.0, 0.5, out)
        assert_allclose(out[:2], [-0.25, 0.25])
        assert_array_equal(np.sign(out), [-1, 1, -1, 1])

    def test_both_give_the_same_bits(self, compiled):
        starts = np.concatenate([[0], np.cumsum(MIXED)])
        for seed in range(20):
            values, gradient = numbers(MIXED.sum(), seed), numbers(MIXED.sum(), seed + 99)
            for floor in (0.0, 0.5, 1.0):
                mine, twin = np.empty(values.size), np.empty(values.size)
                given = (values, starts, gradient, 0.3, floor)
                assert compiled.sphere_step(*given, mine) == plain.sphere_step(*given, twin)
                assert_array_equal(mine, twin)

    @pytest.mark.parametrize(
        ("changes", "error", "text"),
        [
            ({"row_starts": np.array([0, 1])}, ValueError, "row_starts: .* from 0 to the 3 values"),
            ({"row_starts": np.array([1, 3])}, ValueError, "row_starts: .* from 0 to the 3 values"),
            ({"row_starts": np.array([0, 4, 3])}, ValueError, "row_starts: .* rise"),
            ({"row_starts": np.array([0, 3], "i4")}, TypeError, "row_starts: wants int64"),
            ({"gradient": np.ones(2)}, ValueError, r"gradient: has shape \(2,\)"),
            ({"out": np.ones(4)}, ValueError, r"out: has shape \(4,\)"),
            ({"length": "far"}, TypeError, "length: wants a number"),
            ({"floor": None}, TypeError, "floor: wants a number"),
        ],
    )
    def test_says_what_is_wrong(self, kernels, changes, error, text):
        arguments = {
            "values": np.ones(3),
            "row_starts": np.array([0, 3]),
            "gradient": np.ones(3),
            "length": 0.1,
            "floor": 0.5,
            "out": np.zeros(3),
            **changes,
        }
        with pytest.raises(error, match=text):
            kernels.sphere_step(**arguments)

    def test_refuses_memory_it_would_overwrite(self, kernels):
        values, gradient = np.ones(3), np.ones(3)
        for out, name in ((values, "values"), (gradient, "gradient")):
            with pytest.raises(ValueError, match=f"{name}: overlaps out"):
                kernels.sphere_step(values, np.array([0, 3]), gradient, 0.1, 0.0, out)


class TestExchangeSigns:
    def signs(self, n, k, weight, seed=3):
        rng = np.random.default_rng(seed)
        signs = np.zeros((n, k), np.int8)
        for row, columns in enumerate(balanced_supports(np.full(n, weight), k, rng)):
            signs[row, columns] = rng.choice([-1, 1], size=weight)
        return signs

    def penalty(self, signs, penalties, scales):
        products = np.abs(signs.astype(int) @ signs.T)
        above = np.triu_indices(len(signs), 1)
        return np.sum((penalties[products] * np.outer(scales, scales))[above])

    def given(self, n, k):
        scales = np.random.default_rng(4).uniform(1, 2, n)
        return np.arange(k + 1.0) ** 4, scales

    def test_lowers_the_penalty_and_keeps_rows_and_columns(self, kernels):
        begun = self.signs(20, 10, 3)
        penalties, scales = self.given(20, 10)
        signs = begun.copy()
        out = kernels.exchange_signs(signs, penalties, scales, np.geomspace(30, 0.5, 20), 400, 5)
        assert out is signs
        used = np.abs(signs)
        assert_array_equal(used.sum(axis=0), np.abs(begun).sum(axis=0))
        assert_array_equal(used.sum(axis=1), np.abs(begun).sum(axis=1))
        before = self.penalty(begun, penalties, scales)
        assert self.penalty(signs, penalties, scales) < before / 2

    def test_at_no_temperature_nothing_gets_worse(self, kernels):
        signs = self.signs(12, 6, 3)
        penalties, scales = self.given(12, 6)
        before = self.penalty(signs, penalties, scales)
        for seed in range(300):
            kernels.exchange_signs(signs, penalties, scales, np.zeros(1), 1, seed)
            after = self.penalty(signs, penalties, scales)
            assert after <= before * (1 + 1e-12)
            before = after

    def test_both_give_the_same_signs(self, compiled):
        for n, k, weight in ((13, 5, 2), (24, 12, 4), (9, 4, 4)):
            mine = self.signs(n, k, weight)
            twin = mine.copy()
            penalties, scales = self.given(n, k)
            given = (penalties, scales, np.geomspace(40, 1, 10), 500, 2**64 - 3)
            compiled.exchange_signs(mine, *given)
            plain.exchange_signs(twin, *given)
            assert_array_equal(mine, twin)

    def test_nothing_to_move_stays(self, kernels):
        for shape in ((3, 4), (0, 4)):
            signs = np.zeros(shape, np.int8)
            kernels.exchange_signs(signs, np.zeros(5), np.ones(shape[0]), np.ones(2), 10, 0)
            assert not signs.any()

    @pytest.mark.parametrize(
        ("changes", "error", "text"),
        [
            ({"signs": np.full((2, 3), 2, np.int8)}, ValueError, "signs: wants -1, 0 and 1"),
            ({"signs": np.ones((2, 3))}, TypeError, "signs: wants int8"),
            ({"signs": np.ones(3, np.int8)}, ValueError, "signs: wants 2 dimension"),
            ({"penalties": np.ones(3)}, ValueError, r"penalties: has shape \(3,\)"),
            ({"scales": np.ones(3)}, ValueError, r"scales: has shape \(3,\)"),
            ({"temperatures": np.ones((1, 1))}, ValueError, "temperatures: wants 1 dimension"),
            ({"moves": -1}, ValueError, "moves: wants an integer of at least 0, got -1"),
            ({"moves": 1.5}, ValueError, "moves: wants an integer"),
            ({"seed": 2**64}, ValueError, "seed: wants an integer"),
            ({"seed": -1}, ValueError, "seed: wants an integer"),
        ],
    )
    def test_says_what_is_wrong(self, kernels, changes, error, text):
        arguments = {
            "signs": np.ones((2, 3), np.int8),
            "penalties": np.ones(4),
            "scales": np.ones(2),
            "temperatures": np.ones(1),
            "moves": 1,
            "seed": 0,
            **changes,
        }
        with pytest.raises(error, match=text):
            kernels.exchange_signs(**arguments)
