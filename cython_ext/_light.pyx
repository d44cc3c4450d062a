"""An estimate corrected by a light codeword; see mpicode/kernels/__init__.py for the contract."""

from libc.math cimport NAN, isfinite
from libc.string cimport memset

from buffers cimport FLOAT32, FLOAT64, Py_buffer, hold, kind_of, let_go, overlap
from sums cimport Pass, mpicode_add_f32_f64, mpicode_add_f64_f64

from mpicode.kernels import checks

cdef extern from "light.h" nogil:
    double mpicode_squares(const double* v, Py_ssize_t size)
    double mpicode_squares_f32(const float* v, Py_ssize_t size)

# Elements worked through before the next ones: those of a light row's segments stay in the L1 cache
# between being read and being corrected.
cdef enum:
    BLOCK = 512
    # of the arguments, in the order in which they are held
    STATE = 0
    X = 1
    CODEWORD = 2
    ROW = 3  # of all messages, where they are prepared
    GAIN = 4
    MOVE = 5
    COUNT = 6


cdef struct Job:
    const char* codeword
    Py_ssize_t codeword_bytes  # per element
    Pass copying  # codeword to double
    const double* row
    const double* gain
    const double* move
    double* state
    double* x  # NULL without a step
    double step
    Py_ssize_t n_segments, size, x_size


cdef bint is_vector(const Py_buffer* view, Py_ssize_t size) noexcept nogil:
    return view.ndim == 1 and view.shape[0] == size and kind_of(view) == FLOAT64


cdef bint fill(
    Job* job, Py_buffer* views,
    object row, object codeword, object gain, object state, object move, double step, object x,
) except -1:
    """Take hold of everything; False, or any exception, where something does not fit."""
    cdef Py_ssize_t i
    cdef Py_buffer* view
    cdef bint steps = x is not None
    hold(state, &views[STATE], True)
    view = &views[STATE]
    if view.ndim != 2 or kind_of(view) != FLOAT64:
        return False
    job.n_segments, job.size = view.shape[0], view.shape[1]
    hold(codeword, &views[CODEWORD])
    view = &views[CODEWORD]
    if view.ndim != 1 or view.shape[0] != job.size or kind_of(view) not in (FLOAT32, FLOAT64):
        return False
    job.codeword_bytes = view.itemsize
    job.copying = mpicode_add_f64_f64[0]
    if kind_of(view) == FLOAT32:
        job.copying = mpicode_add_f32_f64[0]
    hold(row, &views[ROW])
    hold(gain, &views[GAIN])
    if not (is_vector(&views[ROW], job.n_segments) and is_vector(&views[GAIN], job.n_segments)):
        return False
    if steps:
        hold(x, &views[X], True)
        hold(move, &views[MOVE])
        view = &views[X]
        if (view.ndim != 2 or view.shape[0] != job.n_segments or view.shape[1] > job.size
                or kind_of(view) != FLOAT64 or not is_vector(&views[MOVE], job.n_segments)):
            return False
        job.x_size = view.shape[1]
        if overlap(view, &views[STATE]):
            return False
    for i in range(CODEWORD, COUNT):  # those not held are empty, and overlap with nothing
        if overlap(&views[i], &views[STATE]) or overlap(&views[i], &views[X]):
            return False
    job.codeword = <const char*> views[CODEWORD].buf
    job.row = <const double*> views[ROW].buf
    job.gain = <const double*> views[GAIN].buf
    job.state = <double*> views[STATE].buf
    job.move = <const double*> views[MOVE].buf
    job.x = <double*> views[X].buf if steps else NULL
    job.step = step
    return True


cdef void find_rest(
    const Job* job, Py_ssize_t begin, Py_ssize_t count, double* rest
) noexcept nogil:
    """rest = codeword - row @ state, of ``count`` elements."""
    cdef const void* vectors[8]
    cdef double[8] factors
    cdef double one = 1.0
    cdef const void* source = job.codeword + begin * job.codeword_bytes
    cdef Py_ssize_t u, k = 0
    job.copying(&source, &one, rest, 0, count, True)
    for u in range(job.n_segments):
        if job.row[u] != 0.0:
            vectors[k], factors[k] = job.state + u * job.size + begin, -job.row[u]
            k += 1
            if k == 8:
                mpicode_add_f64_f64[7](vectors, factors, rest, 0, count, False)
                k = 0
    if k:
        mpicode_add_f64_f64[k - 1](vectors, factors, rest, 0, count, False)


cdef double correct(const Job* job) noexcept nogil:
    """Do the job, block by block; return the sum of squares of the rest."""
    cdef double[BLOCK] rest
    cdef double[2] factors
    cdef const void* vectors[2]
    cdef double total = 0.0
    cdef double* state
    cdef Py_ssize_t begin = 0, count, stepped, u
    while begin < job.size:
        count = min(job.size - begin, <Py_ssize_t> BLOCK)
        stepped = min(job.x_size - begin, count) if job.x != NULL else 0
        find_rest(job, begin, count, rest)
        total += mpicode_squares(rest, count)
        for u in range(job.n_segments):
            state = job.state + u * job.size + begin
            if stepped > 0:
                vectors[0], vectors[1] = state, rest
                factors[0], factors[1] = -job.step, -job.step * job.move[u]
                mpicode_add_f64_f64[1](
                    vectors, factors, job.x + u * job.x_size + begin, 0, stepped, False)
            if job.gain[u] != 0.0:
                vectors[0], factors[0] = rest, job.gain[u]
                mpicode_add_f64_f64[0](vectors, factors, state, 0, count, False)
        begin += count
    return total


cdef bint attempt(
    double* total,
    object row, object codeword, object gain, object state, object move, object step, object x,
) except -1:
    """Do it and write the sum of squares to ``total``; False where something does not fit."""
    cdef Py_buffer[COUNT] views
    cdef Job job
    cdef bint fits = False
    memset(views, 0, sizeof(views))
    memset(&job, 0, sizeof(job))
    try:
        fits = fill(&job, views, row, codeword, gain, state, move, step, x)
        if fits:
            with nogil:
                total[0] = correct(&job)
    except (TypeError, ValueError, BufferError):
        fits = False
    finally:
        let_go(views, COUNT)
    return fits


def innovate(row, codeword, gain, state):
    """Correct ``state`` by what of ``codeword`` it does not foretell; see the package."""
    cdef double total = 0.0
    if not attempt(&total, row, codeword, gain, state, None, 0.0, None):
        checks.innovate(row, codeword, gain, state)
        raise TypeError("innovate: wants numpy arrays")
    return total


def innovate_step(row, codeword, gain, state, move, step, x):
    """Step along the estimate that is corrected; see the package."""
    cdef double total = 0.0
    if x is None or not attempt(&total, row, codeword, gain, state, move, step, x):
        checks.innovate_step(row, codeword, gain, state, move, step, x)
        raise TypeError("innovate_step: wants numpy arrays")
    return total


cdef double finite(const Py_buffer* view) noexcept nogil:
    """The sum of squares of a vector's numbers; NaN where one of them is not finite."""
    cdef bint short = view.itemsize == sizeof(float)
    cdef const float* floats = <const float*> view.buf
    cdef const double* doubles = <const double*> view.buf
    cdef Py_ssize_t e, size = view.shape[0]
    cdef double total = mpicode_squares_f32(floats, size) if short else mpicode_squares(
        doubles, size)
    if not isfinite(total):
        for e in range(size):  # their squares can be too large where they are not
            if not isfinite(floats[e] if short else doubles[e]):
                return NAN
    return total


cdef bint is_codeword(const Py_buffer* view) noexcept nogil:
    return view.ndim == 1 and kind_of(view) in (FLOAT32, FLOAT64)


def finite_square(vector):
    """Return ``vector @ vector``, NaN where a number is not finite; see the package."""
    cdef Py_buffer view
    cdef double total = NAN
    cdef bint fits = False
    memset(&view, 0, sizeof(view))
    try:
        hold(vector, &view)
        fits = is_codeword(&view)
        if fits:
            with nogil:
                total = finite(&view)
    except (TypeError, ValueError, BufferError):
        fits = False
    finally:
        let_go(&view, 1)
    if not fits:
        checks.finite_square(vector)
        raise TypeError("finite_square: wants a numpy array")
    return total


cdef void move_along(const Job* job) noexcept nogil:
    """x -= step * move codeword, where nothing is foretold; of the segments that move alone."""
    cdef double[BLOCK] converted
    cdef double one = 1.0, factor
    cdef const void* source
    cdef const void* vector
    cdef bint converts = job.codeword_bytes == sizeof(float)
    cdef Py_ssize_t begin = 0, block = BLOCK if converts else 4 * BLOCK, count, u
    while begin < job.size:
        count = min(job.size - begin, block)
        vector = source = job.codeword + begin * job.codeword_bytes
        if converts:
            job.copying(&source, &one, converted, 0, count, True)
            vector = <const void*> converted
        for u in range(job.n_segments):
            if job.move[u] != 0.0:
                factor = -job.step * job.move[u]
                mpicode_add_f64_f64[0](
                    &vector, &factor, job.x + u * job.x_size + begin, 0, count, False)
        begin += count


cdef class LightSteps:
    """LightSteps(x, moves, state=None, rows=None, gains=None)
--

    What messages do to the same parameters, again and again; see the package."""
    cdef Py_buffer[COUNT] views
    cdef Job job
    cdef Py_ssize_t n_messages

    def __cinit__(self, x, moves, state=None, rows=None, gains=None):
        try:
            fits = self.fill(x, moves, state, rows, gains)
        except (TypeError, ValueError, BufferError):
            fits = False
        if not fits:
            checks.light_steps(x, moves, state, rows, gains)
            raise TypeError("LightSteps: wants numpy arrays")

    def __dealloc__(self):
        let_go(self.views, COUNT)

    cdef bint fill(
        self, object x, object moves, object state, object rows, object gains
    ) except -1:
        """Take hold of what stays the same; False, or any exception, where it does not fit."""
        cdef Py_ssize_t i
        cdef Py_buffer* view = &self.views[X]
        hold(x, view, True)
        if view.ndim != 2 or kind_of(view) != FLOAT64:
            return False
        self.job.n_segments, self.job.x_size = view.shape[0], view.shape[1]
        self.job.size = self.job.x_size
        self.job.x = <double*> view.buf
        hold(moves, &self.views[MOVE])
        if self.views[MOVE].ndim != 2:
            return False
        self.n_messages = self.views[MOVE].shape[0]
        if state is None:
            if rows is not None or gains is not None:
                return False
        else:
            view = &self.views[STATE]
            hold(state, view, True)
            hold(rows, &self.views[ROW])
            hold(gains, &self.views[GAIN])
            if (view.ndim != 2 or kind_of(view) != FLOAT64 or overlap(view, &self.views[X])
                    or view.shape[0] != self.job.n_segments or view.shape[1] < self.job.x_size
                    or not (self.is_table(ROW) and self.is_table(GAIN))):
                return False
            self.job.size = view.shape[1]
            self.job.state = <double*> view.buf
        for i in range(ROW, COUNT):  # those not held are empty, and overlap with nothing
            if overlap(&self.views[i], &self.views[X]) or overlap(
                    &self.views[i], &self.views[STATE]):
                return False
        return self.is_table(MOVE)

    cdef bint is_table(self, Py_ssize_t place) noexcept:
        """Whether there is a number for each message and segment."""
        cdef const Py_buffer* view = &self.views[place]
        return (view.ndim == 2 and view.shape[0] == self.n_messages
                and view.shape[1] == self.job.n_segments and kind_of(view) == FLOAT64)

    def take(self, Py_ssize_t message, codeword, double step):
        """Step along a message; return its square, NaN where it was left; see the package."""
        cdef Py_buffer view
        cdef Job job = self.job
        cdef double total = NAN
        cdef bint fits = False
        memset(&view, 0, sizeof(view))
        try:
            hold(codeword, &view)
            fits = (is_codeword(&view) and view.shape[0] == job.size
                    and 0 <= message < self.n_messages
                    and not overlap(&view, &self.views[X])
                    and not overlap(&view, &self.views[STATE]))
            if fits:
                job.codeword, job.codeword_bytes = <const char*> view.buf, view.itemsize
                job.copying = mpicode_add_f64_f64[0]
                if view.itemsize == sizeof(float):
                    job.copying = mpicode_add_f32_f64[0]
                job.move = <const double*> self.views[MOVE].buf + message * job.n_segments
                job.step = step
                if job.state != NULL:
                    job.row = <const double*> self.views[ROW].buf + message * job.n_segments
                    job.gain = <const double*> self.views[GAIN].buf + message * job.n_segments
                with nogil:
                    total = finite(&view)
                    if total == total:
                        if job.state != NULL:
                            correct(&job)
                        else:
                            move_along(&job)
        except (TypeError, ValueError, BufferError):
            fits = False
        finally:
            let_go(&view, 1)
        if not fits:
            checks.light_step(self.n_messages, job.size, message, codeword)
            raise ValueError("codeword: overlaps out in memory")
        return total
