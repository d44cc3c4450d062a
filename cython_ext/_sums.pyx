"""Weighted sums of many vectors in one pass; see mpicode/kernels/__init__.py for the contract."""

from libc.stdlib cimport calloc, free
from libc.string cimport memset

from buffers cimport (
    COMPLEX128,
    FLOAT32,
    FLOAT64,
    OTHER,
    Kind,
    Py_buffer,
    hold,
    kind_of,
    let_go,
    overlap,
)
from sums cimport Passes, add_all, choose

from mpicode.kernels import checks
from mpicode.kernels.slices import in_slices

cdef extern from "triad.h" nogil:
    void mpicode_triad(double* a, const double* b, double s, const double* c, Py_ssize_t size)


cdef class _Sum:
    """The buffers of one weighted sum, held until it is done."""
    cdef Py_buffer* views  # out, then the vectors whose coefficient is not 0
    cdef const void** vectors
    cdef double* factors
    cdef Py_ssize_t held, count, size
    cdef Passes passes

    def __dealloc__(self):
        let_go(self.views, self.held)
        free(self.views)
        free(self.vectors)
        free(self.factors)

    cdef int hold_next(self, object array, bint writable) except -1:
        hold(array, &self.views[self.held], writable)
        self.held += 1
        return 0

    cdef bint fill(self, object coefficients, object vectors, object out) except -1:
        """Take hold of everything; False, or any exception, where something does not fit."""
        cdef Py_ssize_t n = len(vectors), i
        cdef Py_buffer* view
        cdef double real, imaginary = 0.0
        cdef Kind target, source = OTHER
        cdef const double[::1] numbers
        self.views = <Py_buffer*> calloc(n + 1, sizeof(Py_buffer))
        self.vectors = <const void**> calloc(n + 1, sizeof(void*))
        self.factors = <double*> calloc(2 * n + 1, sizeof(double))
        if self.views == NULL or self.vectors == NULL or self.factors == NULL:
            raise MemoryError
        self.hold_next(out, True)
        target = kind_of(&self.views[0])
        if self.views[0].ndim != 1 or target not in (FLOAT32, FLOAT64, COMPLEX128):
            return False
        self.size = self.views[0].shape[0]
        coefficients = checks.coefficients(coefficients, target == COMPLEX128)
        numbers = coefficients.view("f8")
        choose(target, target, &self.passes)
        if numbers.shape[0] != n * self.passes.width:
            return False
        for i in range(n):
            real = numbers[i * self.passes.width]
            if target == COMPLEX128:
                imaginary = numbers[2 * i + 1]
            if real == 0.0 and imaginary == 0.0:
                continue
            self.hold_next(vectors[i], False)
            view = &self.views[self.held - 1]
            if self.count == 0:
                source = kind_of(view)
                if not choose(source, target, &self.passes):
                    return False
            if (view.ndim != 1 or view.shape[0] != self.size or kind_of(view) != source
                    or overlap(view, &self.views[0])):
                return False
            self.vectors[self.count] = view.buf
            self.factors[self.count * self.passes.width] = real
            if target == COMPLEX128:
                self.factors[2 * self.count + 1] = imaginary
            self.count += 1
        return True

    def run(self, Py_ssize_t start, Py_ssize_t stop):
        """Compute elements start to stop."""
        with nogil:
            add_all(&self.passes, self.vectors, self.factors, self.count,
                    self.views[0].buf, start, stop, True)


def combine(coefficients, vectors, out, threads=1):
    """Write the sum of ``coefficients[i] * vectors[i]`` into ``out``; see the package."""
    cdef _Sum job = _Sum.__new__(_Sum)
    cdef Py_ssize_t n_threads
    cdef bint fits
    try:
        n_threads = threads
        fits = n_threads >= 1 and job.fill(coefficients, vectors, out)
    except (TypeError, ValueError, BufferError):
        fits = False
    if not fits:
        del job
        checks.combine(coefficients, vectors, out, threads)
        raise TypeError("combine: wants numpy arrays")
    in_slices(job.run, job.size, n_threads)
    return out


cdef int add_one(object coefficient, object vector, object out) except -1:
    """out += coefficient * vector; 0, or any exception, where something does not fit."""
    cdef Py_buffer[2] views
    cdef Passes passes
    cdef double[2] factor
    cdef const void* source
    cdef double complex number = checks.factor("coefficient", coefficient, out.dtype)
    factor[0], factor[1] = number.real, number.imag
    memset(views, 0, sizeof(views))
    try:
        hold(out, &views[0], True)
        if factor[0] == 0.0 and factor[1] == 0.0:
            return views[0].ndim == 1 and kind_of(&views[0]) in (FLOAT32, FLOAT64, COMPLEX128)
        hold(vector, &views[1])
        if (views[0].ndim != 1 or views[1].ndim != 1 or views[0].shape[0] != views[1].shape[0]
                or not choose(kind_of(&views[1]), kind_of(&views[0]), &passes)
                or overlap(&views[0], &views[1])):
            return 0
        source = views[1].buf
        with nogil:
            add_all(&passes, &source, factor, 1, views[0].buf, 0, views[0].shape[0], False)
        return 1
    finally:
        let_go(views, 2)


def accumulate(coefficient, vector, out):
    """Add ``coefficient * vector`` to ``out``; see the package."""
    cdef bint fits
    try:
        fits = add_one(coefficient, vector, out)
    except (AttributeError, TypeError, ValueError, BufferError):
        fits = False
    if not fits:
        checks.accumulate(coefficient, vector, out)
        raise TypeError("accumulate: wants numpy arrays")
    return out


def triad(double[::1] a, const double[::1] b, double s, const double[::1] c):
    """Compute ``a = b + s * c``: what this machine's memory gives to a simple compiled loop."""
    if not a.shape[0] == b.shape[0] == c.shape[0]:
        raise ValueError(f"triad: wants one length, got {a.shape[0]}, {b.shape[0]}, {c.shape[0]}")
    with nogil:
        mpicode_triad(&a[0], &b[0], s, &c[0], a.shape[0])
