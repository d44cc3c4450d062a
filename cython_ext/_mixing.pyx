"""Slots of rows mixed; see mpicode/kernels/__init__.py for the contract."""

from libc.stdlib cimport calloc, free
from libc.string cimport memset

from buffers cimport FLOAT32, FLOAT64, Kind, Py_buffer, hold, kind_of, let_go, overlap
from sums cimport Passes, add_all, choose

from mpicode.kernels import checks


cdef bint mix(Py_buffer* views) except -1:
    """Mix what is held, vectors, direction and out; False where something does not fit."""
    cdef Py_buffer* vectors = &views[0]
    cdef Py_buffer* direction = &views[1]
    cdef Py_buffer* out = &views[2]
    cdef Kind kind = kind_of(out)
    cdef Passes passes
    cdef Py_ssize_t width, row, u, count = 0
    cdef const double* all_factors
    cdef double* factors
    cdef const void** sources
    cdef Py_ssize_t* slots
    memset(&passes, 0, sizeof(passes))
    if (vectors.ndim != 2 or out.ndim != 2 or direction.ndim != 1
            or kind not in (FLOAT32, FLOAT64) or kind_of(vectors) != kind
            or kind_of(direction) != FLOAT64 or not choose(kind, kind, &passes)
            or vectors.shape[0] != out.shape[0]
            or vectors.shape[1] < direction.shape[0] * out.shape[1]
            or overlap(out, vectors) or overlap(out, direction)):
        return False
    width = out.shape[1]
    all_factors = <const double*> direction.buf
    factors = <double*> calloc(direction.shape[0] + 1, sizeof(double))
    sources = <const void**> calloc(direction.shape[0] + 1, sizeof(void*))
    slots = <Py_ssize_t*> calloc(direction.shape[0] + 1, sizeof(Py_ssize_t))
    try:
        if factors == NULL or sources == NULL or slots == NULL:
            raise MemoryError
        with nogil:
            for u in range(direction.shape[0]):
                if all_factors[u] != 0.0:
                    factors[count], slots[count] = all_factors[u], u * width * passes.itemsize
                    count += 1
            for row in range(out.shape[0]):
                for u in range(count):
                    sources[u] = (<const char*> vectors.buf + slots[u]
                                  + row * vectors.shape[1] * passes.itemsize)
                add_all(&passes, sources, factors, count,
                        <char*> out.buf + row * width * passes.itemsize, 0, width, True)
    finally:
        free(factors)
        free(sources)
        free(slots)
    return True


def mix_slots(vectors, direction, out):
    """Write ``sum_u direction[u] * (slot u of each row)`` into ``out``; see the package."""
    cdef Py_buffer[3] views
    cdef bint fits = False
    memset(views, 0, sizeof(views))
    try:
        hold(vectors, &views[0])
        hold(direction, &views[1])
        hold(out, &views[2], True)
        fits = mix(views)
    except (TypeError, ValueError, BufferError):
        fits = False
    finally:
        let_go(views, 3)
    if not fits:
        checks.mix_slots(vectors, direction, out)
        raise TypeError("mix_slots: wants numpy arrays")
    return out
