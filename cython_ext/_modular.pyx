"""Sums and products modulo a prime, into memory that is there; see mpicode/kernels/__init__.py."""

from cpython.number cimport PyNumber_Index
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from buffers cimport INT64, Py_buffer, hold, kind_of, let_go, overlap

from mpicode.kernels import modular

cdef extern from "modular.h" nogil:
    ctypedef struct mpicode_prime:
        pass
    enum:
        MPICODE_HAS_MERSENNE
    mpicode_prime mpicode_prime_of(uint64_t p)
    int mpicode_modular_combine(const int64_t* factors, const int64_t** vectors, Py_ssize_t count,
                                int64_t* out, Py_ssize_t n_rows, Py_ssize_t size, mpicode_prime m)
    int mpicode_modular_dot(const int64_t* X, const int64_t* x, int64_t* out, Py_ssize_t n_rows,
                            Py_ssize_t n_features, Py_ssize_t c, mpicode_prime m)
    int mpicode_modular_transpose(const int64_t* X, const int64_t* residual, int64_t* out,
                                  Py_ssize_t n_rows, Py_ssize_t n_features, Py_ssize_t c,
                                  mpicode_prime m)

cdef uint64_t MERSENNE_61 = modular.MERSENNE_61


cdef bint usable(uint64_t prime) noexcept nogil:
    return (2 <= prime < <uint64_t> 1 << 31
            or (MPICODE_HAS_MERSENNE and prime == MERSENNE_61))


cdef bint all_residues(const Py_buffer* view, uint64_t prime) noexcept nogil:
    cdef const int64_t* values = <const int64_t*> view.buf
    cdef Py_ssize_t i
    for i in range(view.len // <Py_ssize_t> sizeof(int64_t)):
        if <uint64_t> values[i] >= prime:
            return False
    return True


cdef class _Sums:
    """The buffers of one or several sums, held until they are done."""
    cdef Py_buffer* views  # out, coefficients, then the vectors that are used
    cdef const int64_t** vectors
    cdef int64_t* factors  # (n_rows, count), those of the vectors that are used
    cdef Py_ssize_t held

    def __dealloc__(self):
        let_go(self.views, self.held)
        free(self.views)
        free(self.vectors)
        free(self.factors)

    cdef int hold_next(self, object array, bint writable) except -1:
        hold(array, &self.views[self.held], writable)
        self.held += 1
        return 0

    cdef bint run(self, object coefficients, object vectors, object out, uint64_t p) except -1:
        """Compute the sums; False, or any exception, where something does not fit."""
        cdef Py_ssize_t n = len(vectors), n_rows, size, count = 0, row, i, place
        cdef list used = []
        cdef mpicode_prime m
        cdef const int64_t* given
        cdef Py_buffer* view
        cdef bint bad
        self.views = <Py_buffer*> calloc(n + 2, sizeof(Py_buffer))
        self.vectors = <const int64_t**> calloc(n + 1, sizeof(int64_t*))
        if self.views == NULL or self.vectors == NULL:
            raise MemoryError
        self.hold_next(out, True)
        self.hold_next(coefficients, False)
        if (not usable(p) or kind_of(&self.views[0]) != INT64 or kind_of(&self.views[1]) != INT64
                or self.views[0].ndim != self.views[1].ndim
                or not 1 <= self.views[0].ndim <= 2
                or self.views[1].shape[self.views[1].ndim - 1] != n
                or overlap(&self.views[0], &self.views[1])
                or not all_residues(&self.views[1], p)):
            return False
        n_rows = 1
        if self.views[0].ndim == 2:
            n_rows = self.views[0].shape[0]
            if self.views[1].shape[0] != n_rows:
                return False
        size = self.views[0].shape[self.views[0].ndim - 1]
        given = <const int64_t*> self.views[1].buf
        for i in range(n):
            for row in range(n_rows):
                if given[row * n + i] != 0:
                    break
            else:
                continue
            self.hold_next(vectors[i], False)
            view = &self.views[self.held - 1]
            if (kind_of(view) != INT64 or view.ndim != 1 or view.shape[0] != size
                    or overlap(view, &self.views[0])):
                return False
            self.vectors[count] = <const int64_t*> view.buf
            used.append(i)
            count += 1
        self.factors = <int64_t*> calloc(n_rows * count + 1, sizeof(int64_t))
        if self.factors == NULL:
            raise MemoryError
        for place in range(count):
            i = used[place]
            for row in range(n_rows):
                self.factors[row * count + place] = given[row * n + i]
        m = mpicode_prime_of(p)
        with nogil:
            bad = mpicode_modular_combine(self.factors, self.vectors, count,
                                          <int64_t*> self.views[0].buf, n_rows, size, m)
        return not bad


def modular_combine(coefficients, vectors, prime, out):
    """Write the sums of ``coefficients[u, i] * vectors[i]`` into ``out[u]``; see the package."""
    cdef _Sums job = _Sums.__new__(_Sums)
    cdef bint fits
    try:
        fits = job.run(coefficients, vectors, out, PyNumber_Index(prime))
    except (TypeError, ValueError, OverflowError, BufferError):
        fits = False
    if not fits:
        del job
        # refused, or left to the twin where the compiler has no numbers of 128 bits
        return modular.modular_combine(coefficients, vectors, prime, out)
    return out


cdef bint multiply(bint transposed, object X, object given, object out, uint64_t p) except -1:
    """Either product; False, or any exception, where something does not fit."""
    cdef Py_buffer[3] views
    cdef Py_ssize_t n_rows, n_features, n_columns = 1
    cdef Py_buffer *by_row
    cdef Py_buffer *by_feature
    cdef mpicode_prime m
    cdef bint bad
    memset(views, 0, sizeof(views))
    try:
        hold(out, &views[2], True)
        hold(X, &views[0])
        hold(given, &views[1])
        by_row, by_feature = (&views[1], &views[2]) if transposed else (&views[2], &views[1])
        if (not usable(p) or kind_of(&views[0]) != INT64 or kind_of(&views[1]) != INT64
                or kind_of(&views[2]) != INT64 or views[0].ndim != 2
                or by_row.ndim != by_feature.ndim or not 1 <= by_row.ndim <= 2):
            return False
        n_rows, n_features = views[0].shape[0], views[0].shape[1]
        if by_row.ndim == 2:
            n_columns = by_row.shape[1]
            if by_feature.shape[1] != n_columns:
                return False
        if (by_row.shape[0] != n_rows or by_feature.shape[0] != n_features
                or overlap(&views[0], &views[2]) or overlap(&views[1], &views[2])
                or not all_residues(&views[1], p)):
            return False
        m = mpicode_prime_of(p)
        with nogil:
            if transposed:
                bad = mpicode_modular_transpose(
                    <const int64_t*> views[0].buf, <const int64_t*> views[1].buf,
                    <int64_t*> views[2].buf, n_rows, n_features, n_columns, m)
            else:
                bad = mpicode_modular_dot(
                    <const int64_t*> views[0].buf, <const int64_t*> views[1].buf,
                    <int64_t*> views[2].buf, n_rows, n_features, n_columns, m)
        return not bad
    finally:
        let_go(views, 3)


def modular_dot(X, x, prime, out):
    """Write ``X @ x`` into ``out``; see the package."""
    cdef bint fits
    try:
        fits = multiply(False, X, x, out, PyNumber_Index(prime))
    except (TypeError, ValueError, OverflowError, BufferError):
        fits = False
    if not fits:
        # refused, or left to the twin where the compiler has no numbers of 128 bits
        return modular.modular_dot(X, x, prime, out)
    return out


def modular_transpose_dot(X, residual, prime, out):
    """Write ``X.T @ residual`` into ``out``; see the package."""
    cdef bint fits
    try:
        fits = multiply(True, X, residual, out, PyNumber_Index(prime))
    except (TypeError, ValueError, OverflowError, BufferError):
        fits = False
    if not fits:
        # refused, or left to the twin where the compiler has no numbers of 128 bits
        return modular.modular_transpose_dot(X, residual, prime, out)
    return out
