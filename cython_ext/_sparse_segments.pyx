"""A transposed CSR product whose result is cut into segments; see mpicode/kernels/__init__.py."""

from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from buffers cimport FLOAT32, FLOAT64, INT32, INT64, Kind, Py_buffer, hold, kind_of, let_go, overlap
from floating cimport floating
from rows cimport index, mpicode_add_row_f32, mpicode_add_row_f64, place

from mpicode.kernels import checks


cdef struct Shape:
    Py_ssize_t n_rows, n_entries, n_columns, n_segments, length
    size_t n_features


cdef inline Py_ssize_t pointer(const Py_buffer* indptr, Py_ssize_t row) noexcept nogil:
    if kind_of(indptr) == INT32:
        return (<const int32_t*> indptr.buf)[row]
    return <Py_ssize_t> (<const int64_t*> indptr.buf)[row]


cdef inline void scale(
    const floating* residual, const floating* weights, floating* scaled, Py_ssize_t row,
    const Shape* shape,
) noexcept nogil:
    """The residuals of one row under the weights of each segment."""
    cdef Py_ssize_t u, k
    cdef floating weight
    for u in range(shape.n_segments):
        weight = weights[u * shape.n_rows + row]
        for k in range(shape.n_columns):
            scaled[u * shape.n_columns + k] = weight * residual[row * shape.n_columns + k]


cdef inline bint add_one(
    const floating* data, const index* indices, Py_ssize_t size, const floating* scaled,
    floating* out, size_t bound, size_t length,
) noexcept nogil:
    """Add one row times its residual to out; False if an index is outside."""
    cdef Py_ssize_t entry
    cdef size_t column, low = 0  # where the segment of the entry before begins
    cdef floating factor = scaled[0]
    for entry in range(size):
        column = place(indices[entry])
        if column >= bound:
            return False
        if column - low >= length:
            low = column // length
            factor = scaled[low]
            low *= length
        out[column] += data[entry] * factor
    return True


cdef inline bint add_outer(
    const floating* data, const index* indices, Py_ssize_t size, const floating* scaled,
    floating* out, size_t bound, Py_ssize_t length, Py_ssize_t width,
) noexcept nogil:
    """Add the outer product of one row with its residuals to out; False if an index is outside."""
    cdef Py_ssize_t entry, first, k, border, segment
    cdef floating* target
    for entry in range(size):
        if place(indices[entry]) >= bound:
            return False
        first = place(indices[entry]) * width
        target = out + first
        # more than once only where a border lies inside this row of the result
        segment, k = first // length, 0
        while k < width:
            border = min(width, (segment + 1) * length - first)
            if floating is float:
                mpicode_add_row_f32(
                    data[entry], scaled + segment * width + k, target + k, border - k)
            else:
                mpicode_add_row_f64(
                    data[entry], scaled + segment * width + k, target + k, border - k)
            segment, k = segment + 1, border
    return True


cdef Py_ssize_t over_rows(
    const floating* data, const index* indices, const Py_buffer* indptr,
    const floating* residual, const floating* weights, floating* scaled, floating* out,
    const Shape* shape,
) noexcept nogil:
    """The whole product; returns the first row that is not a row of X, or -1."""
    cdef Py_ssize_t row, start, stop
    cdef size_t bound = shape.n_features
    cdef bint good
    if index is int32_t:
        bound = min(bound, <size_t> 1 << 31)
    for row in range(shape.n_rows):
        start, stop = pointer(indptr, row), pointer(indptr, row + 1)
        if not 0 <= start <= stop <= shape.n_entries:
            return row
        scale(residual, weights, scaled, row, shape)
        if shape.n_columns == 1:
            good = add_one(data + start, indices + start, stop - start, scaled, out, bound,
                           shape.length)
        else:
            good = add_outer(data + start, indices + start, stop - start, scaled, out, bound,
                             shape.length, shape.n_columns)
        if not good:
            return row
    return -1


cdef bint multiply(
    object data, object indices, object indptr, object residual, object weights,
    Py_ssize_t length, object out,
) except -1:
    """The product; False, or any exception but IndexError, where something does not fit."""
    cdef Py_buffer[6] views
    cdef Shape shape
    cdef Kind real, integer
    cdef Py_ssize_t i, bad
    cdef void* scaled = NULL
    memset(views, 0, sizeof(views))
    try:
        hold(out, &views[5], True)
        hold(data, &views[0])
        hold(indices, &views[1])
        hold(indptr, &views[2])
        hold(residual, &views[3])
        hold(weights, &views[4])
        real, integer = kind_of(&views[0]), kind_of(&views[1])
        if (real not in (FLOAT32, FLOAT64) or kind_of(&views[3]) != real
                or kind_of(&views[4]) != real or kind_of(&views[5]) != real
                or integer not in (INT32, INT64) or kind_of(&views[2]) not in (INT32, INT64)
                or views[0].ndim != 1 or views[1].ndim != 1 or views[2].ndim != 1
                or views[3].ndim != 2 or views[4].ndim != 2 or views[5].ndim != 2
                or views[0].shape[0] != views[1].shape[0] or views[2].shape[0] == 0):
            return False
        shape.n_rows, shape.n_entries = views[2].shape[0] - 1, views[0].shape[0]
        shape.n_features, shape.n_columns = views[5].shape[0], views[5].shape[1]
        shape.n_segments, shape.length = views[4].shape[0], length
        if (views[3].shape[0] != shape.n_rows or views[3].shape[1] != shape.n_columns
                or views[4].shape[1] != shape.n_rows or length < 1
                or shape.n_segments * length < views[5].shape[0] * shape.n_columns):
            return False
        for i in range(5):
            if overlap(&views[i], &views[5]):
                return False
        scaled = calloc(shape.n_segments * shape.n_columns + 1, sizeof(double))
        if scaled == NULL:
            raise MemoryError
        with nogil:
            if real == FLOAT64 and integer == INT32:
                bad = over_rows(
                    <const double*> views[0].buf, <const int32_t*> views[1].buf, &views[2],
                    <const double*> views[3].buf, <const double*> views[4].buf,
                    <double*> scaled, <double*> views[5].buf, &shape)
            elif real == FLOAT64:
                bad = over_rows(
                    <const double*> views[0].buf, <const int64_t*> views[1].buf, &views[2],
                    <const double*> views[3].buf, <const double*> views[4].buf,
                    <double*> scaled, <double*> views[5].buf, &shape)
            elif integer == INT32:
                bad = over_rows(
                    <const float*> views[0].buf, <const int32_t*> views[1].buf, &views[2],
                    <const float*> views[3].buf, <const float*> views[4].buf,
                    <float*> scaled, <float*> views[5].buf, &shape)
            else:
                bad = over_rows(
                    <const float*> views[0].buf, <const int64_t*> views[1].buf, &views[2],
                    <const float*> views[3].buf, <const float*> views[4].buf,
                    <float*> scaled, <float*> views[5].buf, &shape)
        if bad >= 0:
            raise IndexError(bad)
        return True
    finally:
        free(scaled)
        let_go(views, 6)


def csr_transpose_segments(data, indices, indptr, residual, weights, length, out):
    """Add ``X.T @ residual``, each segment under its own weights, to ``out``; see the package."""
    cdef bint fits
    try:
        fits = multiply(data, indices, indptr, residual, weights, length, out)
    except IndexError as error:
        raise checks.bad_entry(indices, indptr, out.shape[0], error.args[0]) from None
    except (TypeError, ValueError, BufferError):
        fits = False
    if not fits:
        checks.csr_transpose_segments(data, indices, indptr, residual, weights, length, out)
        raise TypeError("csr_transpose_segments: wants numpy arrays")
    return out
