"""Loss and residual of a batch in one pass; see mpicode/kernels/__init__.py for the contract."""

from libc.math cimport INFINITY, log
from libc.stdint cimport int64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from buffers cimport FLOAT32, FLOAT64, INT64, Kind, Py_buffer, hold, kind_of, let_go, overlap
from floating cimport floating

from mpicode.kernels import checks


cdef extern from "exponentials.h" nogil:
    void mpicode_exp_all(double* values, Py_ssize_t size)
    void mpicode_logistic(double* z, double* w, const double* y, Py_ssize_t size)

# Numbers worked on at a time, as doubles whatever they came as: they fit in the L1 cache.
cdef enum:
    BLOCK = 512


cdef inline double number(const Py_buffer* view, Kind kind, Py_ssize_t i) noexcept nogil:
    """Element i of labels or weights; one branch beside an exponential."""
    if kind == FLOAT64:
        return (<const double*> view.buf)[i]
    if kind == FLOAT32:
        return (<const float*> view.buf)[i]
    return <double> (<const int64_t*> view.buf)[i]


cdef Py_ssize_t logistic(
    const floating* z, const Py_buffer* y, const Py_buffer* weights, floating* out,
    Py_ssize_t n_rows, double* loss,
) noexcept nogil:
    """Residuals into out, the weighted loss into loss; returns the first bad row, or -1."""
    cdef Kind label_kind = kind_of(y), weight_kind = kind_of(weights)
    cdef double[BLOCK] logits
    cdef double[BLOCK] labels
    cdef double[BLOCK] losses
    cdef Py_ssize_t first = 0, size, i
    cdef double total = 0.0
    while first < n_rows:
        size = min(n_rows - first, <Py_ssize_t> BLOCK)
        for i in range(size):
            logits[i] = z[first + i]
            labels[i] = number(y, label_kind, first + i)
            losses[i] = number(weights, weight_kind, first + i)
            if not 0.0 <= labels[i] <= 1.0:
                return first + i
        mpicode_logistic(logits, losses, labels, size)
        for i in range(size):
            out[first + i] = <floating> logits[i]
            total += losses[i]
        first += size
    loss[0] = total
    return -1


cdef inline double shift(
    const floating* logits, Py_ssize_t n_classes, Py_ssize_t label, double* shifted,
) noexcept nogil:
    """The logits of one row less the largest of them; returns what the label's became."""
    cdef double top = -INFINITY
    cdef Py_ssize_t k
    for k in range(n_classes):
        if logits[k] > top:
            top = logits[k]
    for k in range(n_classes):
        shifted[k] = logits[k] - top
    return shifted[label]


cdef Py_ssize_t softmax(
    const floating* z, const int64_t* y, const Py_buffer* weights, floating* out,
    Py_ssize_t n_rows, Py_ssize_t n_classes, double* scratch, double* loss,
) noexcept nogil:
    """As `logistic`; scratch holds n_classes numbers and at least BLOCK."""
    cdef Kind weight_kind = kind_of(weights)
    cdef Py_ssize_t n_together = max(<Py_ssize_t> 1, BLOCK // max(n_classes, <Py_ssize_t> 1))
    cdef Py_ssize_t first = 0, size, row, i, k
    cdef double[BLOCK] chosen
    cdef double weight, norm, total = 0.0
    cdef const double* powers
    cdef floating* target
    while first < n_rows:
        size = min(n_rows - first, n_together)
        for i in range(size):
            row = first + i
            if not 0 <= y[row] < n_classes:
                return row
            chosen[i] = shift(z + row * n_classes, n_classes, y[row], scratch + i * n_classes)
        mpicode_exp_all(scratch, size * n_classes)
        # Only now, since out may be z.
        for i in range(size):
            row = first + i
            powers, target = scratch + i * n_classes, out + row * n_classes
            norm = 0.0
            for k in range(n_classes):
                norm += powers[k]
            weight = number(weights, weight_kind, row)
            total += weight * (log(norm) - chosen[i])
            for k in range(n_classes):
                target[k] = <floating> (weight * (powers[k] / norm - (k == y[row])))
        first += size
    loss[0] = total
    return -1


cdef bint residual(
    int n_dimensions, object z, object y, object weights, object out, double* loss,
) except -1:
    """Either residual; False, or any exception but IndexError, where something does not fit."""
    cdef Py_buffer[4] views
    cdef Kind real, labels
    cdef Py_ssize_t n_rows, n_classes = 1, bad
    cdef double* scratch = NULL
    memset(views, 0, sizeof(views))
    try:
        hold(z, &views[0])
        hold(y, &views[1])
        hold(weights, &views[2])
        hold(out, &views[3], True)
        real, labels = kind_of(&views[0]), kind_of(&views[1])
        if (views[0].ndim != n_dimensions or views[3].ndim != n_dimensions or views[1].ndim != 1
                or views[2].ndim != 1 or real not in (FLOAT32, FLOAT64)
                or kind_of(&views[3]) != real
                or kind_of(&views[2]) not in (FLOAT32, FLOAT64)
                or not (labels == INT64
                        or n_dimensions == 1 and labels in (FLOAT32, FLOAT64))):
            return False
        n_rows = views[0].shape[0]
        if (views[1].shape[0] != n_rows or views[2].shape[0] != n_rows
                or views[3].shape[0] != n_rows):
            return False
        if n_dimensions == 2:
            n_classes = views[0].shape[1]
            if views[3].shape[1] != n_classes or (n_rows > 0 and n_classes == 0):
                return False
            scratch = <double*> malloc(max(n_classes, <Py_ssize_t> BLOCK) * sizeof(double))
            if scratch == NULL:
                raise MemoryError
        if (overlap(&views[1], &views[3]) or overlap(&views[2], &views[3])
                or (views[0].buf != views[3].buf and overlap(&views[0], &views[3]))):
            return False
        with nogil:
            if n_dimensions == 1 and real == FLOAT64:
                bad = logistic(<const double*> views[0].buf, &views[1], &views[2],
                               <double*> views[3].buf, n_rows, loss)
            elif n_dimensions == 1:
                bad = logistic(<const float*> views[0].buf, &views[1], &views[2],
                               <float*> views[3].buf, n_rows, loss)
            elif real == FLOAT64:
                bad = softmax(<const double*> views[0].buf, <const int64_t*> views[1].buf,
                              &views[2], <double*> views[3].buf, n_rows, n_classes, scratch, loss)
            else:
                bad = softmax(<const float*> views[0].buf, <const int64_t*> views[1].buf,
                              &views[2], <float*> views[3].buf, n_rows, n_classes, scratch, loss)
        if bad >= 0:
            raise IndexError(bad)
        return True
    finally:
        free(scratch)
        let_go(views, 4)


def logistic_residual(z, y, weights, out):
    """Write ``weights * (sigmoid(z) - y)`` into ``out``, return the loss; see the package."""
    cdef double loss = 0.0
    cdef bint fits
    try:
        fits = residual(1, z, y, weights, out, &loss)
    except IndexError as error:
        raise checks.bad_label(y, error.args[0]) from None
    except (TypeError, ValueError, BufferError):
        fits = False
    if not fits:
        checks.logistic(z, y, weights, out)
        raise TypeError("logistic_residual: wants numpy arrays")
    return loss


def softmax_residual(z, y, weights, out):
    """Write ``weights * (softmax(z) - onehot(y))`` into ``out``, return loss; see the package."""
    cdef double loss = 0.0
    cdef bint fits
    try:
        fits = residual(2, z, y, weights, out, &loss)
    except IndexError as error:
        raise checks.bad_label(y, error.args[0], z.shape[1]) from None
    except (TypeError, ValueError, BufferError):
        fits = False
    if not fits:
        checks.softmax(z, y, weights, out)
        raise TypeError("softmax_residual: wants numpy arrays")
    return loss
