"""Several weighted sums of the same vectors; see mpicode/kernels/__init__.py for the contract."""

from libc.stdlib cimport calloc, free

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
from sums cimport Passes, add_all, choose, choose_real_part

from mpicode.kernels import checks
from mpicode.kernels.slices import in_slices

# Elements of all rows finished before the next ones are begun: of four rows at once the partial
# sums wait in the caches next to the core, as do the vectors for further rows.
cdef enum:
    BLOCK = 2048


cdef class _Rows:
    """The buffers of several weighted sums, held until they are done."""
    cdef Py_buffer* views  # out, then the vectors that some row has a coefficient for
    cdef const void** vectors  # row r begins at r * count, and has counts[r] of them
    cdef double* factors  # likewise
    cdef Py_ssize_t* counts
    cdef Py_ssize_t held, count, n_rows, size
    cdef bint full  # every row has all of them
    cdef Passes passes

    def __dealloc__(self):
        let_go(self.views, self.held)
        free(self.views)
        free(self.vectors)
        free(self.factors)
        free(self.counts)

    cdef int hold_next(self, object array, bint writable) except -1:
        hold(array, &self.views[self.held], writable)
        self.held += 1
        return 0

    cdef bint fill(self, object coefficients, object vectors, object out) except -1:
        """Take hold of everything; False, or any exception, where something does not fit."""
        cdef object numbers = checks.coefficient_rows(coefficients)
        cdef const double[::1] flat = numbers.reshape(-1).view("f8")
        cdef Py_ssize_t n = len(vectors), parts = 2 if numbers.dtype.kind == "c" else 1
        cdef Py_ssize_t i, r, p
        cdef Py_buffer* view
        cdef Kind target, source = OTHER
        cdef bint used
        cdef list columns = []
        self.n_rows = numbers.shape[0]
        self.views = <Py_buffer*> calloc(n + 1, sizeof(Py_buffer))
        if self.views == NULL:
            raise MemoryError
        if numbers.shape[1] != n:
            return False
        self.hold_next(out, True)
        view = &self.views[0]
        target = kind_of(view)
        if (view.ndim != 2 or view.shape[0] != self.n_rows
                or target not in (FLOAT32, FLOAT64, COMPLEX128)):
            return False
        self.size = view.shape[1]
        choose(target, target, &self.passes)
        for i in range(n):
            used = False
            for r in range(self.n_rows):
                for p in range(parts):
                    used |= flat[(r * n + i) * parts + p] != 0.0
            if not used:
                continue
            self.hold_next(vectors[i], False)
            view = &self.views[self.held - 1]
            if self.count == 0:
                source = kind_of(view)
                if source == COMPLEX128 and target == FLOAT64:
                    choose_real_part(&self.passes)
                elif not choose(source, target, &self.passes):
                    return False
                if parts > self.passes.width:
                    return False
            if (view.ndim != 1 or view.shape[0] != self.size or kind_of(view) != source
                    or overlap(view, &self.views[0])):
                return False
            self.count += 1
            columns.append(i)
        self.gather(flat, columns, n, parts)
        return True

    cdef int gather(
        self, const double[::1] flat, list columns, Py_ssize_t n, Py_ssize_t parts,
    ) except -1:
        """Note for each row the vectors and factors of its own, without those that are 0."""
        cdef Py_ssize_t width = self.passes.width, r, k, i, place
        cdef size_t cells = self.n_rows * self.count + 1
        cdef double real, imaginary = 0.0
        self.vectors = <const void**> calloc(cells, sizeof(void*))
        self.factors = <double*> calloc(cells * width, sizeof(double))
        self.counts = <Py_ssize_t*> calloc(self.n_rows + 1, sizeof(Py_ssize_t))
        if self.vectors == NULL or self.factors == NULL or self.counts == NULL:
            raise MemoryError
        self.full = True
        for r in range(self.n_rows):
            place = r * self.count
            for k in range(self.count):
                i = columns[k]
                real = flat[(r * n + i) * parts]
                if parts == 2:
                    imaginary = flat[(r * n + i) * 2 + 1]
                if real == 0.0 and imaginary == 0.0:
                    self.full = False
                    continue
                self.vectors[place] = self.views[k + 1].buf
                self.factors[place * width] = real
                if width == 2:
                    self.factors[place * 2 + 1] = imaginary
                place += 1
            self.counts[r] = place - r * self.count
        return 0

    cdef void one_row(self, Py_ssize_t r, Py_ssize_t start, Py_ssize_t stop) noexcept nogil:
        cdef Py_ssize_t first = r * self.count
        add_all(&self.passes, self.vectors + first, self.factors + first * self.passes.width,
                self.counts[r], self.row(r), start, stop, True)

    cdef void some_rows(
        self, Py_ssize_t r, Py_ssize_t height, Py_ssize_t start, Py_ssize_t stop,
    ) noexcept nogil:
        """Rows r to r + height, 2 or 4 of them, none of whose factors is 0."""
        cdef Py_ssize_t first = r * self.count, i = 0, k
        while i < self.count:
            k = min(self.count - i, <Py_ssize_t> 4)
            self.passes.tiles[(4 if height == 4 else 0) + k - 1](
                self.vectors + first + i, self.factors + first + i, self.count,
                self.row(r), self.size, start, stop - start, i == 0)
            i += k

    cdef void* row(self, Py_ssize_t r) noexcept nogil:
        return <char*> self.views[0].buf + r * self.size * self.passes.itemsize

    cdef void all_rows(self, Py_ssize_t start, Py_ssize_t stop) noexcept nogil:
        cdef bint tiled = self.full and self.passes.tiles != NULL and self.count > 0
        cdef Py_ssize_t begin = start, end, r, height
        if self.n_rows == 1:
            self.one_row(0, start, stop)
            return
        while begin < stop:
            end = min(stop, begin + <Py_ssize_t> BLOCK)
            r = 0
            while r < self.n_rows:
                height = 1
                if tiled and self.n_rows - r >= 2:
                    height = 4 if self.n_rows - r >= 4 else 2
                if height == 1:
                    self.one_row(r, begin, end)
                else:
                    self.some_rows(r, height, begin, end)
                r += height
            begin = end

    def run(self, Py_ssize_t start, Py_ssize_t stop):
        """Compute elements start to stop of every row."""
        with nogil:
            self.all_rows(start, stop)


def combine_segments(coefficients, vectors, out, threads=1):
    """Write the sums of ``coefficients[u, i] * vectors[i]`` into ``out[u]``; see the package."""
    cdef _Rows job = _Rows.__new__(_Rows)
    cdef Py_ssize_t n_threads
    cdef bint fits
    try:
        n_threads = threads
        fits = n_threads >= 1 and job.fill(coefficients, vectors, out)
    except (TypeError, ValueError, BufferError):
        fits = False
    if not fits:
        del job
        checks.combine_segments(coefficients, vectors, out, threads)
        raise TypeError("combine_segments: wants numpy arrays")
    in_slices(job.run, job.size, n_threads)
    return out
