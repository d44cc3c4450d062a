"""What every decoder of light messages promises, and each one its own."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from mpicode.codes import light
from mpicode.errors import ConfigError, DataError

from .conftest import light_rows

EXACT = {"ortho": {"threshold": 0.0}, "kalman": {"drift": 0.0}}
STALE = [name for name, cls in light.DECODERS.items() if cls.accepts_stale]


def make(name, rows, length, **parameters):
    return light.make(name, parameters or EXACT.get(name, {}), rows=rows, length=length)


def least_norm(rows, codewords):
    return np.linalg.lstsq(rows, codewords, rcond=1e-12)[0]


def by_spans(rows):
    """Rank, and which segments are determined, by singular values."""
    _, values, basis = np.linalg.svd(rows, full_matrices=False)
    basis = basis[values > 1e-9]
    return len(basis), (basis**2).sum(axis=0) > 1 - 1e-9


@pytest.fixture(params=light.DECODERS)
def name(request):
    return request.param


class TestEvery:
    def test_tells_which_segments_it_changed(self, name, rows, segments):
        decoder = make(name, rows, 31)
        for i in np.random.default_rng(1).permutation(24):
            before = decoder.estimate().copy()
            touched = decoder.add(int(i), rows[i] @ segments)
            changed = (decoder.estimate() != before).any(axis=1)
            assert set(np.flatnonzero(changed)) <= set(touched)

    def test_reset_forgets_everything(self, name, rows, segments):
        once, twice = make(name, rows, 31), make(name, rows, 31)
        for i in (3, 4, 5, 3, 8):
            twice.add(i, np.full(31, 1e3))
        twice.reset()
        assert twice.rank == 0
        assert twice.n_duplicates == 0
        assert not twice.known().any()
        assert not twice.estimate().any()
        for i in (7, 1, 9, 0):
            for decoder in (once, twice):
                decoder.add(i, rows[i] @ segments)
        assert_array_equal(once.estimate(), twice.estimate())

    def test_what_is_known_is_exact(self, name, segments):
        rows = np.concatenate([np.eye(12)[[2, 5, 7]], light_rows(9, 12, 2), light_rows(9, 12, 3)])
        decoder = make(name, rows, 31)
        for i in np.random.default_rng(3).permutation(len(rows)):
            decoder.add(int(i), rows[i] @ segments)
            known = decoder.known()
            assert_allclose(decoder.estimate()[known], segments[known], rtol=1e-9, atol=1e-9)
            _, determined = by_spans(rows[decoder.seen])
            assert not (known & ~determined).any()

    def test_rank_counts_independent_rows(self, name, rows, segments):
        decoder = make(name, rows, 31)
        assert decoder.rank == 0
        for count, i in enumerate(np.random.default_rng(1).permutation(24), 1):
            decoder.add(int(i), rows[i] @ segments)
            rank, _ = by_spans(rows[decoder.seen])
            assert decoder.rank == rank <= count

    @pytest.mark.parametrize("width", [31, 30, 1])
    def test_adding_and_stepping_is_both(self, name, rows, segments, width):
        one, other = make(name, rows, 31), make(name, rows, 31)
        start = np.random.default_rng(2).standard_normal((12, width))
        x = start.copy()
        for i in (0, 5, 9, 17, 5, 6):
            codeword = rows[i] @ segments
            n_before = one.n_duplicates
            before = one.estimate().copy()
            one.add(i, codeword)
            if one.n_duplicates == n_before:
                along = one.estimate()
                if name == "sega":
                    along = before + 12 * np.outer(rows[i], codeword - rows[i] @ before)
                start -= 0.1 * along[:, :width]
            other.add_and_step(i, codeword, x, 0.1)
            assert_allclose(x, start, rtol=1e-10, atol=1e-12)
        assert_allclose(other.estimate(), one.estimate(), rtol=1e-10, atol=1e-12)
        assert other.n_duplicates == one.n_duplicates

    @pytest.mark.parametrize("dtype", ["f4", "f8"])
    def test_a_stepper_adds_and_steps(self, name, rows, segments, dtype):
        one, other = make(name, rows, 31), make(name, rows, 31)
        x, start = np.random.default_rng(2).standard_normal((2, 12, 31))
        start[:] = x
        step = one.stepper(x)
        for i in (0, 5, 9, 17, 5, 6):
            codeword = (rows[i] @ segments).astype(dtype)
            wanted = float((codeword.astype(float) ** 2).sum())
            assert step(i, codeword, 0.1, 0) == pytest.approx(wanted, rel=1e-12)
            other.add_and_step(i, codeword, start, 0.1)
        assert_array_equal(x, start)
        assert_array_equal(one.estimate(), other.estimate())
        assert_array_equal(one.seen, other.seen)
        assert_array_equal(one.known(), other.known())
        assert one.n_duplicates == other.n_duplicates

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_a_stepper_leaves_what_is_not_finite(self, name, rows, value):
        decoder, x = make(name, rows, 31), np.zeros((12, 31))
        step = decoder.stepper(x)
        assert np.isnan(step(2, np.append(np.ones(30), value), 0.1, 0))
        assert not x.any()
        assert not decoder.estimate().any()
        assert not decoder.seen.any()
        assert step(2, np.ones(31), 0.1, 0) == 31.0
        assert decoder.seen[2]

    def test_codewords_are_not_written_to(self, name, rows, segments):
        decoder = make(name, rows, 31)
        codeword = rows[4] @ segments
        codeword.flags.writeable = False
        decoder.add(4, codeword)
        assert not np.shares_memory(codeword, decoder.estimate())

    @pytest.mark.parametrize(
        ("codeword", "text"),
        [
            (np.ones(30), r"codeword of row 2: wants 31 numbers, has shape \(30,\)"),
            (np.ones((1, 31)), r"codeword of row 2: wants 31 numbers, has shape \(1, 31\)"),
            (np.ones(62)[::2], "codeword of row 2: is not contiguous"),
            (np.ones(31, np.complex128), "codeword of row 2: wants float32 or .*, got complex128"),
            (np.ones(31, int), "codeword of row 2: wants float32 or float64, got int64"),
            ([1.0] * 31, "codeword of row 2: wants float32 or float64, got list"),
            (np.append(np.ones(30), np.nan), "codeword of row 2: holds numbers .* not finite"),
            (np.append(np.ones(30), -np.inf), "codeword of row 2: holds numbers .* not finite"),
        ],
    )
    def test_codewords_that_are_refused(self, name, rows, codeword, text):
        decoder = make(name, rows, 31)
        decoder.add(1, np.ones(31))
        before = decoder.estimate().copy()
        for call in (
            lambda: decoder.add(2, codeword),
            lambda: decoder.add_and_step(2, codeword, np.zeros((12, 31)), 0.1),
        ):
            with pytest.raises(DataError, match=text):
                call()
        assert_array_equal(decoder.estimate(), before)
        assert not decoder.seen[2]

    def test_numbers_whose_squares_are_not_finite_are(self, name, rows):
        decoder = make(name, rows, 31)
        decoder.add(0, np.full(31, 1e25, np.float32))
        assert np.isfinite(decoder.estimate()).all()

    def test_other_arguments_that_are_wrong(self, name, rows):
        decoder = make(name, rows, 31)
        for arguments, text in (
            ((24, np.ones(31)), "row 24 does not exist: there are 24"),
            ((-1, np.ones(31)), "row -1 does not exist"),
            ((1, np.ones(31), -1), "row 1: staleness -1"),
            ((1, np.ones(31), 0, -0.5), "row 1: a variance of -0.5"),
            ((1, np.ones(31), 0, np.nan), "row 1: a variance of nan"),
        ):
            with pytest.raises(ConfigError, match=text):
                decoder.add(*arguments)

    @pytest.mark.parametrize(
        ("x", "step_size", "text"),
        [
            (np.zeros((12, 32)), 0.1, r"x: wants float64 \(12, at most 31\), got .* \(12, 32\)"),
            (np.zeros((11, 31)), 0.1, r"x: wants .* got float64 \(11, 31\)"),
            (np.zeros(12), 0.1, r"x: wants .* got float64 \(12,\)"),
            (np.zeros((12, 31), "f4"), 0.1, r"x: wants .* got float32"),
            (None, 0.1, "x: wants .* got NoneType"),
            (np.zeros((31, 12)).T, 0.1, "x: wants contiguous memory"),
            (np.zeros((12, 31)), np.nan, "step_size: must be finite, got nan"),
        ],
    )
    def test_steps_that_cannot_be_made(self, name, rows, x, step_size, text):
        decoder = make(name, rows, 31)
        with pytest.raises(ConfigError, match=text):
            decoder.add_and_step(1, np.ones(31), x, step_size)
        assert not decoder.seen.any()
        assert decoder.rank == 0

    @pytest.mark.parametrize(
        ("rows", "length", "text"),
        [
            (np.eye(3)[:, :0], 4, r"rows: wants \(n_messages, n_segments\), got \(3, 0\)"),
            (np.zeros((2, 2, 2)), 4, r"rows: wants .*, got \(2, 2, 2\)"),
            ([[1.0, 0.0], [0.0, 0.0]], 4, "rows: row 1 is zero or not finite"),
            ([[1.0, np.nan]], 4, "rows: row 0 is zero or not finite"),
            (np.eye(2), 0, "length: a codeword has at least 1 number, got 0"),
        ],
    )
    def test_what_no_decoder_is_made_of(self, name, rows, length, text):
        with pytest.raises(ConfigError, match=text):
            light.make(name, rows=rows, length=length)


@pytest.mark.parametrize("name", ["onestep", "ortho", "peel"])
class TestOneGradient:
    def test_a_second_copy_is_left(self, name, rows, segments):
        decoder = make(name, rows, 31)
        decoder.add(3, rows[3] @ segments)
        before = decoder.estimate().copy()
        assert decoder.add(3, np.ones(31)).size == 0
        x = np.zeros((12, 31))
        decoder.add_and_step(3, np.ones(31), x, 0.1)
        assert decoder.n_duplicates == 2
        assert not x.any()
        assert_array_equal(decoder.estimate(), before)

    def test_older_parameters_are_refused(self, name, rows):
        with pytest.raises(ConfigError, match=f"staleness 2 is not for '{name}'"):
            make(name, rows, 31).add(0, np.ones(31), staleness=2)


class TestOneStep:
    def test_is_the_best_multiple(self, rows, segments):
        decoder = make("onestep", rows, 31)
        for i in (2, 5, 11, 20):
            decoder.add(i, rows[i] @ segments)
        A = rows[[2, 5, 11, 20]]
        square = A.T @ A
        scale = np.trace(square) / np.vdot(square, square)
        assert_allclose(decoder.estimate(), scale * square @ segments, rtol=1e-12, atol=1e-14)
        others = [np.linalg.norm(s * square - np.eye(12)) for s in (0.99 * scale, 1.01 * scale)]
        assert np.linalg.norm(scale * square - np.eye(12)) < min(others)

    def test_its_error_for_segments_at_random(self):
        # T2: the mean squared error per column is k - m^2 / |A A^T|_F^2
        rows = light_rows(9, 6, 3)
        rng = np.random.default_rng(0)
        G = rng.standard_normal((6, 200_000))
        decoder = make("onestep", rows, 200_000)
        for i in range(9):
            decoder.add(i, rows[i] @ G)
        error = np.mean(((decoder.estimate() - G) ** 2).sum(axis=0))
        gram = rows @ rows.T
        # the standard deviation of a mean of 200,000 such numbers is below 0.1 %
        assert error == pytest.approx(6 - 81 / np.vdot(gram, gram), rel=0.01)


class TestKaczmarz:
    @pytest.mark.parametrize("relaxation", [0.5, 1.0, 1.5])
    def test_how_the_error_falls(self, relaxation, rows, segments):
        rows = rows * np.linspace(0.5, 3.0, 24)[:, None]
        decoder = make("kaczmarz", rows, 31, relaxation=relaxation)
        for i in np.random.default_rng(0).integers(0, 24, 200):
            before = decoder.estimate().copy()
            codeword = rows[i] @ segments
            rest = codeword - rows[i] @ before
            decoder.add(int(i), codeword)
            assert decoder.unforeseen == pytest.approx(rest @ rest, rel=1e-9, abs=1e-20)
            fallen = ((before - segments) ** 2).sum() - ((decoder.estimate() - segments) ** 2).sum()
            wanted = relaxation * (2 - relaxation) * (rest @ rest) / (rows[i] @ rows[i])
            assert fallen == pytest.approx(wanted, rel=1e-9, abs=1e-11)
            outside = rows[i] == 0
            assert_array_equal(decoder.estimate()[outside], before[outside])
            if relaxation == 1.0:
                assert_allclose(rows[i] @ decoder.estimate(), codeword, rtol=1e-12, atol=1e-12)
        assert np.abs(decoder.estimate() - segments).max() < 0.2 * np.abs(segments).max()

    def test_mean_contraction_of_rows_at_random(self, rows, segments):
        # T5: at least 1 - lambda_min / n in the mean; here over all rows, exactly
        decoder = make("kaczmarz", rows, 31)
        start = np.random.default_rng(5).standard_normal((12, 31))
        ratio = 0.0
        for i in range(24):
            decoder.state[:] = start
            decoder.add(i, rows[i] @ segments)
            ratio += ((decoder.estimate() - segments) ** 2).sum() / 24
        smallest = np.linalg.eigvalsh(rows.T @ rows)[0]
        assert ratio <= (1 - smallest / 24) * ((start - segments) ** 2).sum()

    @pytest.mark.parametrize("relaxation", [0.0, 2.0, -1.0, np.nan])
    def test_relaxation_out_of_range(self, relaxation, rows):
        with pytest.raises(ConfigError, match=r"decoder.relaxation: must be between 0 and 2"):
            make("kaczmarz", rows, 31, relaxation=relaxation)


class TestSega:
    def test_is_unbiased_over_the_rows_of_a_tight_code(self, segments):
        rows = np.concatenate([np.eye(12), np.linalg.qr(light_rows(12, 12, 5))[0]])
        decoder = make("sega", rows, 31)
        for i in (2, 14, 20):
            decoder.add(i, rows[i] @ segments)
        estimate = decoder.estimate().copy()
        mean = np.zeros_like(segments)
        for i in range(24):
            decoder.state[:] = estimate
            decoder.add_and_step(i, rows[i] @ segments, mean, -1 / 24)
        assert_allclose(mean, segments, rtol=1e-10, atol=1e-10)


class TestOrtho:
    @pytest.mark.parametrize("seed", range(5))
    def test_is_least_norm_at_every_prefix(self, seed, rows, segments):
        decoder = make("ortho", rows, 31)
        order = np.random.default_rng(seed).permutation(24)
        for count, i in enumerate(order, 1):
            decoder.add(int(i), rows[i] @ segments)
            arrived = rows[order[:count]]
            wanted = least_norm(arrived, arrived @ segments)
            assert_allclose(decoder.estimate(), wanted, rtol=1e-10, atol=1e-10)
            rank, determined = by_spans(arrived)
            assert decoder.rank == rank
            assert_array_equal(decoder.known(), determined)
        assert decoder.known().all()

    def test_any_order_and_any_number_of_copies(self, rows, segments):
        found = []
        for seed in range(6):
            decoder = make("ortho", rows, 31)
            for i in np.random.default_rng(seed).permutation([1, 4, 6, 7, 13, 1, 20, 4]):
                decoder.add(int(i), rows[i] @ segments)
            assert decoder.n_duplicates == 2
            found.append(decoder.estimate().copy())
        for each in found[1:]:
            assert_allclose(each, found[0], rtol=1e-10, atol=1e-10)

    def test_every_prefix_is_a_direction_of_descent(self, rows, segments):
        # T6: <G', G> = |G'|^2
        decoder = make("ortho", rows, 31)
        grown = [0.0]
        for i in np.random.default_rng(0).permutation(24):
            decoder.add(int(i), rows[i] @ segments)
            estimate = decoder.estimate()
            square = np.vdot(estimate, estimate)
            assert np.vdot(estimate, segments) == pytest.approx(square, rel=1e-12)
            grown.append(square)
        assert all(b >= a - 1e-9 for a, b in pairwise(grown))

    def test_what_it_misses_of_segments_at_random_is_what_is_not_spanned(self, rows):
        # T6: the mean squared error per column is k - rank
        G = np.random.default_rng(1).standard_normal((12, 40_000))
        decoder = make("ortho", rows, 40_000)
        for i in np.random.default_rng(2).permutation(24):
            decoder.add(int(i), rows[i] @ G)
            error = np.vdot(decoder.estimate() - G, decoder.estimate() - G) / 40_000
            # the standard deviation of this is below sqrt(2 k / 40,000)
            assert error == pytest.approx(12 - decoder.rank, abs=0.1)

    def test_rows_of_other_lengths(self, rows, segments):
        scaled = rows * np.geomspace(1e-3, 1e3, 24)[:, None]
        decoder = make("ortho", scaled, 31)
        for i in range(24):
            decoder.add(i, scaled[i] @ segments)
        assert_allclose(decoder.estimate(), segments, rtol=1e-9, atol=1e-9)
        assert decoder.consistent

    def test_single_precision_costs_what_the_rows_amplify(self, rows, segments):
        decoder = make("ortho", rows, 31)
        codewords = (rows @ segments).astype(np.float32)
        arrived = [*range(8), 14, 19]
        for i in arrived:
            decoder.add(i, codewords[i])
        wanted = least_norm(rows[arrived], rows[arrived] @ segments)
        amplified = np.linalg.norm(np.linalg.pinv(rows[arrived]), 2)
        bound = 10 * np.finfo(np.float32).eps * amplified * np.linalg.norm(codewords[arrived])
        assert np.linalg.norm(decoder.estimate() - wanted) <= bound

    def test_nearly_dependent_rows_wait_until_it_settles(self, segments):
        nearly = np.array([[1.0, 0.0, 0.0], [1.0, 0.02, 0.0], [0.0, 1.0, 0.5]])
        G = segments[:3]
        decoder = make("ortho", nearly, 31, threshold=0.05)
        for i in range(3):
            decoder.add(i, nearly[i] @ G)
        assert decoder.rank == 2
        assert decoder.parities == []
        assert_allclose(decoder.estimate(), least_norm(nearly[[0, 2]], nearly[[0, 2]] @ G))
        decoder.settle()
        assert decoder.rank == 3
        assert decoder.known().all()
        assert_allclose(decoder.estimate(), G, rtol=1e-9, atol=1e-9)

    def test_settling_takes_the_strongest_first_and_checks_the_others(self, segments):
        rows = np.array([[1.0, 0.0], [1.0, 0.01], [1.0, 0.04]])
        decoder = make("ortho", rows, 31, threshold=0.05)
        codewords = rows @ segments[:2]
        for i in range(3):
            decoder.add(i, codewords[i])
        decoder.settle()
        assert decoder.rank == 2
        assert [parity.row for parity in decoder.parities] == [1]
        assert decoder.consistent

    @pytest.mark.parametrize("threshold", [-0.1, 1.0, np.nan])
    def test_threshold_out_of_range(self, threshold, rows):
        with pytest.raises(ConfigError, match=r"decoder.threshold: must be at least 0, below 1"):
            make("ortho", rows, 31, threshold=threshold)


class TestPeel:
    def systematic(self):
        return np.concatenate([np.eye(12), light_rows(12, 12, 4)])

    def test_any_order_recovers_the_same_exactly(self, segments):
        rows = self.systematic()
        rng = np.random.default_rng(0)
        for _ in range(200):
            arrived = rng.choice(24, 14, replace=False)
            found = []
            for order in (arrived, rng.permutation(arrived)):
                decoder = make("peel", rows, 31)
                for i in order:
                    decoder.add(int(i), rows[i] @ segments)
                known = decoder.known()
                assert_allclose(decoder.estimate()[known], segments[known], rtol=1e-9, atol=1e-9)
                assert not decoder.estimate()[~known].any()
                found.append(known)
            assert_array_equal(*found)
            _, determined = by_spans(rows[arrived])
            assert not (found[0] & ~determined).any()

    def test_a_core_of_two_leaves_it_stuck(self, segments):
        rows = np.array([[1.0, 1.0, 0.0], [0.0, 1.0, 1.0], [1.0, 0.0, 1.0]])
        peel, ortho = make("peel", rows, 31), make("ortho", rows, 31)
        for i in range(3):
            peel.add(i, rows[i] @ segments[:3])
            ortho.add(i, rows[i] @ segments[:3])
        assert peel.rank == ortho.rank == 3
        assert not peel.known().any()
        assert ortho.known().all()
        assert_allclose(ortho.estimate(), segments[:3], rtol=1e-12, atol=1e-12)

    def test_one_message_sets_off_the_others(self, segments):
        rows = np.array([[1.0, -2.0, 0.0], [0.0, 1.0, 0.5], [0.0, 0.0, 3.0]])
        decoder = make("peel", rows, 31)
        assert decoder.add(0, rows[0] @ segments[:3]).size == 0
        assert decoder.add(1, rows[1] @ segments[:3]).size == 0
        assert decoder.add(2, rows[2] @ segments[:3]).tolist() == [0, 1, 2]
        assert_allclose(decoder.estimate(), segments[:3], rtol=1e-12, atol=1e-12)

    def test_codewords_in_single_precision(self, segments):
        rows = self.systematic()
        decoder = make("peel", rows, 31)
        codewords = (rows @ segments).astype(np.float32)
        for i in (*range(11), 12, 13, 14, 23):
            decoder.add(i, codewords[i])
        assert decoder.known()[:11].all()
        assert_allclose(decoder.estimate()[:11], codewords[:11], rtol=1e-6)


class TestKalman:
    def test_without_drift_and_noise_it_is_least_norm(self, rows, segments):
        kalman, ortho = make("kalman", rows, 31), make("ortho", rows, 31)
        for i in np.random.default_rng(0).permutation(24):
            kalman.add(int(i), rows[i] @ segments)
            ortho.add(int(i), rows[i] @ segments)
            assert_allclose(kalman.estimate(), ortho.estimate(), rtol=1e-9, atol=1e-9)
            assert_array_equal(kalman.known(), ortho.known())
            basis = ortho._basis[: ortho.rank]
            assert_allclose(kalman.covariance, np.eye(12) - basis.T @ basis, rtol=0, atol=1e-12)

    def test_with_noise_it_is_the_ridge_formula(self, rows, segments):
        decoder = make("kalman", rows, 31, drift=0.0, noise=0.2)
        arrived = [3, 5, 6, 7, 3, 22]
        for i in arrived:
            decoder.add(i, rows[i] @ segments, variance=0.1)
        A = rows[arrived]
        weights = A.T @ np.linalg.inv(A @ A.T + 0.3 * np.eye(6))
        assert_allclose(decoder.estimate(), weights @ A @ segments, rtol=1e-11, atol=1e-12)
        assert not decoder.known().any()

    def test_covariance_stays_one_for_ten_thousand_updates(self, rows):
        decoder = make("kalman", rows, 1, drift=0.01, noise=0.0)
        rng = np.random.default_rng(0)
        codeword = np.ones(1)
        for i in rng.integers(0, 24, 10_000).tolist():
            decoder.add(i, codeword, staleness=i % 3)
        assert_array_equal(decoder.covariance, decoder.covariance.T)
        values = np.linalg.eigvalsh(decoder.covariance)
        assert values[0] >= -1e-12
        assert values[-1] <= 1.0 + 1e-12
        assert np.isfinite(decoder.estimate()).all()

    def test_is_the_best_guess_of_a_gradient_that_drifts(self):
        """Conditional mean of the joint Gaussian of all codewords, some of them old."""
        rows, drift, noise = light_rows(6, 4, 2), 0.2, 0.1
        order, ages = [0, 3, 5, 2], [0, 0, 1, 0]
        decoder = make("kalman", rows, 1, drift=drift, noise=noise)
        rng = np.random.default_rng(3)
        codewords = rng.standard_normal(4)
        for i, age, c in zip(order[:2], ages, codewords, strict=False):
            decoder.add(i, np.array([c]), staleness=age)
        # without old ones the filter is exact: x_t and x_s correlate by (1 - q)^(|t - s| / 2)
        A = rows[order[:2]]
        decay = (1 - drift) ** (np.abs(np.subtract.outer([0, 1], [0, 1])) / 2)
        joint = decay * (A @ A.T) + noise * np.eye(2)
        now = (A * np.sqrt(1 - drift) ** np.array([1, 0])[:, None]).T
        wanted = now @ np.linalg.solve(joint, codewords[:2])
        assert_allclose(decoder.estimate()[:, 0], wanted, rtol=1e-12)
        # one old codeword alone: c = a^T x_(t-s), so E[x_t | c] = (1 - q)^(s/2) a c / (1 + noise)
        decoder.reset()
        decoder.add(1, np.array([2.0]), staleness=3)
        wanted = (1 - drift) ** 1.5 * rows[1] * 2.0 / (1 + noise)
        assert_allclose(decoder.estimate()[:, 0], wanted, rtol=1e-12)

    def test_a_long_silence_does_not_leave_the_range_of_numbers(self, rows, segments):
        decoder = make("kalman", rows, 31, drift=1.0, noise=0.0)
        for i in range(24):
            decoder.add(i, rows[i] @ segments)
        # all is forgotten but the last
        assert_allclose(
            decoder.estimate(), np.outer(rows[23], rows[23] @ segments), rtol=0, atol=1e-12
        )
        decoder = make("kalman", rows, 31, drift=0.9, noise=0.0)
        for t in range(2000):
            decoder.add(t % 24, rows[t % 24] @ segments)
        assert np.isfinite(decoder.estimate()).all()
        assert_allclose(rows[1999 % 24] @ decoder.estimate(), rows[1999 % 24] @ segments)

    @pytest.mark.parametrize(
        ("parameters", "text"),
        [
            ({"drift": -0.1}, "decoder.drift: must be between 0 and 1, got -0.1"),
            ({"drift": 1.1}, "decoder.drift"),
            ({"noise": -1.0}, "decoder.noise: must be zero or positive"),
            ({"noise": np.inf}, "decoder.noise"),
        ],
    )
    def test_parameters_out_of_range(self, parameters, text, rows):
        with pytest.raises(ConfigError, match=text):
            make("kalman", rows, 31, **parameters)


@pytest.mark.parametrize("name", STALE)
def test_a_gradient_that_moves_is_followed(name, rows, segments):
    decoder = light.make(name, rows=rows, length=31)
    for gradient in (segments, -2.0 * segments):
        for t in range(480):
            decoder.add(t % 24, rows[t % 24] @ gradient, staleness=t % 2)
        away = np.linalg.norm(decoder.estimate() - gradient) / np.linalg.norm(gradient)
        assert away < 0.15


def test_an_unknown_decoder_is_answered_with_the_known_ones(rows):
    with pytest.raises(ConfigError, match=r"unknown decoder 'kaczmars'; did you mean 'kaczmarz'"):
        light.make("kaczmars", rows=rows, length=3)
    with pytest.raises(ConfigError, match=r"decoder.thresh: no such parameter of 'ortho'"):
        light.make("ortho", {"thresh": 1}, rows=rows, length=3)
