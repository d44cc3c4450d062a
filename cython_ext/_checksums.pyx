"""HDF5's checksum of a chunk; see mpicode/kernels/__init__.py for the contract."""

from libc.stdint cimport uint64_t

from mpicode.kernels import checks

cdef extern from "fletcher.h" nogil:
    void mpicode_fletcher(
        const unsigned char* data, Py_ssize_t pairs, uint64_t* total, uint64_t* of_totals
    )


def fletcher32(data):
    """Return the Fletcher-32 checksum of bytes; see the package."""
    cdef const unsigned char[::1] view
    cdef uint64_t total = 0, of_totals = 0
    cdef Py_ssize_t size
    cdef unsigned char[2] last
    try:
        view = data
    except (TypeError, ValueError, BufferError):
        checks.array("data", data, ("uint8",))
        raise TypeError("data: wants a numpy array of bytes") from None
    size = view.shape[0]
    with nogil:
        if size > 1:
            mpicode_fletcher(&view[0], size // 2, &total, &of_totals)
        if size % 2:
            last[0] = view[size - 1]
            last[1] = 0
            mpicode_fletcher(last, 1, &total, &of_totals)
    return of_totals << 16 | total
