"""Energy and steps of a packing of light rows; see mpicode/kernels/__init__.py for the contract.

Only additions, products, quotients and roots in a fixed order: the same bits on every machine.
"""

from libc.math cimport copysign, fabs, sqrt
from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memset

from buffers cimport FLOAT64, INT32, INT64, Kind, Py_buffer, hold, kind_of, let_go, overlap

from mpicode.kernels import checks_packing as checks


cdef int64_t cosines(
    const double* values, int64_t n_values, const int64_t* starts, int64_t n_pairs, int64_t n_terms,
    const int32_t* left, const int32_t* right, double* rho, double* largest,
) noexcept nogil:
    """Inner product of every pair into rho; returns the first pair with a bad term, or -1."""
    cdef int64_t pair, term
    cdef double total
    largest[0] = 0.0
    if starts[0] != 0 or starts[n_pairs] != n_terms:
        return n_pairs
    for pair in range(n_pairs):
        if not 0 <= starts[pair] <= starts[pair + 1] <= n_terms:
            return pair
        total = 0.0
        for term in range(starts[pair], starts[pair + 1]):
            if not (0 <= left[term] < n_values and 0 <= right[term] < n_values):
                return pair
            total += values[left[term]] * values[right[term]]
        rho[pair] = total
        if fabs(total) > largest[0]:
            largest[0] = fabs(total)
    return -1


cdef double energy(
    const double* values, const int64_t* starts, int64_t n_pairs,
    const int32_t* left, const int32_t* right, int doublings, double* rho, double largest,
    double* gradient,
) noexcept nogil:
    """The energy of cosines rho, of power 2 ** doublings; what it adds goes into gradient."""
    cdef int64_t pair, term
    cdef int _i
    cdef double total = 0.0, ratio, odd, root, factor
    for pair in range(n_pairs):
        ratio = rho[pair] / largest
        odd = 1.0
        for _i in range(doublings):
            odd *= ratio
            ratio *= ratio
        total += ratio
        rho[pair] = odd
    root = total
    for _i in range(doublings):
        root = sqrt(root)
    factor = root / total
    for pair in range(n_pairs):
        odd = factor * rho[pair]
        for term in range(starts[pair], starts[pair + 1]):
            gradient[left[term]] += odd * values[right[term]]
            gradient[right[term]] += odd * values[left[term]]
    return largest * root


cdef bint fits_energy(
    object values, object starts, object left, object right, int doublings, object gradient,
    double* result,
) except -1:
    """Compute; False, or any exception but IndexError, where something does not fit."""
    cdef Py_buffer[5] views
    cdef Kind[5] kinds
    cdef int64_t n_pairs, bad
    cdef double largest
    cdef double* rho = NULL
    cdef int i
    kinds[0], kinds[1], kinds[2], kinds[3], kinds[4] = FLOAT64, INT64, INT32, INT32, FLOAT64
    memset(views, 0, sizeof(views))
    try:
        hold(values, &views[0])
        hold(starts, &views[1])
        hold(left, &views[2])
        hold(right, &views[3])
        hold(gradient, &views[4], True)
        for i in range(5):
            if views[i].ndim != 1 or kind_of(&views[i]) != kinds[i]:
                return False
        if (views[1].shape[0] < 1 or views[2].shape[0] != views[3].shape[0]
                or views[0].shape[0] != views[4].shape[0] or overlap(&views[0], &views[4])):
            return False
        n_pairs = views[1].shape[0] - 1
        rho = <double*> malloc((n_pairs + 1) * sizeof(double))
        if rho == NULL:
            raise MemoryError
        with nogil:
            bad = cosines(
                <const double*> views[0].buf, views[0].shape[0], <const int64_t*> views[1].buf,
                n_pairs, views[2].shape[0], <const int32_t*> views[2].buf,
                <const int32_t*> views[3].buf, rho, &largest)
            memset(views[4].buf, 0, views[4].len)
            if bad < 0 and largest > 0.0:
                result[0] = energy(
                    <const double*> views[0].buf, <const int64_t*> views[1].buf, n_pairs,
                    <const int32_t*> views[2].buf, <const int32_t*> views[3].buf, doublings, rho,
                    largest, <double*> views[4].buf)
        return bad < 0
    finally:
        free(rho)
        let_go(views, 5)


def frame_energy(values, starts, left, right, power, gradient):
    """Return the energy of the cosines of all pairs, its gradient into ``gradient``."""
    cdef double result = 0.0
    cdef bint fits
    doublings = checks.doublings(power)
    try:
        fits = fits_energy(values, starts, left, right, doublings, gradient, &result)
    except (TypeError, ValueError, BufferError):
        fits = False
    if not fits:
        checks.frame_energy(values, starts, left, right, gradient)
        raise TypeError("frame_energy: wants numpy arrays")
    return result


cdef void raise_floor(
    double* row, int64_t size, double floor, char* frozen
) noexcept nogil:
    """Make one row a unit vector whose entries are at least floor / sqrt(size) in magnitude."""
    cdef double least = floor / sqrt(<double> size), total, scale = 1.0
    cdef int64_t i, n_frozen = 0
    cdef bint changed = True
    memset(frozen, 0, size)
    while changed:
        changed = False
        total = 0.0
        for i in range(size):
            if not frozen[i]:
                total += row[i] * row[i]
        if total == 0.0:
            break
        scale = sqrt((1.0 - n_frozen * (least * least)) / total)
        for i in range(size):
            if not frozen[i] and fabs(row[i]) * scale < least:
                frozen[i] = 1
                changed = True
        if changed:
            n_frozen = 0
            for i in range(size):
                n_frozen += frozen[i]
    for i in range(size):
        row[i] = copysign(least, row[i]) if frozen[i] else row[i] * scale


cdef int64_t step(
    const double* values, const int64_t* starts, int64_t n_rows, int64_t n_values,
    const double* gradient, double length, double floor, double* out, char* frozen, double* slope,
) noexcept nogil:
    """Returns the first row that does not exist, or -1."""
    cdef int64_t row, i
    cdef double along, squares = 0.0, factor
    if starts[0] != 0 or starts[n_rows] != n_values:
        return n_rows
    for row in range(n_rows):
        if not 0 <= starts[row] <= starts[row + 1] <= n_values:
            return row
        along = 0.0
        for i in range(starts[row], starts[row + 1]):
            along += values[i] * gradient[i]
        for i in range(starts[row], starts[row + 1]):
            out[i] = gradient[i] - along * values[i]
    for i in range(n_values):
        squares += out[i] * out[i]
    slope[0] = sqrt(squares)
    factor = 0.0 if squares == 0.0 else length * sqrt(<double> n_rows) / slope[0]
    for i in range(n_values):
        out[i] = values[i] - factor * out[i]
    for row in range(n_rows):
        raise_floor(out + starts[row], starts[row + 1] - starts[row], floor, frozen)
    return -1


cdef bint fits_step(
    object values, object row_starts, object gradient, double length, double floor, object out,
    double* slope,
) except -1:
    """Step; False, or any exception, where something does not fit."""
    cdef Py_buffer[4] views
    cdef int64_t bad
    cdef char* frozen = NULL
    cdef int i
    memset(views, 0, sizeof(views))
    try:
        hold(values, &views[0])
        hold(row_starts, &views[1])
        hold(gradient, &views[2])
        hold(out, &views[3], True)
        for i in range(4):
            if views[i].ndim != 1 or kind_of(&views[i]) != (INT64 if i == 1 else FLOAT64):
                return False
        if (views[1].shape[0] < 1 or views[0].shape[0] != views[2].shape[0]
                or views[0].shape[0] != views[3].shape[0] or overlap(&views[0], &views[3])
                or overlap(&views[2], &views[3])):
            return False
        frozen = <char*> calloc(views[0].shape[0] + 1, 1)
        if frozen == NULL:
            raise MemoryError
        with nogil:
            bad = step(
                <const double*> views[0].buf, <const int64_t*> views[1].buf, views[1].shape[0] - 1,
                views[0].shape[0], <const double*> views[2].buf, length, floor,
                <double*> views[3].buf, frozen, slope)
        return bad < 0
    finally:
        free(frozen)
        let_go(views, 4)


def sphere_step(values, row_starts, gradient, length, floor, out):
    """Go down the gradient along the spheres of the rows; return how steep it was."""
    cdef double slope = 0.0
    cdef bint fits
    try:
        fits = fits_step(values, row_starts, gradient, length, floor, out, &slope)
    except (TypeError, ValueError, BufferError):
        fits = False
    if not fits:
        checks.sphere_step(values, row_starts, gradient, length, floor, out)
        raise TypeError("sphere_step: wants numpy arrays")
    return slope
