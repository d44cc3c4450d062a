"""Products with a CSR matrix, into memory that is there; see mpicode/kernels/__init__.py."""

from libc.stdint cimport int32_t, int64_t
from libc.string cimport memset

from buffers cimport FLOAT32, FLOAT64, INT32, INT64, Kind, Py_buffer, hold, kind_of, let_go, overlap
from floating cimport floating
from rows cimport index, mpicode_add_row_f32, mpicode_add_row_f64, place

from mpicode.kernels import checks

ctypedef fused pointer:
    int32_t
    int64_t


cdef inline bint dot_one(
    const floating* data, const index* indices, Py_ssize_t size, const floating* x,
    floating* out, size_t n_features,
) noexcept nogil:
    """One row times a vector; False if an index is outside."""
    cdef floating total = 0
    cdef Py_ssize_t entry
    for entry in range(size):
        if place(indices[entry]) >= n_features:
            return False
        total += data[entry] * x[place(indices[entry])]
    out[0] = total
    return True


cdef inline bint dot_some(
    const floating* data, const index* indices, Py_ssize_t size, const floating* x,
    floating* out, size_t n_features, Py_ssize_t stride, int width,
) noexcept nogil:
    """One row times `width` columns of x, the sums in registers; False if an index is outside."""
    cdef floating[8] total
    cdef Py_ssize_t entry
    cdef const floating* source
    cdef int k
    for k in range(width):
        total[k] = 0
    for entry in range(size):
        if place(indices[entry]) >= n_features:
            return False
        source = x + place(indices[entry]) * stride
        for k in range(width):
            total[k] += data[entry] * source[k]
    for k in range(width):
        out[k] = total[k]
    return True


cdef inline bint dot_row(
    const floating* data, const index* indices, Py_ssize_t size, const floating* x,
    floating* out, size_t n_features, Py_ssize_t n_columns,
) noexcept nogil:
    """One row times all columns of x; the row itself is short enough to stay in the cache."""
    cdef Py_ssize_t k = 0
    cdef bint good = True
    while good and k + 8 <= n_columns:
        good = dot_some(data, indices, size, x + k, out + k, n_features, n_columns, 8)
        k += 8
    if good and k + 4 <= n_columns:
        good = dot_some(data, indices, size, x + k, out + k, n_features, n_columns, 4)
        k += 4
    if good and k + 2 <= n_columns:
        good = dot_some(data, indices, size, x + k, out + k, n_features, n_columns, 2)
        k += 2
    if good and k < n_columns:
        good = dot_some(data, indices, size, x + k, out + k, n_features, n_columns, 1)
    return good


cdef inline bint add_one(
    const floating* data, const index* indices, Py_ssize_t size, floating residual,
    floating* out, size_t n_features,
) noexcept nogil:
    """Add one row times a number to out; False if an index is outside."""
    cdef Py_ssize_t entry
    for entry in range(size):
        if place(indices[entry]) >= n_features:
            return False
        out[place(indices[entry])] += data[entry] * residual
    return True


cdef inline bint add_outer(
    const floating* data, const index* indices, Py_ssize_t size, const floating* residual,
    floating* out, size_t n_features, Py_ssize_t n_columns,
) noexcept nogil:
    """Add the outer product of one row with its residuals to out; False if an index is outside."""
    cdef Py_ssize_t entry
    cdef floating* target
    for entry in range(size):
        if place(indices[entry]) >= n_features:
            return False
        target = out + place(indices[entry]) * n_columns
        if floating is float:
            mpicode_add_row_f32(data[entry], residual, target, n_columns)
        else:
            mpicode_add_row_f64(data[entry], residual, target, n_columns)
    return True


cdef Py_ssize_t over_rows(
    bint transposed, const floating* data, const index* indices, const pointer* indptr,
    const floating* given, floating* out, Py_ssize_t n_rows, Py_ssize_t n_features,
    Py_ssize_t n_entries, Py_ssize_t n_columns,
) noexcept nogil:
    """Either product; returns the first row that is not a row of X, or -1."""
    cdef Py_ssize_t row, start, size
    cdef size_t bound = n_features
    cdef bint good
    if index is int32_t:
        bound = min(bound, <size_t> 1 << 31)
    for row in range(n_rows):
        start, size = indptr[row], indptr[row + 1] - indptr[row]
        if not 0 <= start <= indptr[row + 1] <= n_entries:
            return row
        if transposed and n_columns == 1:
            good = add_one(data + start, indices + start, size, given[row], out, bound)
        elif transposed:
            good = add_outer(data + start, indices + start, size, given + row * n_columns, out,
                             bound, n_columns)
        elif n_columns == 1:
            good = dot_one(data + start, indices + start, size, given, out + row, bound)
        else:
            good = dot_row(data + start, indices + start, size, given, out + row * n_columns,
                           bound, n_columns)
        if not good:
            return row
    return -1


cdef Py_ssize_t product(
    bint transposed, const floating* data, const index* indices, const Py_buffer* indptr,
    const Py_buffer* given, Py_buffer* out, Py_ssize_t n_features, Py_ssize_t n_entries,
    Py_ssize_t n_columns,
) noexcept nogil:
    cdef Py_ssize_t n_rows = indptr.shape[0] - 1
    cdef const floating* source = <const floating*> given.buf
    cdef floating* target = <floating*> out.buf
    if kind_of(indptr) == INT32:
        return over_rows(transposed, data, indices, <const int32_t*> indptr.buf, source, target,
                         n_rows, n_features, n_entries, n_columns)
    return over_rows(transposed, data, indices, <const int64_t*> indptr.buf, source, target,
                     n_rows, n_features, n_entries, n_columns)


cdef bint multiply(
    bint transposed, object data, object indices, object indptr, object given, object out,
) except -1:
    """Either product; False, or any exception but IndexError, where something does not fit."""
    cdef Py_buffer[5] views
    cdef Py_ssize_t n_features, n_entries, n_columns, i, bad
    cdef Kind real, integer
    cdef Py_buffer *by_row
    cdef Py_buffer *by_feature
    memset(views, 0, sizeof(views))
    try:
        hold(out, &views[4], True)
        hold(data, &views[0])
        hold(indices, &views[1])
        hold(indptr, &views[2])
        hold(given, &views[3])
        by_row, by_feature = (&views[3], &views[4]) if transposed else (&views[4], &views[3])
        real, integer = kind_of(&views[0]), kind_of(&views[1])
        if (real not in (FLOAT32, FLOAT64) or kind_of(&views[3]) != real
                or kind_of(&views[4]) != real or integer not in (INT32, INT64)
                or kind_of(&views[2]) not in (INT32, INT64)
                or views[0].ndim != 1 or views[1].ndim != 1 or views[2].ndim != 1
                or views[0].shape[0] != views[1].shape[0] or views[2].shape[0] == 0
                or by_row.ndim != by_feature.ndim or not 1 <= by_row.ndim <= 2
                or by_row.shape[0] != views[2].shape[0] - 1):
            return False
        n_columns = 1
        if by_row.ndim == 2:
            n_columns = by_row.shape[1]
            if by_feature.shape[1] != n_columns:
                return False
        for i in range(4):
            if overlap(&views[i], &views[4]):
                return False
        n_features, n_entries = by_feature.shape[0], views[0].shape[0]
        with nogil:
            if real == FLOAT64 and integer == INT32:
                bad = product(transposed, <const double*> views[0].buf,
                              <const int32_t*> views[1].buf, &views[2], &views[3], &views[4],
                              n_features, n_entries, n_columns)
            elif real == FLOAT64:
                bad = product(transposed, <const double*> views[0].buf,
                              <const int64_t*> views[1].buf, &views[2], &views[3], &views[4],
                              n_features, n_entries, n_columns)
            elif integer == INT32:
                bad = product(transposed, <const float*> views[0].buf,
                              <const int32_t*> views[1].buf, &views[2], &views[3], &views[4],
                              n_features, n_entries, n_columns)
            else:
                bad = product(transposed, <const float*> views[0].buf,
                              <const int64_t*> views[1].buf, &views[2], &views[3], &views[4],
                              n_features, n_entries, n_columns)
        if bad >= 0:
            raise IndexError(bad)
        return True
    finally:
        let_go(views, 5)


def csr_dot(data, indices, indptr, x, out):
    """Write the product of a CSR matrix with ``x`` into ``out``; see the package."""
    cdef bint fits
    try:
        fits = multiply(False, data, indices, indptr, x, out)
    except IndexError as error:
        raise checks.bad_entry(indices, indptr, x.shape[0], error.args[0]) from None
    except (TypeError, ValueError, BufferError):
        fits = False
    if not fits:
        checks.csr_dot(data, indices, indptr, x, out)
        raise TypeError("csr_dot: wants numpy arrays")
    return out


def csr_transpose_accumulate(data, indices, indptr, residual, out):
    """Add the product of the transposed matrix with ``residual`` to ``out``; see the package."""
    cdef bint fits
    try:
        fits = multiply(True, data, indices, indptr, residual, out)
    except IndexError as error:
        raise checks.bad_entry(indices, indptr, out.shape[0], error.args[0]) from None
    except (TypeError, ValueError, BufferError):
        fits = False
    if not fits:
        checks.csr_transpose_accumulate(data, indices, indptr, residual, out)
        raise TypeError("csr_transpose_accumulate: wants numpy arrays")
    return out
