"""Rows of a CSR matrix: their types, and adding one to memory."""

from libc.stdint cimport int32_t, int64_t, uint32_t

ctypedef fused index:
    int32_t
    int64_t


cdef extern from "rows.h" nogil:
    void mpicode_add_row_f32(float value, const float* source, float* target, Py_ssize_t size)
    void mpicode_add_row_f64(double value, const double* source, double* target, Py_ssize_t size)


cdef inline size_t place(index column) noexcept nogil:
    """The column as an address; a negative one becomes larger than any matrix is wide."""
    return <uint32_t> column if index is int32_t else <size_t> column
