"""Signs and columns of light rows exchanged at random; see mpicode/kernels/__init__.py.

Random numbers of its own (splitmix64), and only sums and products in a fixed order: the same signs
on every machine.
"""

from libc.stdint cimport int8_t, int32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from buffers cimport FLOAT64, Py_buffer, hold, kind_of, let_go

from mpicode.kernels import checks_packing as checks


cdef struct State:
    Py_ssize_t n_rows, n_columns, n_entries
    int8_t* signs          # (n_rows, n_columns)
    const double* penalties
    const double* scales
    int32_t* products      # (n_rows, n_rows)
    int32_t* row_of        # of each entry that is not 0, as is
    int32_t* column_of
    int32_t* members       # (n_columns, n_rows): the rows on each column, n_members of them
    int32_t* n_members
    uint64_t random


cdef inline uint64_t draw(State* s) noexcept nogil:
    s.random += 0x9E3779B97F4A7C15ULL
    cdef uint64_t z = s.random
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL
    return z ^ (z >> 31)


cdef inline double threshold(State* s) noexcept nogil:
    """A number of nearly exponential distribution: the logarithm is taken piecewise linear."""
    cdef uint64_t bits = draw(s) >> 11
    cdef int halvings = 0
    if bits == 0:
        bits = 1
    while bits < (<uint64_t> 1 << 52):
        bits <<= 1
        halvings += 1
    return 0.6931471805599453 * (halvings + (2.0 - <double> bits / 4503599627370496.0))


cdef inline double change(State* s, Py_ssize_t row, Py_ssize_t other, int by) noexcept nogil:
    """What the penalty of a pair changes by if their product does, but for the scale of row."""
    cdef int32_t before = s.products[row * s.n_rows + other]
    cdef int32_t after = before + by
    return s.scales[other] * (
        s.penalties[after if after >= 0 else -after]
        - s.penalties[before if before >= 0 else -before])


cdef inline void add(State* s, Py_ssize_t row, Py_ssize_t other, int by) noexcept nogil:
    s.products[row * s.n_rows + other] += by
    s.products[other * s.n_rows + row] += by


cdef void flip(State* s, Py_ssize_t a, Py_ssize_t x, double temperature) noexcept nogil:
    """Turn the sign of column x in row a, if that costs little."""
    cdef int8_t* sign = s.signs
    cdef int32_t* on_x = s.members + x * s.n_rows
    cdef Py_ssize_t k = s.n_columns, i, j
    cdef int twice = -2 * sign[a * k + x]
    cdef double cost = 0.0
    for i in range(s.n_members[x]):
        j = on_x[i]
        if j != a:
            cost += change(s, a, j, twice * sign[j * k + x])
    if s.scales[a] * cost > temperature * threshold(s):
        return
    for i in range(s.n_members[x]):
        j = on_x[i]
        if j != a:
            add(s, a, j, twice * sign[j * k + x])
    sign[a * k + x] = -sign[a * k + x]


cdef inline void replace(
    State* s, Py_ssize_t column, Py_ssize_t old, Py_ssize_t new
) noexcept nogil:
    cdef int32_t* rows = s.members + column * s.n_rows
    while rows[0] != old:
        rows += 1
    rows[0] = <int32_t> new


cdef void exchange(
    State* s, Py_ssize_t first, Py_ssize_t second, int a_sign, int b_sign, double temperature,
) noexcept nogil:
    """Give row a column y of row b for its column x, with these signs, if that costs little."""
    cdef Py_ssize_t a = s.row_of[first], x = s.column_of[first]
    cdef Py_ssize_t b = s.row_of[second], y = s.column_of[second]
    cdef Py_ssize_t k = s.n_columns, i, j
    cdef int8_t* sign = s.signs
    cdef int32_t* on_x = s.members + x * s.n_rows
    cdef int32_t* on_y = s.members + y * s.n_rows
    cdef int of_a, of_b, jx, jy
    cdef double a_cost = 0.0, b_cost = 0.0
    if a == b or sign[b * k + x] != 0 or sign[a * k + y] != 0:
        return
    of_a, of_b = sign[a * k + x], sign[b * k + y]
    # the product of a and b themselves does not change
    for i in range(s.n_members[x]):
        j = on_x[i]
        if j != a:
            jx, jy = sign[j * k + x], sign[j * k + y]
            a_cost += change(s, a, j, a_sign * jy - of_a * jx)
            b_cost += change(s, b, j, b_sign * jx - of_b * jy)
    for i in range(s.n_members[y]):
        j = on_y[i]
        if j != b and sign[j * k + x] == 0:
            a_cost += change(s, a, j, a_sign * sign[j * k + y])
            b_cost += change(s, b, j, -of_b * sign[j * k + y])
    if s.scales[a] * a_cost + s.scales[b] * b_cost > temperature * threshold(s):
        return
    for i in range(s.n_members[x]):
        j = on_x[i]
        if j != a:
            jx, jy = sign[j * k + x], sign[j * k + y]
            add(s, a, j, a_sign * jy - of_a * jx)
            add(s, b, j, b_sign * jx - of_b * jy)
    for i in range(s.n_members[y]):
        j = on_y[i]
        if j != b and sign[j * k + x] == 0:
            add(s, a, j, a_sign * sign[j * k + y])
            add(s, b, j, -of_b * sign[j * k + y])
    replace(s, x, a, b)
    replace(s, y, b, a)
    sign[a * k + x] = sign[b * k + y] = 0
    sign[a * k + y], sign[b * k + x] = a_sign, b_sign
    s.column_of[first], s.column_of[second] = <int32_t> y, <int32_t> x


cdef void prepare(State* s) noexcept nogil:
    """List the entries and compute all products."""
    cdef Py_ssize_t i, j, x, k = s.n_columns
    cdef int32_t total
    for i in range(s.n_rows):
        for x in range(k):
            if s.signs[i * k + x] != 0:
                s.row_of[s.n_entries], s.column_of[s.n_entries] = <int32_t> i, <int32_t> x
                s.n_entries += 1
                s.members[x * s.n_rows + s.n_members[x]] = <int32_t> i
                s.n_members[x] += 1
    for i in range(s.n_rows):
        for j in range(i):
            total = 0
            for x in range(k):
                total += s.signs[i * k + x] * s.signs[j * k + x]
            s.products[i * s.n_rows + j] = s.products[j * s.n_rows + i] = total


cdef void search(
    State* s, const double* temperatures, Py_ssize_t n_stages, Py_ssize_t n_moves
) noexcept nogil:
    cdef Py_ssize_t stage, _move, first, second
    cdef uint64_t bits, n = s.n_entries
    for stage in range(n_stages):
        for _move in range(n_moves):
            bits = draw(s)
            first = ((bits >> 32) * n) >> 32
            if bits & 1:
                flip(s, s.row_of[first], s.column_of[first], temperatures[stage])
            else:
                second = (((bits >> 8) & 0xFFFFFF) * n) >> 24
                exchange(s, first, second, 1 if bits & 2 else -1, 1 if bits & 4 else -1,
                         temperatures[stage])


cdef bint fits(
    object signs, object penalties, object scales, object temperatures, Py_ssize_t moves,
    uint64_t seed,
) except -1:
    """Search; False, or any exception, where something does not fit."""
    cdef Py_buffer[4] views
    cdef State s
    cdef Py_ssize_t i, n, k
    memset(views, 0, sizeof(views))
    memset(&s, 0, sizeof(s))
    try:
        hold(signs, &views[0], True)
        hold(penalties, &views[1])
        hold(scales, &views[2])
        hold(temperatures, &views[3])
        for i in range(1, 4):
            if views[i].ndim != 1 or kind_of(&views[i]) != FLOAT64:
                return False
        if views[0].ndim != 2 or views[0].itemsize != 1 or views[0].format[0] != c"b":
            return False
        s.n_rows, s.n_columns = n, k = views[0].shape[0], views[0].shape[1]
        s.signs = <int8_t*> views[0].buf
        s.penalties = <const double*> views[1].buf
        s.scales = <const double*> views[2].buf
        s.random = seed
        if views[1].shape[0] != k + 1 or views[2].shape[0] != n or moves < 0 or n * k > 2**24:
            return False
        for i in range(n * k):
            if not -1 <= s.signs[i] <= 1:
                return False
        s.products = <int32_t*> calloc(n * n + 1, sizeof(int32_t))
        s.row_of = <int32_t*> calloc(n * k + 1, sizeof(int32_t))
        s.column_of = <int32_t*> calloc(n * k + 1, sizeof(int32_t))
        s.members = <int32_t*> calloc(n * k + 1, sizeof(int32_t))
        s.n_members = <int32_t*> calloc(k + 1, sizeof(int32_t))
        if (s.products == NULL or s.row_of == NULL or s.column_of == NULL or s.members == NULL
                or s.n_members == NULL):
            raise MemoryError
        with nogil:
            prepare(&s)
            if s.n_entries:
                search(&s, <const double*> views[3].buf, views[3].shape[0], moves)
        return True
    finally:
        free(s.products)
        free(s.row_of)
        free(s.column_of)
        free(s.members)
        free(s.n_members)
        let_go(views, 4)


def exchange_signs(signs, penalties, scales, temperatures, moves, seed):
    """Search for signs and columns with less penalty, in place; see the package."""
    cdef bint done
    try:
        done = fits(signs, penalties, scales, temperatures, moves, seed)
    except (TypeError, ValueError, BufferError, OverflowError):
        done = False
    if not done:
        checks.exchange_signs(signs, penalties, scales, temperatures, moves, seed)
        raise TypeError("exchange_signs: wants numpy arrays")
    return signs
