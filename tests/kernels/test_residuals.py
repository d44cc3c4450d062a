import numpy as np
import pytest
from scipy import special

SIZES = [0, 1, 3, 1001]
EXTREME = np.array([0.0, -0.0, 1e4, -1e4, 1e-300, 800.0, -800.0, 36.0, -36.0])


def tolerance(dtype):
    return 8 * np.finfo(dtype).eps


class TestLogistic:
    @pytest.mark.parametrize("weights_type", ["f4", "f8"])
    @pytest.mark.parametrize("labels", ["i8", "f4", "f8"])
    @pytest.mark.parametrize("dtype", ["f4", "f8"])
    @pytest.mark.parametrize("size", SIZES)
    def test_is_the_formula(self, kernels, size, dtype, labels, weights_type):
        rng = np.random.default_rng(size)
        z = (4 * rng.standard_normal(size)).astype(dtype)
        y = rng.integers(0, 2, size).astype(labels)
        weights = rng.standard_normal(size).astype(weights_type)
        out = np.full(size, np.nan, dtype)
        loss = kernels.logistic_residual(z, y, weights, out)
        wide = z.astype("f8")
        np.testing.assert_allclose(
            out, weights * (special.expit(wide) - y), rtol=0, atol=5 * tolerance(dtype)
        )
        losses = weights * (-y * special.log_expit(wide) - (1 - y) * special.log_expit(-wide))
        assert type(loss) is float
        assert loss == pytest.approx(losses.sum(), rel=1e-6 if weights_type == "f4" else 1e-12)

    @pytest.mark.parametrize("dtype", ["f4", "f8"])
    @pytest.mark.parametrize("label", [0, 1])
    def test_extreme_logits(self, kernels, label, dtype):
        z = EXTREME.astype(dtype)
        y, weights, out = np.full(z.size, label), np.ones(z.size), np.empty_like(z)
        loss = kernels.logistic_residual(z, y, weights, out)
        wide = z.astype("f8")
        assert loss == pytest.approx(np.logaddexp(0, (1 - 2 * label) * wide).sum(), rel=1e-14)
        np.testing.assert_allclose(
            out, special.expit(wide) - label, rtol=tolerance(dtype), atol=1e-15
        )

    def test_small_losses_keep_their_digits(self, kernels):
        z, one = np.array([-40.0]), np.ones(1)
        loss = kernels.logistic_residual(z, np.array([0]), one, np.empty(1))
        assert loss == pytest.approx(np.exp(-40.0), rel=1e-14)

    def test_last_bits(self, kernels):
        z = -np.concatenate([np.linspace(0, 708, 40_001), np.logspace(-20, 0, 4001)])
        out, one = np.empty_like(z), np.ones_like(z)
        kernels.logistic_residual(z, np.zeros_like(z), one, out)
        np.testing.assert_allclose(out, np.exp(z) / (1 + np.exp(z)), rtol=6 * np.finfo("f8").eps)
        kernels.logistic_residual(-z, np.zeros_like(z), one, out)
        np.testing.assert_allclose(out, 1 / (1 + np.exp(z)), rtol=6 * np.finfo("f8").eps)
        for i in range(0, z.size, 97):
            loss = kernels.logistic_residual(z[i : i + 1], np.zeros(1), one[:1], out[:1])
            assert loss == pytest.approx(np.log1p(np.exp(z[i])), rel=6 * np.finfo("f8").eps, abs=0)

    def test_underflow_is_zero(self, kernels):
        z, out = np.array([-708.5, -745.0, -1e300]), np.empty(3)
        loss = kernels.logistic_residual(z, np.zeros(3), np.ones(3), out)
        assert 0 <= loss < 1e-306
        assert (np.abs(out) < 1e-306).all()

    @pytest.mark.parametrize("dtype", ["f4", "f8"])
    def test_out_may_be_z(self, kernels, dtype):
        z = np.linspace(-3, 3, 101, dtype=dtype)
        y, weights = np.arange(101) % 2, np.linspace(0, 1, 101)
        out = np.empty_like(z)
        loss = kernels.logistic_residual(z, y, weights, out)
        assert kernels.logistic_residual(z, y, weights, z) == loss
        np.testing.assert_array_equal(z, out)

    def test_soft_labels(self, kernels):
        out = np.empty(1)
        loss = kernels.logistic_residual(np.zeros(1), np.array([0.5]), np.ones(1), out)
        assert (loss, out[0]) == (pytest.approx(np.log(2)), 0.0)

    def test_nan_shows(self, kernels):
        z, out = np.array([0.0, np.nan, 0.0]), np.empty(3)
        loss = kernels.logistic_residual(z, np.ones(3), np.ones(3), out)
        assert np.isnan(loss)
        np.testing.assert_array_equal(np.isnan(out), [False, True, False])

    @pytest.mark.parametrize(
        ("y", "text"),
        [
            (np.array([0, 1, 2]), "y: row 2 has label 2, wants 0 to 1"),
            (np.array([0, -1, 2]), "y: row 1 has label -1"),
            (np.array([0.0, 1.0, np.nan]), "y: row 2 has label nan"),
            (np.array([1.5, 1.0, 0.0], "f4"), "y: row 0 has label 1.5"),
        ],
    )
    def test_names_the_row_of_a_bad_label(self, kernels, y, text):
        with pytest.raises(ValueError, match=text):
            kernels.logistic_residual(np.zeros(3), y, np.ones(3), np.empty(3))

    @pytest.mark.parametrize(
        ("position", "value", "error", "text"),
        [
            (0, np.zeros(3, "i8"), TypeError, "z: wants float32 or float64, got <i8"),
            (0, np.zeros((3, 1)), ValueError, r"z: wants 1 dimension.*\(3, 1\)"),
            (0, np.zeros(6)[::2], ValueError, "z: must be C-contiguous"),
            (1, np.zeros(4), ValueError, r"y: has shape \(4,\), but z wants \(3,\)"),
            (1, np.zeros(3, "i4"), TypeError, "y: wants float32 or float64 or int64, got <i4"),
            (1, [0, 1, 0], TypeError, "y: wants a numpy array, got list"),
            (2, np.ones(2), ValueError, r"weights: has shape \(2,\), but z wants \(3,\)"),
            (2, np.ones(3, "i8"), TypeError, "weights: wants float32 or float64, got <i8"),
            (2, np.ones(1), ValueError, r"weights: has shape \(1,\)"),
            (3, np.ones(3, "f4"), TypeError, "out: wants float64, got <f4"),
            (3, np.ones(5), ValueError, r"out: has shape \(5,\), but z wants \(3,\)"),
        ],
    )
    def test_says_what_is_wrong(self, kernels, position, value, error, text):
        arguments = [np.zeros(3), np.zeros(3), np.ones(3), np.empty(3)]
        arguments[position] = value
        with pytest.raises(error, match=text):
            kernels.logistic_residual(*arguments)

    def test_refuses_overlap(self, kernels):
        memory = np.zeros(9)
        with pytest.raises(ValueError, match="z: overlaps out"):
            kernels.logistic_residual(memory[:3], np.zeros(3), np.ones(3), memory[1:4])
        with pytest.raises(ValueError, match="weights: overlaps out"):
            kernels.logistic_residual(np.zeros(3), np.zeros(3), memory[:3], memory[:3])
        with pytest.raises(ValueError, match="y: overlaps out"):
            kernels.logistic_residual(np.zeros(3), memory[:3], np.ones(3), memory[:3])


class TestSoftmax:
    @pytest.mark.parametrize("weights_type", ["f4", "f8"])
    @pytest.mark.parametrize("dtype", ["f4", "f8"])
    @pytest.mark.parametrize("n_classes", [1, 2, 3, 10, 513])
    @pytest.mark.parametrize("size", SIZES)
    def test_is_the_formula(self, kernels, size, n_classes, dtype, weights_type):
        rng = np.random.default_rng([size, n_classes])
        z = (4 * rng.standard_normal((size, n_classes))).astype(dtype)
        y = rng.integers(0, n_classes, size)
        weights = rng.standard_normal(size).astype(weights_type)
        out = np.full(z.shape, np.nan, dtype)
        loss = kernels.softmax_residual(z, y, weights, out)
        wide = z.astype("f8")
        wanted = special.softmax(wide, axis=1) - np.eye(n_classes)[y]
        np.testing.assert_allclose(
            out, weights[:, None] * wanted, rtol=0, atol=5 * tolerance(dtype)
        )
        losses = -special.log_softmax(wide, axis=1)[np.arange(size), y]
        assert type(loss) is float
        assert loss == pytest.approx(weights.astype("f8") @ losses, rel=1e-12, abs=1e-12)

    @pytest.mark.parametrize("dtype", ["f4", "f8"])
    def test_extreme_logits(self, kernels, dtype):
        z = np.array([[1e4, -1e4, 0], [-1e4, -1e4, -1e4], [1e4, 1e4, 1e4], [1e4, 0, -1e4]], dtype)
        out = np.empty_like(z)
        loss = kernels.softmax_residual(z, np.array([0, 1, 2, 2]), np.ones(4), out)
        assert loss == pytest.approx(2e4 + 2 * np.log(3), rel=1e-14)
        third = np.array([1, 1, 1]) / 3
        wanted = [[0, 0, 0], third - [0, 1, 0], third - [0, 0, 1], [1, 0, -1]]
        np.testing.assert_allclose(out, wanted, rtol=0, atol=tolerance(dtype))

    @pytest.mark.parametrize("dtype", ["f4", "f8"])
    def test_out_may_be_z(self, kernels, dtype):
        rng = np.random.default_rng(0)
        z = rng.standard_normal((50, 7)).astype(dtype)
        y, weights = rng.integers(0, 7, 50), rng.random(50)
        out = np.empty_like(z)
        loss = kernels.softmax_residual(z, y, weights, out)
        assert kernels.softmax_residual(z, y, weights, z) == loss
        np.testing.assert_array_equal(z, out)

    def test_two_classes_are_logistic(self, kernels):
        logits = np.linspace(-5, 5, 21)
        z = np.stack([np.zeros(21), logits], axis=1)
        y, weights = np.arange(21) % 2, np.linspace(1, 2, 21)
        out, single = np.empty_like(z), np.empty(21)
        loss = kernels.softmax_residual(z, y, weights, out)
        assert loss == pytest.approx(kernels.logistic_residual(logits, y, weights, single))
        np.testing.assert_allclose(out, np.stack([-single, single], axis=1), atol=1e-15)

    def test_nan_shows_and_stays_in_its_row(self, kernels):
        z = np.zeros((3, 2))
        z[1, 0] = np.nan
        out = np.empty_like(z)
        assert np.isnan(kernels.softmax_residual(z, np.zeros(3, "i8"), np.ones(3), out))
        assert np.isnan(out[1]).all()
        assert np.isfinite(out[[0, 2]]).all()

    def test_all_minus_infinity_is_nan(self, kernels):
        z = np.full((1, 2), -np.inf)
        assert np.isnan(
            kernels.softmax_residual(z, np.zeros(1, "i8"), np.ones(1), np.empty((1, 2)))
        )

    @pytest.mark.parametrize("label", [-1, 3, 2**40])
    def test_names_the_row_of_a_bad_label(self, kernels, label):
        y = np.array([0, label, 2])
        with pytest.raises(ValueError, match=f"y: row 1 has label {label}, wants 0 to 2"):
            kernels.softmax_residual(np.zeros((3, 3)), y, np.ones(3), np.empty((3, 3)))

    @pytest.mark.parametrize(
        ("position", "value", "error", "text"),
        [
            (0, np.zeros(3), ValueError, r"z: wants 2 dimension.*\(3,\)"),
            (0, np.zeros((3, 2), order="F"), ValueError, "z: must be C-contiguous"),
            (0, np.zeros((3, 0)), ValueError, r"out: has shape \(3, 2\), but z wants \(3, 0\)"),
            (1, np.zeros(3), TypeError, "y: wants int64, got <f8"),
            (1, np.zeros(2, "i8"), ValueError, r"y: has shape \(2,\), but z wants \(3,\)"),
            (2, np.ones((3, 1)), ValueError, "weights: wants 1 dimension"),
            (3, np.ones((2, 3)), ValueError, r"out: has shape \(2, 3\), but z wants \(3, 2\)"),
            (3, np.ones((3, 2), "f4"), TypeError, "out: wants float64, got <f4"),
        ],
    )
    def test_says_what_is_wrong(self, kernels, position, value, error, text):
        arguments = [np.zeros((3, 2)), np.zeros(3, "i8"), np.ones(3), np.empty((3, 2))]
        arguments[position] = value
        with pytest.raises(error, match=text):
            kernels.softmax_residual(*arguments)

    def test_no_rows_and_no_classes(self, kernels):
        none = np.zeros((0, 0))
        assert kernels.softmax_residual(none, np.zeros(0, "i8"), np.ones(0), none.copy()) == 0.0

    def test_needs_a_class(self, kernels):
        nothing = np.zeros((3, 0))
        with pytest.raises(ValueError, match=r"z: has shape \(3, 0\), wants at least one class"):
            kernels.softmax_residual(nothing, np.zeros(3, "i8"), np.ones(3), np.empty((3, 0)))
