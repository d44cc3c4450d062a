import numpy as np
import pytest

from mpicode.kernels import plain, slices

TYPES = [("f4", "f4"), ("f4", "f8"), ("f8", "f8"), ("c16", "c16")]
SIZES = [0, 1, 7, 2047, 2048, 2049, 9001]
COUNTS = [0, 1, 2, 3, 4, 5, 8, 9, 17, 31]


def numbers(rng, shape, dtype):
    values = rng.standard_normal(shape)
    if np.dtype(dtype).kind == "c":
        values = values + 1j * rng.standard_normal(shape)
    return values.astype(dtype)


def problem(count, size, source, target, seed=0):
    rng = np.random.default_rng([seed, count, size])
    factors = numbers(rng, count, "c16" if target == "c16" else "f8")
    vectors = [numbers(rng, size, source) for _ in range(count)]
    return factors, vectors, np.full(size, np.nan, target)


class TestCombine:
    @pytest.mark.parametrize(("source", "target"), TYPES)
    @pytest.mark.parametrize("count", COUNTS)
    @pytest.mark.parametrize("size", SIZES)
    def test_is_the_sum(self, kernels, count, size, source, target):
        factors, vectors, out = problem(count, size, source, target)
        assert kernels.combine(factors, vectors, out) is out
        exact = np.zeros(size, "c16")
        for c, v in zip(factors, vectors, strict=True):
            exact += c * v.astype("c16")
        bound = np.abs(factors).sum() * max((np.abs(v).max(initial=0) for v in vectors), default=0)
        tolerance = 4 * np.finfo(target).eps * bound
        assert np.abs(out - exact).max(initial=0) <= tolerance

    @pytest.mark.parametrize(("source", "target"), TYPES[:3])
    @pytest.mark.parametrize("count", COUNTS)
    def test_same_bits_as_its_twin_and_the_plain_loop(self, compiled, count, source, target):
        factors, vectors, out = problem(count, 4099, source, target)
        twin = plain.combine(factors, vectors, np.empty_like(out))
        loop = np.zeros_like(out)
        for c, v in zip(factors.astype(target), vectors, strict=True):
            loop += c * v.astype(target)
        compiled.combine(factors, vectors, out)
        np.testing.assert_array_equal(out, twin)
        np.testing.assert_array_equal(out, loop)

    @pytest.mark.parametrize(("source", "target"), TYPES)
    @pytest.mark.parametrize("threads", [2, 3, 7])
    def test_bits_do_not_depend_on_threads(self, kernels, threads, source, target, monkeypatch):
        monkeypatch.setattr(slices, "SMALLEST", 1000)
        factors, vectors, out = problem(11, 20_011, source, target)
        once = kernels.combine(factors, vectors, out).copy()
        out.fill(np.nan)
        kernels.combine(factors, vectors, out, threads=threads)
        np.testing.assert_array_equal(out, once)

    @pytest.mark.parametrize("absent", [None, np.full(50, np.nan), np.ones(3), "nothing"])
    def test_coefficient_zero_is_never_looked_at(self, kernels, absent):
        out = kernels.combine([2, 0, -1, 0.0], [np.ones(50), absent] * 2, np.empty(50))
        np.testing.assert_array_equal(out, np.ones(50))

    @pytest.mark.parametrize("dtype", ["f4", "f8", "c16"])
    def test_nothing_at_all_is_zero(self, kernels, dtype):
        for factors, vectors in (([], []), ([0.0, -0.0], [None, None])):
            out = kernels.combine(factors, vectors, np.full(3000, np.nan, dtype))
            np.testing.assert_array_equal(out, np.zeros(3000))

    def test_nan_and_infinity_pass_through(self, kernels):
        vectors = [np.array([np.nan, np.inf, 1.0, 1e308]), np.array([1.0, 1.0, np.inf, 1e308])]
        out = kernels.combine([1.0, -1.0], vectors, np.empty(4))
        np.testing.assert_array_equal(out, [np.nan, np.inf, -np.inf, 0.0])
        out = kernels.combine([1e10, np.nan], vectors, np.empty(4))
        assert np.isnan(out).all()

    def test_takes_rows_of_a_matrix_read_only_arrays_and_any_real_coefficients(self, kernels):
        rows = np.arange(12.0).reshape(3, 4)
        rows.flags.writeable = False
        wanted = rows[0] + 2 * rows[1] + 3 * rows[2]
        strided = np.array([1.0, 9.0, 2.0, 9.0, 3.0])[::2]
        for factors in (
            [1, 2, 3],
            (1.0, 2.0, 3.0),
            np.arange(1, 4),
            np.float32([1, 2, 3]),
            strided,
        ):
            np.testing.assert_array_equal(kernels.combine(factors, rows, np.empty(4)), wanted)

    def test_real_coefficients_of_complex_vectors(self, kernels):
        vectors = [np.array([1 + 2j, 3j]), np.array([1.0 + 0j, 1 - 1j])]
        out = kernels.combine([2.0, 1.0], vectors, np.empty(2, "c16"))
        np.testing.assert_array_equal(out, [3 + 4j, 1 + 5j])

    @pytest.mark.parametrize(
        ("arguments", "error", "text"),
        [
            (([1.0], [np.ones(3)], [0.0] * 3), TypeError, "out: wants a numpy array, got list"),
            (([1.0], [np.ones(3)], np.ones(3, "i8")), TypeError, "out: wants float32 or float64"),
            (([1.0], [np.ones(3)], np.ones((3, 1))), ValueError, r"out: wants 1 dim.*\(3, 1\)"),
            (([1.0], [np.ones(3)], np.ones(6)[::2]), ValueError, "out: must be C-contiguous"),
            (
                ([1.0], [np.ones(4)], np.ones(3)),
                ValueError,
                r"vectors\[0\]: has shape \(4,\).*\(3,\)",
            ),
            (([1.0], [[1.0] * 3], np.ones(3)), TypeError, r"vectors\[0\]: wants a numpy array"),
            (
                ([1.0], [None], np.ones(3)),
                TypeError,
                r"vectors\[0\]: wants a numpy array, got None",
            ),
            (([1.0], [np.ones(6)[::2]], np.ones(3)), ValueError, r"vectors\[0\]: must be C-contig"),
            (([1.0], [np.ones((3, 1))], np.ones(3)), ValueError, r"vectors\[0\]: wants 1 dim"),
            (([1.0], [np.ones(3, ">f8")], np.ones(3)), TypeError, r"vectors\[0\]: wants .* >f8"),
            (([1.0], [np.ones(3, "f8")], np.ones(3, "f4")), TypeError, "wants float32, got <f8"),
            (
                ([1.0], [np.ones(3, "c16")], np.ones(3)),
                TypeError,
                r"vectors\[0\]: wants float32 or",
            ),
            (([1.0], [np.ones(3)], np.ones(3, "c16")), TypeError, "wants complex128, got <f8"),
            (
                ([1.0, 1.0], [np.ones(3), np.ones(3, "f4")], np.ones(3)),
                TypeError,
                r"vectors\[1\]: wants float64, got <f4",
            ),
            (([1.0, 2.0], [np.ones(3)], np.ones(3)), ValueError, "coefficients: 2 of them for 1 "),
            (([[1.0]], [np.ones(3)], np.ones(3)), ValueError, "coefficients: wants 1 dimension"),
            (([1j], [np.ones(3)], np.ones(3)), TypeError, "coefficients: wants real numbers"),
            ((["x"], [np.ones(3)], np.ones(3)), TypeError, "coefficients: wants real numbers"),
            (([1.0], iter([np.ones(3)]), np.ones(3)), TypeError, "vectors: wants a sequence"),
            (([1.0], [np.ones(3)], np.ones(3), 0), ValueError, "threads: .* at least 1, got 0"),
            (([1.0], [np.ones(3)], np.ones(3), 1.5), ValueError, "threads: .* got 1.5"),
        ],
    )
    def test_says_what_is_wrong(self, kernels, arguments, error, text):
        with pytest.raises(error, match=text):
            kernels.combine(*arguments)

    def test_refuses_memory_it_would_overwrite_misaligned_or_read_only(self, kernels):
        memory = np.ones(10)
        with pytest.raises(ValueError, match=r"vectors\[1\]: overlaps out"):
            kernels.combine([1.0, 1.0], [np.ones(8), memory[2:]], memory[:8])
        crooked = np.frombuffer(bytes(8 * 8 + 1), offset=1)
        with pytest.raises(ValueError, match=r"vectors\[0\]: .* not aligned"):
            kernels.combine([1.0], [crooked], np.ones(8))
        memory.flags.writeable = False
        with pytest.raises(ValueError, match="out: is read-only"):
            kernels.combine([1.0], [np.ones(10)], memory)

    def test_lets_go_of_every_buffer(self, kernels):
        vectors = [bytearray(80) for _ in range(3)]
        arrays = [np.frombuffer(v) for v in vectors]
        kernels.combine(np.ones(3), arrays, np.empty(10))
        with pytest.raises(ValueError, match="shape"):
            kernels.combine(np.ones(3), arrays, np.empty(11))
        arrays.clear()
        for v in vectors:
            v.append(0)  # refused while anything still exports the memory


def rows_problem(n_rows, count, size, source, target):
    rng = np.random.default_rng([n_rows, count, size])
    factors = numbers(rng, (n_rows, count), "c16" if source == "c16" else "f8")
    vectors = [numbers(rng, size, source) for _ in range(count)]
    return factors, vectors, np.full((n_rows, size), np.nan, target)


class TestCombineSegments:
    @pytest.mark.parametrize(("source", "target"), TYPES)
    @pytest.mark.parametrize("n_rows", [0, 1, 2, 3, 4, 5, 7, 8])
    @pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5, 9])
    @pytest.mark.parametrize("zeros", ["none", "some"])
    def test_is_one_combine_per_row(self, kernels, n_rows, count, zeros, source, target):
        factors, vectors, out = rows_problem(n_rows, count, 4099, source, target)
        if zeros == "some":
            factors[::2, 1::3] = 0
        wanted = [kernels.combine(each, vectors, np.empty(4099, target)) for each in factors]
        assert kernels.combine_segments(factors, vectors, out) is out
        np.testing.assert_array_equal(out, np.reshape(wanted, out.shape))

    @pytest.mark.parametrize(("source", "target"), TYPES[:3])
    def test_same_bits_as_its_twin(self, compiled, source, target):
        factors, vectors, out = rows_problem(3, 6, 4099, source, target)
        twin = plain.combine_segments(factors, vectors, out.copy())
        np.testing.assert_array_equal(compiled.combine_segments(factors, vectors, out), twin)

    @pytest.mark.parametrize("threads", [2, 3])
    def test_bits_do_not_depend_on_threads(self, kernels, threads, monkeypatch):
        monkeypatch.setattr(slices, "SMALLEST", 1000)
        factors, vectors, out = rows_problem(4, 6, 20_011, "f8", "f8")
        once = kernels.combine_segments(factors, vectors, out).copy()
        out.fill(np.nan)
        kernels.combine_segments(factors, vectors, out, threads=threads)
        np.testing.assert_array_equal(out, once)

    @pytest.mark.parametrize("real_factors", [False, True])
    def test_real_part_of_complex_sums(self, kernels, real_factors):
        factors, vectors, _ = rows_problem(3, 5, 2500, "c16", "c16")
        if real_factors:
            factors = factors.real.copy()
        whole = kernels.combine_segments(factors, vectors, np.empty((3, 2500), "c16"))
        real = kernels.combine_segments(factors, vectors, np.full((3, 2500), np.nan))
        np.testing.assert_allclose(real, whole.real, rtol=1e-13, atol=1e-13)

    @pytest.mark.parametrize("absent", [None, np.full(50, np.nan), np.ones(3), "nothing"])
    def test_a_vector_that_no_row_wants_is_never_looked_at(self, kernels, absent):
        factors = np.array([[2.0, 0.0, -1.0], [1.0, -0.0, 1.0]])
        out = kernels.combine_segments(
            factors, [np.ones(50), absent, np.ones(50)], np.empty((2, 50))
        )
        np.testing.assert_array_equal(out, np.outer([1.0, 2.0], np.ones(50)))

    def test_nan_stays_out_of_the_rows_that_have_0_for_it(self, kernels):
        factors = np.array([[1.0, 0.0], [1.0, 1.0], [2.0, 0.0]])
        out = kernels.combine_segments(factors, [np.ones(9), np.full(9, np.nan)], np.empty((3, 9)))
        np.testing.assert_array_equal(out[::2], np.outer([1.0, 2.0], np.ones(9)))
        assert np.isnan(out[1]).all()

    @pytest.mark.parametrize("dtype", ["f4", "f8", "c16"])
    def test_nothing_at_all_is_zero(self, kernels, dtype):
        for factors, vectors in ((np.zeros((2, 0)), []), (np.zeros((2, 2)), [None, None])):
            out = kernels.combine_segments(factors, vectors, np.full((2, 3000), np.nan, dtype))
            np.testing.assert_array_equal(out, np.zeros((2, 3000)))

    @pytest.mark.parametrize(
        ("factors", "vectors", "out", "error", "text"),
        [
            (np.ones((2, 1)), [np.ones(3)], np.ones(3), ValueError, "out: wants 2 dimension"),
            (np.ones((2, 1)), [np.ones(3)], [[0.0]], TypeError, "out: wants a numpy array"),
            (np.ones((2, 1)), [np.ones(3)], np.ones((3, 3)), ValueError, "out: has 3 rows.* 2 "),
            (np.ones((2, 1)), [np.ones(3)], np.ones((2, 6))[:, ::2], ValueError, "C-contiguous"),
            (np.ones((2, 2)), [np.ones(3)], np.ones((2, 3)), ValueError, "2 of them for 1 "),
            (np.ones(2), [np.ones(3)], np.ones((2, 3)), ValueError, "coefficients: wants 2 dim"),
            (np.full((2, 1), "x"), [np.ones(3)], np.ones((2, 3)), TypeError, "wants numbers"),
            (
                np.ones((2, 1)),
                [np.ones(4)],
                np.ones((2, 3)),
                ValueError,
                r"vectors\[0\]: has shape",
            ),
            (np.ones((2, 1)), [None], np.ones((2, 3)), TypeError, r"vectors\[0\]: .* NoneType"),
            (np.ones((2, 1)), [np.ones(3)], np.ones((2, 3), "c16"), TypeError, "complex128, got"),
            (1j * np.ones((2, 1)), [np.ones(3)], np.ones((2, 3)), TypeError, "complex128, got"),
            (
                1j * np.ones((2, 1)),
                [np.ones(3, "c16")],
                np.ones((2, 3), "f4"),
                TypeError,
                "out: wants float64 or complex128",
            ),
            (
                np.ones((2, 2)),
                [np.ones(3), np.ones(3, "f4")],
                np.ones((2, 3)),
                TypeError,
                r"vectors\[1\]: wants float64, got <f4",
            ),
            (np.ones((2, 1)), iter([np.ones(3)]), np.ones((2, 3)), TypeError, "wants a sequence"),
        ],
    )
    def test_says_what_is_wrong(self, kernels, factors, vectors, out, error, text):
        with pytest.raises(error, match=text):
            kernels.combine_segments(factors, vectors, out)

    def test_refuses_overlap_and_threads_that_are_none(self, kernels):
        memory = np.ones((3, 8))
        with pytest.raises(ValueError, match=r"vectors\[0\]: overlaps out"):
            kernels.combine_segments(np.ones((2, 1)), [memory[1]], memory[:2])
        with pytest.raises(ValueError, match=r"threads: .* got 0"):
            kernels.combine_segments(np.ones((2, 1)), [memory[2]], memory[:2], 0)


class TestAccumulate:
    @pytest.mark.parametrize(("source", "target"), TYPES)
    @pytest.mark.parametrize("size", SIZES)
    def test_adds(self, kernels, size, source, target):
        (factor,), (vector,), _ = problem(1, size, source, target)
        start = numbers(np.random.default_rng(1), size, target)
        out = start.copy()
        assert kernels.accumulate(factor, vector, out) is out
        wanted = start + out.dtype.type(factor) * vector.astype(target)
        if target == "c16":
            np.testing.assert_allclose(out, wanted, rtol=1e-14, atol=1e-15)
        else:
            np.testing.assert_array_equal(out, wanted)

    @pytest.mark.parametrize("count", [1, 9])
    def test_in_order_it_is_combine_to_the_bit(self, kernels, count):
        factors, vectors, out = problem(count, 5001, "f8", "f8")
        kernels.combine(factors, vectors, out)
        total = np.zeros_like(out)
        for c, v in zip(factors, vectors, strict=True):
            kernels.accumulate(c, v, total)
        np.testing.assert_array_equal(out, total)

    @pytest.mark.parametrize("zero", [0, 0.0, -0.0, np.float32(0)])
    def test_coefficient_zero_is_never_looked_at(self, kernels, zero):
        out = np.ones(5)
        kernels.accumulate(zero, None, out)
        kernels.accumulate(zero, np.full(5, np.nan), out)
        np.testing.assert_array_equal(out, np.ones(5))

    @pytest.mark.parametrize("factor", [2, 2.0, np.float32(2), np.int64(2), np.array(2.0)])
    def test_takes_any_real_number(self, kernels, factor):
        np.testing.assert_array_equal(kernels.accumulate(factor, np.ones(3), np.ones(3)), [3.0] * 3)

    @pytest.mark.parametrize(
        ("arguments", "error", "text"),
        [
            ((1.0, np.ones(4), np.ones(3)), ValueError, r"vector: has shape \(4,\), .*\(3,\)"),
            ((1.0, np.ones(6)[::2], np.ones(3)), ValueError, "vector: must be C-contiguous"),
            ((1.0, np.ones(3, "i8"), np.ones(3)), TypeError, "vector: wants float32 or float64"),
            ((1.0, np.ones(3), np.ones(3, "f4")), TypeError, "vector: wants float32, got <f8"),
            ((1.0, None, np.ones(3)), TypeError, "vector: wants a numpy array, got NoneType"),
            ((1j, np.ones(3), np.ones(3)), TypeError, "coefficient: wants a real number"),
            (("1", np.ones(3), np.ones(3)), TypeError, "coefficient: wants a real number.*'1'"),
            (([1.0], np.ones(3), np.ones(3)), TypeError, "coefficient: wants a real number"),
            ((1.0, np.ones(3), [1.0] * 3), TypeError, "out: wants a numpy array, got list"),
            ((0.0, None, np.ones((3, 3))), ValueError, "out: wants 1 dimension"),
            ((0.0, None, np.ones(3, "f2")), TypeError, "out: wants float32 or"),
        ],
    )
    def test_says_what_is_wrong(self, kernels, arguments, error, text):
        with pytest.raises(error, match=text):
            kernels.accumulate(*arguments)

    def test_refuses_overlap(self, kernels):
        memory = np.ones(10)
        with pytest.raises(ValueError, match="vector: overlaps out"):
            kernels.accumulate(1.0, memory[1:], memory[:9])


class TestTriad:
    def test_is_the_formula(self, compiled):
        from mpicode.kernels._sums import triad

        b, c = np.arange(5.0), np.ones(5)
        a = np.empty(5)
        triad(a, b, 2.0, c)
        np.testing.assert_array_equal(a, b + 2.0)
        with pytest.raises(ValueError, match="one length, got 5, 5, 4"):
            triad(a, b, 2.0, c[:4])


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
@pytest.mark.parametrize("size", [0, 1, 999, 5000, 5001, 40_000])
def test_slices_cover_everything_once(size, threads, monkeypatch):
    monkeypatch.setattr(slices, "SMALLEST", 600)
    seen = np.zeros(size, int)

    def work(start, stop):
        assert start % 512 == 0
        seen[start:stop] += 1

    slices.in_slices(work, size, threads)
    assert (seen == 1).all()
