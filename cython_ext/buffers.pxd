"""What a kernel needs of an array, by the buffer protocol: address, length, type."""

from cpython.buffer cimport (
    PyBUF_C_CONTIGUOUS,
    PyBUF_FORMAT,
    PyBUF_WRITABLE,
    PyBuffer_Release,
    PyObject_GetBuffer,
)
from libc.stdint cimport uintptr_t


cdef enum Kind:
    OTHER = 0
    FLOAT32 = 1
    FLOAT64 = 2
    COMPLEX128 = 3
    INT32 = 4
    INT64 = 5


cdef inline Kind kind_of(const Py_buffer* view) noexcept nogil:
    """The type of the elements; OTHER also where they are not aligned in memory."""
    cdef const char* code = view.format
    cdef Kind kind = OTHER
    cdef uintptr_t alignment = view.itemsize
    if code == NULL or code[0] == 0:
        return OTHER
    if code[0] == c'Z' and code[1] == c'd' and code[2] == 0:
        kind = COMPLEX128
        alignment = sizeof(double)
    elif code[1] != 0:
        return OTHER
    elif code[0] == c'd':
        kind = FLOAT64
    elif code[0] == c'f':
        kind = FLOAT32
    elif code[0] == c'i' or code[0] == c'l' or code[0] == c'q':
        kind = INT64 if view.itemsize == 8 else INT32
    if view.len > 0 and <uintptr_t> view.buf % alignment != 0:
        return OTHER
    return kind


cdef inline bint overlap(const Py_buffer* a, const Py_buffer* b) noexcept nogil:
    """Whether two contiguous arrays share a byte."""
    if a.len == 0 or b.len == 0:
        return False
    return (<const char*> a.buf < <const char*> b.buf + b.len
            and <const char*> b.buf < <const char*> a.buf + a.len)


cdef inline bint hold(object array, Py_buffer* view, bint writable=False) except -1:
    """Fill ``view`` from a C-contiguous array; the exporter raises where it cannot be had so.

    A view that was never filled, or not successfully, has ``obj == NULL`` and is safe to let go.
    """
    cdef int flags = PyBUF_C_CONTIGUOUS | PyBUF_FORMAT
    if writable:
        flags |= PyBUF_WRITABLE
    PyObject_GetBuffer(array, view, flags)
    return True


cdef inline void let_go(Py_buffer* views, Py_ssize_t count) noexcept:
    cdef Py_ssize_t i
    for i in range(count):
        PyBuffer_Release(&views[i])
