import numpy as np
import pytest
from scipy import sparse

INDEX_TYPES = [("i4", "i4"), ("i8", "i8"), ("i4", "i8"), ("i8", "i4")]
SHAPES = [(0, 5), (5, 1), (1, 1), (300, 40), (77, 1000), (9, 0)]
COLUMNS = [None, 1, 2, 3, 4, 7, 8, 10, 15, 16, 19]


def matrix(shape, dtype="f8", indices="i4", indptr="i4", seed=0):
    """A CSR matrix with empty rows and full rows, and its three arrays."""
    rng = np.random.default_rng([seed, *shape])
    dense = rng.standard_normal(shape) * (rng.random(shape) < rng.random((shape[0], 1)))
    dense[::3] = 0
    dense[1::7] = rng.standard_normal(shape[1])
    dense = dense.astype(dtype)
    X = sparse.csr_array(dense)
    return dense, X.data.astype(dtype), X.indices.astype(indices), X.indptr.astype(indptr)


def numbers(n_rows, n_columns, dtype, seed=1):
    shape = n_rows if n_columns is None else (n_rows, n_columns)
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def close(got, wanted, dtype):
    scale = max(1.0, np.abs(wanted).max(initial=0))
    np.testing.assert_allclose(got, wanted, rtol=0, atol=200 * np.finfo(dtype).eps * scale)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("n_columns", COLUMNS)
@pytest.mark.parametrize("shape", SHAPES)
class TestProducts:
    def test_dot(self, kernels, shape, n_columns, dtype):
        dense, data, indices, indptr = matrix(shape, dtype)
        x = numbers(shape[1], n_columns, dtype)
        out = np.full((shape[0], *x.shape[1:]), np.nan, dtype)
        assert kernels.csr_dot(data, indices, indptr, x, out) is out
        close(out, dense.astype("f8") @ x.astype("f8"), dtype)

    def test_transpose_accumulate(self, kernels, shape, n_columns, dtype):
        dense, data, indices, indptr = matrix(shape, dtype)
        residual = numbers(shape[0], n_columns, dtype)
        start = numbers(shape[1], n_columns, dtype, seed=2)
        out = start.copy()
        assert kernels.csr_transpose_accumulate(data, indices, indptr, residual, out) is out
        close(out, start + dense.T.astype("f8") @ residual.astype("f8"), dtype)


@pytest.mark.parametrize(("indices_type", "indptr_type"), INDEX_TYPES)
@pytest.mark.parametrize("n_columns", [None, 3])
def test_index_types(kernels, n_columns, indices_type, indptr_type):
    dense, *csr = matrix((50, 20), "f8", indices_type, indptr_type)
    x, residual = numbers(20, n_columns, "f8"), numbers(50, n_columns, "f8")
    out = np.empty_like(residual)
    close(kernels.csr_dot(*csr, x, out), dense @ x, "f8")
    total = np.zeros_like(x)
    close(kernels.csr_transpose_accumulate(*csr, residual, total), dense.T @ residual, "f8")


@pytest.mark.parametrize("n_columns", [None, 10])
def test_rows_of_a_larger_matrix(kernels, n_columns):
    dense, data, indices, indptr = matrix((50, 20))
    x, out = numbers(20, n_columns, "f8"), numbers(30, n_columns, "f8")
    close(kernels.csr_dot(data, indices, indptr[10:41], x, out), dense[10:40] @ x, "f8")
    total = np.zeros_like(x)
    kernels.csr_transpose_accumulate(data, indices, indptr[10:41], out, total)
    close(total, dense[10:40].T @ out, "f8")


def test_repeated_columns_add_up(kernels):
    data, indices, indptr = np.ones(3), np.array([1, 1, 1], "i4"), np.array([0, 3], "i4")
    np.testing.assert_array_equal(
        kernels.csr_dot(data, indices, indptr, np.array([0.0, 2.0]), np.empty(1)), [6.0]
    )
    np.testing.assert_array_equal(
        kernels.csr_transpose_accumulate(data, indices, indptr, np.ones(1), np.zeros(2)), [0.0, 3.0]
    )


@pytest.mark.parametrize("n_columns", [None, 1, 10])
def test_nan_stays_in_its_row(kernels, n_columns):
    _, data, indices, indptr = matrix((50, 20))
    row = int(np.argmax(np.diff(indptr)))
    data[indptr[row]] = np.nan
    out = np.empty_like(numbers(50, n_columns, "f8"))
    kernels.csr_dot(data, indices, indptr, numbers(20, n_columns, "f8"), out)
    assert np.isnan(out[row]).all()
    assert np.isfinite(np.delete(out, row, axis=0)).all()


def products(kernels, data, indices, indptr, n_rows, n_features, n_columns):
    x, out = numbers(n_features, n_columns, "f8"), numbers(n_rows, n_columns, "f8")
    return [
        lambda: kernels.csr_dot(data, indices, indptr, x, out),
        lambda: kernels.csr_transpose_accumulate(data, indices, indptr, out, x),
    ]


@pytest.mark.parametrize(("indices_type", "indptr_type"), INDEX_TYPES)
@pytest.mark.parametrize("n_columns", [None, 11])
@pytest.mark.parametrize("column", [-1, 6, 2**31 - 1, -(2**31)])
def test_names_the_row_of_an_index_outside(kernels, column, n_columns, indices_type, indptr_type):
    indices = np.array([0, 5, 1, column, 2], indices_type)
    indptr = np.array([0, 2, 2, 4, 5], indptr_type)
    for product in products(kernels, np.ones(5), indices, indptr, 4, 6, n_columns):
        with pytest.raises(ValueError, match=f"indices: row 2 names column {column} of 6"):
            product()


@pytest.mark.parametrize("indptr_type", ["i4", "i8"])
@pytest.mark.parametrize(
    ("indptr", "text"),
    [
        ([0, 2, 1, 5], "row 1 goes from 2 to 1, but indices has 5 entries"),
        ([0, 2, 9, 5], "row 1 goes from 2 to 9, but indices has 5 entries"),
        ([-1, 2, 3, 5], "row 0 goes from -1 to 2, but indices has 5 entries"),
        ([0, 2, 3, 6], "row 2 goes from 3 to 6, but indices has 5 entries"),
    ],
)
def test_names_the_row_of_a_bad_pointer(kernels, indptr, text, indptr_type):
    indices, pointers = np.zeros(5, "i4"), np.array(indptr, indptr_type)
    for product in products(kernels, np.ones(5), indices, pointers, 3, 6, None):
        with pytest.raises(ValueError, match=f"indptr: {text}"):
            product()


GOOD = {
    "data": np.ones(4),
    "indices": np.zeros(4, "i4"),
    "indptr": np.array([0, 2, 4], "i4"),
    "x": np.ones((3, 2)),
    "out": np.ones((2, 2)),
}


@pytest.mark.parametrize(
    ("wrong", "error", "text"),
    [
        ({"data": np.ones(5)}, ValueError, r"indices: has shape \(4,\), but data wants \(5,\)"),
        ({"data": np.ones(4, "f4")}, TypeError, "x: wants float32, got <f8"),
        ({"data": np.ones(4, "c16")}, TypeError, "data: wants float32 or float64"),
        ({"data": np.ones(8)[::2]}, ValueError, "data: must be C-contiguous"),
        ({"indices": np.zeros(4)}, TypeError, "indices: wants int32 or int64, got <f8"),
        ({"indptr": np.zeros(3)}, TypeError, "indptr: wants int32 or int64"),
        ({"indptr": np.zeros(0, "i4")}, ValueError, "indptr: is empty"),
        ({"indptr": np.zeros(5, "i4")}, ValueError, r"out: has shape \(2, 2\), but .*\(4, 2\)"),
        ({"x": np.ones((3, 2), order="F")}, ValueError, "x: must be C-contiguous"),
        ({"x": np.ones((3, 2, 1))}, ValueError, "x: wants 1 or 2 dimension"),
        ({"x": np.ones((3, 4))}, ValueError, r"out: has shape \(2, 2\), but .*\(2, 4\)"),
        ({"x": np.ones(3)}, ValueError, r"out: has shape \(2, 2\), but .*\(2,\)"),
        ({"x": [1.0, 2.0, 3.0]}, TypeError, "x: wants a numpy array, got list"),
        ({"out": np.ones((2, 2), "f4")}, TypeError, "out: wants float64, got <f4"),
    ],
)
def test_dot_says_what_is_wrong(kernels, wrong, error, text):
    with pytest.raises(error, match=text):
        kernels.csr_dot(**(GOOD | wrong))


@pytest.mark.parametrize(
    ("wrong", "error", "text"),
    [
        ({"residual": np.ones((3, 2))}, ValueError, r"residual: has shape \(3, 2\), .*\(2, 2\)"),
        ({"residual": np.ones((2, 3))}, ValueError, r"residual: has shape \(2, 3\), .*\(2, 2\)"),
        ({"residual": np.ones((2, 2), "f4")}, TypeError, "residual: wants float64, got <f4"),
        ({"out": np.ones(3)}, ValueError, r"residual: has shape \(2, 2\), .*\(2,\)"),
        ({"out": np.ones((6, 2))[::2]}, ValueError, "out: must be C-contiguous"),
    ],
)
def test_transpose_accumulate_says_what_is_wrong(kernels, wrong, error, text):
    good = {k: v for k, v in GOOD.items() if k != "x"}
    good |= {"residual": np.ones((2, 2)), "out": np.ones((3, 2))}
    with pytest.raises(error, match=text):
        kernels.csr_transpose_accumulate(**(good | wrong))


def test_refuses_overlap(kernels):
    memory = np.ones(8)
    csr = GOOD["data"], GOOD["indices"], GOOD["indptr"]
    with pytest.raises(ValueError, match="x: overlaps out"):
        kernels.csr_dot(*csr, memory[:3], memory[2:4])
    with pytest.raises(ValueError, match="residual: overlaps out"):
        kernels.csr_transpose_accumulate(*csr, memory[:2], memory[1:4])
    with pytest.raises(ValueError, match="data: overlaps out"):
        kernels.csr_dot(memory[:4], *csr[1:], np.ones(3), memory[2:4])


class TestTransposeSegments:
    @pytest.mark.parametrize("dtype", ["f4", "f8"])
    @pytest.mark.parametrize("n_columns", [1, 2, 3, 10])
    @pytest.mark.parametrize("shape", SHAPES)
    @pytest.mark.parametrize("n_segments", [1, 2, 3, 8, 60])
    def test_each_segment_has_its_own_weights(self, kernels, shape, n_columns, dtype, n_segments):
        """Borders fall between rows of the result and inside them."""
        dense, data, indices, indptr = matrix(shape, dtype)
        residual = numbers(shape[0], n_columns, dtype)
        weights = numbers(n_segments, shape[0], dtype, seed=3)
        start = numbers(shape[1], n_columns, dtype, seed=2)
        length = max(1, -(-start.size // n_segments))
        out = start.copy()
        arguments = data, indices, indptr, residual, weights, length, out
        assert kernels.csr_transpose_segments(*arguments) is out
        wanted = np.zeros(start.size)
        for u, own in enumerate(weights.astype("f8")):
            whole = dense.T.astype("f8") @ (own[:, None] * residual.astype("f8"))
            part = slice(u * length, (u + 1) * length)
            wanted[part] = whole.ravel()[part]
        close(out.ravel(), start.astype("f8").ravel() + wanted, dtype)

    def test_equal_weights_give_the_bits_of_the_plain_product(self, compiled):
        _, data, indices, indptr = matrix((300, 40))
        residual = numbers(300, 3, "f8")
        whole, cut = np.zeros((40, 3)), np.zeros((40, 3))
        compiled.csr_transpose_accumulate(data, indices, indptr, residual, whole)
        compiled.csr_transpose_segments(data, indices, indptr, residual, np.ones((4, 300)), 31, cut)
        np.testing.assert_array_equal(cut, whole)

    @pytest.mark.parametrize(("indices_type", "indptr_type"), INDEX_TYPES)
    def test_index_types_and_slices_of_rows(self, kernels, indices_type, indptr_type):
        dense, data, indices, indptr = matrix((50, 20), "f8", indices_type, indptr_type)
        residual, out = numbers(30, 2, "f8"), np.zeros((20, 2))
        weights = np.outer([1.0, 2.0], np.ones(30))
        kernels.csr_transpose_segments(data, indices, indptr[10:41], residual, weights, 25, out)
        factor = np.where(np.arange(40) < 25, 1.0, 2.0).reshape(20, 2)
        close(out, factor * (dense[10:40].T @ residual), "f8")

    def test_columns_need_no_order(self, kernels):
        data, indices = np.array([1.0, 2.0, 3.0]), np.array([5, 0, 3])
        weights = np.array([[1.0], [10.0], [100.0]])
        out = np.zeros((6, 1))
        kernels.csr_transpose_segments(
            data, indices, np.array([0, 3]), np.ones((1, 1)), weights, 2, out
        )
        np.testing.assert_array_equal(out.ravel(), [2, 0, 0, 30, 0, 100])

    @pytest.mark.parametrize(
        ("changes", "error", "text"),
        [
            ({"weights": np.ones((2, 4))}, ValueError, r"weights: has shape \(2, 4\)"),
            ({"weights": np.ones(3)}, ValueError, "weights: wants 2 dimension"),
            ({"weights": np.ones((2, 3), "f4")}, TypeError, "weights: wants float64"),
            ({"length": 0}, ValueError, "length: wants an integer of at least 1, got 0"),
            ({"length": 3}, ValueError, "weights: 2 segments of 3 do not cover the 8 numbers"),
            ({"length": "4"}, ValueError, "length: wants an integer"),
            ({"residual": np.ones((3, 1))}, ValueError, r"residual: has shape \(3, 1\)"),
            ({"residual": np.ones(3)}, ValueError, "residual: wants 2 dimension"),
            ({"out": np.ones(8)}, ValueError, "out: wants 2 dimension"),
            ({"indices": np.array([0, 4, 1])}, ValueError, "indices: row 1 names column 4 of 4"),
            ({"indices": np.array([0, -1, 1])}, ValueError, "indices: row 1 names column -1 of 4"),
            ({"indptr": np.array([0, 1, 2, 9])}, ValueError, "indptr: row 2 goes from 2 to 9"),
        ],
    )
    def test_says_what_is_wrong(self, kernels, changes, error, text):
        arguments = {
            "data": np.ones(3),
            "indices": np.array([0, 3, 1]),
            "indptr": np.array([0, 1, 2, 3]),
            "residual": np.ones((3, 2)),
            "weights": np.ones((2, 3)),
            "length": 4,
            "out": np.zeros((4, 2)),
            **changes,
        }
        with pytest.raises(error, match=text):
            kernels.csr_transpose_segments(**arguments)

    def test_refuses_memory_it_would_overwrite(self, kernels):
        memory = np.ones((4, 2))
        csr = np.ones(2), np.array([0, 1]), np.array([0, 1, 2])
        with pytest.raises(ValueError, match="weights: overlaps out"):
            kernels.csr_transpose_segments(*csr, np.ones((2, 2)), memory[:2], 4, memory)
