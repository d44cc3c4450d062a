"""The one door to the compiled loops; where they are absent their plain twins serve.

``COMPILED`` says which ones were found; the environment variable ``MPICODE_PLAIN_KERNELS=1`` asks
for the twins. Arrays are C-contiguous numpy arrays; a wrong one raises `TypeError` (no array, wrong
dtype) or `ValueError` (shape, order, overlap with ``out``, an index or label out of range) with one
sentence that names the argument. ``out`` is written in place and returned. All let go of the
interpreter lock while they work. NaN and infinity in the numbers pass through, without a warning.

combine(coefficients, vectors, out, threads=1) -> out
    ``out = sum_i coefficients[i] * vectors[i]``, one pass over memory. coefficients: (n,) numbers;
    vectors: sequence of n arrays (size,); out: (size,). float32, float64 or complex128, all alike,
    or float32 vectors into float64. A vector whose coefficient is exactly 0 is not looked at: it
    may be None, or hold NaN. The sum is taken in the order of the vectors, so the bits depend
    neither on ``threads`` nor on the CPU, and for real vectors not on whether the twin ran.
accumulate(coefficient, vector, out) -> out
    ``out += coefficient * vector``, under the same rules.
combine_segments(coefficients, vectors, out, threads=1) -> out
    ``out[u] = sum_i coefficients[u, i] * vectors[i]`` for every row u, each vector read from memory
    once: the bits of one `combine` per row. coefficients: (m, n) numbers; out: (m, size). A vector
    whose coefficients are all 0 is not looked at, another one not for the rows where it is 0.
    complex128 vectors may also go into a float64 out, which becomes the real part of the sums.
innovate(row, codeword, gain, state) -> float
    ``state[u] += gain[u] * rest`` with ``rest = codeword - sum_u row[u] * state[u]``; returns
    ``rest @ rest``. codeword: (size,) float32 or float64; state: (k, size) float64; row and gain:
    (k,) float64. Rows of the state are neither read where row and gain are 0, nor written where
    gain is, so the cost is that of the others. The sums are taken in the order of the rows.
innovate_step(row, codeword, gain, state, move, step, x) -> float
    As innovate, and ``x[u] -= step * (state[u] + move[u] * rest)`` with the state before, for the
    first columns of it, in the same pass. x: (k, n) float64, n at most size; move: (k,) float64.
finite_square(vector) -> float
    ``vector @ vector`` in double precision, or infinity where that is too large; NaN where a number
    is not finite, and only there. vector: (size,) float32 or float64.
LightSteps(x, moves, state=None, rows=None, gains=None)
    Steps along messages of which all but the codeword stays the same, prepared for that:
    ``take(message, codeword, step) -> float`` returns `finite_square` of the codeword and, unless
    that is NaN, does as ``innovate_step(rows[message], codeword, gains[message], state,
    moves[message], step, x)``; without a state, ``x[u] -= step * moves[message, u] * codeword``, of
    the rows u alone whose factor is not 0. moves, rows and gains: (n_messages, k) float64. Nothing
    is copied: what changes in the arrays counts from then on.
mix_slots(vectors, direction, out) -> out
    ``out[i] = sum_u direction[u] * vectors[i, u * width:(u + 1) * width]``, width being that of
    out. vectors: (n, at least k * width), out: (n, width), float32 or float64 alike; direction:
    (k,) float64. Slots whose factor is 0 are not looked at; the others are summed in order.
csr_dot(data, indices, indptr, x, out) -> out
    ``out = X @ x`` for a CSR matrix X (n_rows, n_features); x: (n_features,) or (n_features, c),
    out: (n_rows,) or (n_rows, c); data, x and out float32 or float64 alike, indices and indptr
    int32 or int64. Every index is checked; after an error ``out`` is partly written. indptr need
    not begin at 0: rows i to j of a matrix are ``indptr[i:j + 1]`` beside all its data and indices.
csr_transpose_accumulate(data, indices, indptr, residual, out) -> out
    ``out += X.T @ residual``, with no temporary, under the same rules; residual: (n_rows,) or
    (n_rows, c), out: (n_features,) or (n_features, c).
csr_transpose_segments(data, indices, indptr, residual, weights, length, out) -> out
    As csr_transpose_accumulate, of residual (n_rows, c) and out (n_features, c), except that the
    numbers ``u * length`` to ``(u + 1) * length`` of out, in C order, get those of
    ``X.T @ (weights[u] * residual)``. weights: (m, n_rows), m * length at least the size of out.
logistic_residual(z, y, weights, out) -> float
    ``out[i] = weights[i] * (sigmoid(z[i]) - y[i])``; returns ``sum_i weights[i] * loss_i`` with
    ``loss_i = log(1 + exp(z_i)) - y_i z_i`` in the form that does not overflow. z, out: (n,)
    float32 or float64 alike; y: (n,) int64 or floating, within [0, 1]; weights: (n,) floating.
    out may be z.
softmax_residual(z, y, weights, out) -> float
    ``out[i] = weights[i] * (softmax(z[i]) - onehot(y[i]))``; returns ``sum_i weights[i] * loss_i``
    with ``loss_i = log(sum_k exp(z_ik)) - z_i,y_i``. z, out: (n, c); y: (n,) int64 labels; weights:
    (n,) floating. out may be z.
modular_combine(coefficients, vectors, prime, out) -> out
    ``out = sum_i coefficients[i] * vectors[i]`` modulo a prime below 2**31, or ``MERSENNE_61``,
    which is 2**61 - 1. All are int64 in [0, prime), or `ValueError` names the number that is not
    (``out`` is then partly written). coefficients: (n,) and out: (size,); or coefficients: (m, n)
    and out: (m, size), one sum per row. A vector whose coefficients are all 0 is not looked at and
    may be None. No sum overflows: there is a reduction before one could.
modular_dot(X, x, prime, out) -> out
    ``out = X @ x``, under the same rules. X: (n_rows, n_features); x: (n_features,) or
    (n_features, c); out: (n_rows,) or (n_rows, c).
modular_transpose_dot(X, residual, prime, out) -> out
    ``out = X.T @ residual``, under the same rules. residual: (n_rows,) or (n_rows, c); out:
    (n_features,) or (n_features, c).
frame_energy(values, starts, left, right, power, gradient) -> float
    ``E = (sum_q rho_q^power)^(1/power)`` over the pairs of rows of a packing, and dE / dvalues into
    ``gradient``. values, gradient: (n_values,) float64, finite, the numbers of all rows; pair q has
    ``rho_q = sum_t values[left[t]] * values[right[t]]`` over the terms t from starts[q] to
    starts[q + 1]. starts: (n_pairs + 1,) int64, from 0 to n_terms; left, right: (n_terms,) int32;
    power: 2, 4, 8 ... Nothing overflows; cosines that are all 0 have energy and gradient 0.
sphere_step(values, row_starts, gradient, length, floor, out) -> float
    A step down the gradient on the product of the rows' unit spheres: the part T of the gradient
    along the spheres, ``values - length * sqrt(n_rows) / |T| * T``, and of every row what `floor`
    asks: numbers smaller than floor / sqrt(row length) are set to it, with their sign, and the
    rest is scaled so that the row is a unit vector, until nothing changes. Returns |T|; where it is
    0 only the floor is seen to. values, gradient, out: (n_values,) float64, no row of them 0;
    row_starts: (n_rows + 1,) int64, from 0 to n_values; floor within [0, 1].
exchange_signs(signs, penalties, scales, temperatures, moves, seed) -> signs
    Simulated annealing of rows of equal magnitudes, in place, towards a small
    ``sum_{i<j} scales[i] scales[j] penalties[|g_ij|]`` with g the inner products of the rows. A
    move turns a sign, or lets two rows exchange a column each for one of the other's, so that all
    rows and columns keep their numbers of signs. A move that costs more than the temperature times
    a random number, nearly exponential, is not made. signs: (n_rows, n_columns) int8 of -1, 0, 1;
    penalties: (n_columns + 1,) and scales: (n_rows,) float64; temperatures: (n_stages,) float64,
    ``moves`` of them tried at each; seed: 0 to 2^64 - 1.
    These three give the same bits on every machine, compiled or not.
fletcher32(data) -> int
    The checksum that HDF5 puts behind a chunk: Fletcher's sums, modulo 65535, of the pairs of bytes
    (the first is the high one, a last byte alone has 0 behind it). data: (n,) uint8.
"""

from __future__ import annotations

import os

from .modular import MERSENNE_61

COMPILED: bool

try:
    if os.environ.get("MPICODE_PLAIN_KERNELS") == "1":
        raise ImportError("the plain kernels were asked for")
    from ._checksums import fletcher32
    from ._exchange import exchange_signs
    from ._light import LightSteps, finite_square, innovate, innovate_step
    from ._mixing import mix_slots
    from ._modular import modular_combine, modular_dot, modular_transpose_dot
    from ._packing import frame_energy, sphere_step
    from ._residuals import logistic_residual, softmax_residual
    from ._segments import combine_segments
    from ._sparse import csr_dot, csr_transpose_accumulate
    from ._sparse_segments import csr_transpose_segments
    from ._sums import accumulate, combine

    COMPILED = True
except ImportError:
    from .plain import (  # type: ignore[assignment]  # a class and its twin
        LightSteps,
        accumulate,
        combine,
        combine_segments,
        csr_dot,
        csr_transpose_accumulate,
        csr_transpose_segments,
        exchange_signs,
        finite_square,
        fletcher32,
        frame_energy,
        innovate,
        innovate_step,
        logistic_residual,
        mix_slots,
        modular_combine,
        modular_dot,
        modular_transpose_dot,
        softmax_residual,
        sphere_step,
    )

    COMPILED = False

__all__ = [
    "COMPILED",
    "MERSENNE_61",
    "LightSteps",
    "accumulate",
    "combine",
    "combine_segments",
    "csr_dot",
    "csr_transpose_accumulate",
    "csr_transpose_segments",
    "exchange_signs",
    "finite_square",
    "fletcher32",
    "frame_energy",
    "innovate",
    "innovate_step",
    "logistic_residual",
    "mix_slots",
    "modular_combine",
    "modular_dot",
    "modular_transpose_dot",
    "softmax_residual",
    "sphere_step",
]
