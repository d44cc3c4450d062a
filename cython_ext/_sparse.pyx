"""Products with a CSR matrix, into memory that is there; see mpicode/kernels/__init__.py."""

from libc.stdint cimport int32_t, int64_t
from libc.string cimport memset

from buffers cimport (
    FLOAT32,
    FLOAT64,
    INT32,
    INT64,
    Kind,
    Py_buffer,
    hold,
    kind_of,
    let_go,
    overlap,
)

from mpicode.kernels import checks

ctypedef fused floating:
    float
    double

ctypedef fused index:
    int32_t
    int64_t

ctypedef fused pointer:
    int32_t
    int64_t


cdef Py_ssize_t dot(
    const floating* data, const index* indices, const pointer* indptr, const floating* x,
    floating* out, Py_ssize_t n_rows, Py_ssize_t n_features, Py_ssize_t n_entries,
    Py_ssize_t n_columns,
) noexcept nogil:
    """out = X x; returns the first row that is not a row of X, or -1."""
    cdef Py_ssize_t row, entry, column, k, start, stop
    cdef floating total, value
    cdef const floating* source
    cdef floating* target
    for row in range(n_rows):
        start, stop = indptr[row], indptr[row + 1]
        if not 0 <= start <= stop <= n_entries:
            return row
        if n_columns == 1:
            total = 0
            for entry in range(start, stop):
                column = indices[entry]
                if <size_t> column >= <size_t> n_features:
                    return row
                total += data[entry] * x[column]
            out[row] = total
        else:
            target = out + row * n_columns
            for k in range(n_columns):
                target[k] = 0
            for entry in range(start, stop):
                column = indices[entry]
                if <size_t> column >= <size_t> n_features:
                    return row
                value = data[entry]
                source = x + column * n_columns
                for k in range(n_columns):
                    target[k] += value * source[k]
    return -1


cdef Py_ssize_t transpose_add(
    const floating* data, const index* indices, const pointer* indptr, const floating* residual,
    floating* out, Py_ssize_t n_rows, Py_ssize_t n_features, Py_ssize_t n_entries,
    Py_ssize_t n_columns,
) noexcept nogil:
    """out += X^T residual; returns the first row that is not a row of X, or -1."""
    cdef Py_ssize_t row, entry, column, k, start, stop
    cdef floating value
    cdef const floating* source
    cdef floating* target
    for row in range(n_rows):
        start, stop = indptr[row], indptr[row + 1]
        if not 0 <= start <= stop <= n_entries:
            return row
        source = residual + row * n_columns
        for entry in range(start, stop):
            column = indices[entry]
            if <size_t> column >= <size_t> n_features:
                return row
            value = data[entry]
            if n_columns == 1:
                out[column] += value * source[0]
            else:
                target = out + column * n_columns
                for k in range(n_columns):
                    target[k] += value * source[k]
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
        if transposed:
            return transpose_add(data, indices, <const int32_t*> indptr.buf, source, target,
                                 n_rows, n_features, n_entries, n_columns)
        return dot(data, indices, <const int32_t*> indptr.buf, source, target,
                   n_rows, n_features, n_entries, n_columns)
    if transposed:
        return transpose_add(data, indices, <const int64_t*> indptr.buf, source, target,
                             n_rows, n_features, n_entries, n_columns)
    return dot(data, indices, <const int64_t*> indptr.buf, source, target,
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
    """Add the product of the transposed CSR matrix with ``residual`` to ``out``; see the package."""
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
