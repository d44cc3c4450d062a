"""Weighted sums of vectors in C, for whoever has taken hold of their buffers."""

from libc.string cimport memset

from buffers cimport COMPLEX128, FLOAT32, FLOAT64, Kind

cdef extern from "sums.h" nogil:
    ctypedef void (*Pass "mpicode_pass")(
        const void** vectors, const double* factors, void* out,
        Py_ssize_t start, Py_ssize_t size, bint fresh) noexcept nogil
    const Pass[8] mpicode_add_f32_f32  # [k - 1] adds k vectors
    const Pass[8] mpicode_add_f32_f64
    const Pass[8] mpicode_add_f64_f64
    const Pass[1] mpicode_add_c128
    const Pass[1] mpicode_add_real
    ctypedef void (*Tile "mpicode_tile")(
        const void** vectors, const double* factors, Py_ssize_t pitch, void* out,
        Py_ssize_t width, Py_ssize_t start, Py_ssize_t size, bint fresh) noexcept nogil
    const Tile[8] mpicode_tile_f32_f32  # [k - 1] adds k vectors to 2 rows, [4 + k - 1] to 4
    const Tile[8] mpicode_tile_f32_f64
    const Tile[8] mpicode_tile_f64_f64

# Elements of ``out`` finished before the next ones are begun: 16 KiB of doubles, so that with more
# than eight vectors the partial sum waits in the L1 cache while the next eight stream past.
cdef enum:
    BLOCK = 2048


cdef struct Passes:
    const Pass* adding  # adding[k - 1] takes k vectors at once
    Py_ssize_t most  # the largest such k
    const Tile* tiles  # the same for several rows; NULL where there are none
    Py_ssize_t width  # doubles per factor
    Py_ssize_t itemsize  # bytes per element of out


cdef inline bint choose(Kind source, Kind target, Passes* passes) noexcept nogil:
    """The loops for these types; False where there are none."""
    passes.width = 2 if target == COMPLEX128 else 1
    passes.most = 1 if target == COMPLEX128 else 8
    passes.itemsize = 4 if target == FLOAT32 else 8 * passes.width
    passes.tiles = NULL
    if source == FLOAT64 and target == FLOAT64:
        passes.adding = mpicode_add_f64_f64
        passes.tiles = mpicode_tile_f64_f64
    elif source == FLOAT32 and target == FLOAT64:
        passes.adding = mpicode_add_f32_f64
        passes.tiles = mpicode_tile_f32_f64
    elif source == FLOAT32 and target == FLOAT32:
        passes.adding = mpicode_add_f32_f32
        passes.tiles = mpicode_tile_f32_f32
    elif source == COMPLEX128 and target == COMPLEX128:
        passes.adding = mpicode_add_c128
    else:
        return False
    return True


cdef inline void choose_real_part(Passes* passes) noexcept nogil:
    """The loops for complex vectors into real numbers."""
    passes.adding = mpicode_add_real
    passes.tiles = NULL
    passes.width, passes.most, passes.itemsize = 2, 1, 8


cdef inline void add_all(
    const Passes* passes, const void** vectors, const double* factors, Py_ssize_t count,
    void* out, Py_ssize_t start, Py_ssize_t stop, bint fresh,
) noexcept nogil:
    """out[start:stop] = (or +=, unless fresh) the sum, block by block, in order of the vectors."""
    cdef Py_ssize_t begin = start, size, i, k
    if count == 0 and fresh:
        memset(<char*> out + start * passes.itemsize, 0, (stop - start) * passes.itemsize)
    while begin < stop:
        size = min(stop - begin, <Py_ssize_t> BLOCK)
        i = 0
        while i < count:
            k = min(count - i, passes.most)
            passes.adding[k - 1](
                vectors + i, factors + passes.width * i, out, begin, size, fresh and i == 0)
            i += k
        begin += size
