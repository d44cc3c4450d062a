"""The plain twins: the same functions in numpy (and scipy for sparse products).

They serve where nothing was compiled, and say in few lines what the compiled ones must compute.
`combine` and `accumulate` of real vectors give the same bits as the compiled ones; the others agree
to rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import checks
from .modular import modular_combine as modular_combine
from .modular import modular_dot as modular_dot
from .modular import modular_transpose_dot as modular_transpose_dot
from .plain_packing import exchange_signs as exchange_signs
from .plain_packing import frame_energy as frame_energy
from .plain_packing import sphere_step as sphere_step
from .slices import in_slices

Array = NDArray[Any]

_BLOCK = 8192  # elements per step, so that the scratch block stays in the L1/L2 cache


def combine(
    coefficients: Sequence[complex] | Array,
    vectors: Sequence[Array | None] | Array,
    out: Array,
    threads: int = 1,
) -> Array:
    """Write the sum of ``coefficients[i] * vectors[i]`` into ``out``; see the package."""
    factors = checks.combine(coefficients, vectors, out, threads)
    terms = [(out.dtype.type(c), vectors[i]) for i, c in enumerate(factors) if c != 0]

    def work(start: int, stop: int) -> None:
        scratch = np.empty(min(_BLOCK, stop - start), out.dtype)
        with np.errstate(all="ignore"):
            for begin in range(start, stop, _BLOCK):
                end = min(begin + _BLOCK, stop)
                target, product = out[begin:end], scratch[: end - begin]
                if not terms:
                    target.fill(0)
                for i, (c, vector) in enumerate(terms):
                    assert vector is not None
                    np.multiply(vector[begin:end], c, out=product if i else target, dtype=out.dtype)
                    if i:
                        np.add(target, product, out=target)

    in_slices(work, out.size, threads)
    return out


def combine_segments(
    coefficients: Array, vectors: Sequence[Array | None] | Array, out: Array, threads: int = 1
) -> Array:
    """Write the sums of ``coefficients[u, i] * vectors[i]`` into ``out[u]``; see the package."""
    rows = checks.combine_segments(coefficients, vectors, out, threads)
    used = np.flatnonzero(rows.any(axis=0)).tolist()
    first = vectors[used[0]] if used else None
    real_part = out.dtype.kind == "f" and first is not None and first.dtype.kind == "c"
    for factors, target in zip(rows, out, strict=True):
        whole = np.empty(target.shape, np.complex128) if real_part else target
        combine(factors, vectors, whole, threads)
        if real_part:
            target[...] = whole.real
    return out


def accumulate(coefficient: complex, vector: Array | None, out: Array) -> Array:
    """Add ``coefficient * vector`` to ``out``; see the package."""
    number = checks.accumulate(coefficient, vector, out)
    if number != 0:
        assert vector is not None
        factor = out.dtype.type(number if out.dtype.kind == "c" else number.real)
        with np.errstate(all="ignore"):
            out += np.multiply(vector, factor, dtype=out.dtype)
    return out


def innovate(row: Array, codeword: Array, gain: Array, state: Array) -> float:
    """Correct ``state`` by what of ``codeword`` it does not foretell; see the package."""
    checks.innovate(row, codeword, gain, state)
    with np.errstate(all="ignore"):
        rest = _unforeseen(row, codeword, state)
        for u in np.flatnonzero(gain):
            state[u] += gain[u] * rest
        return float(rest @ rest)


def innovate_step(
    row: Array, codeword: Array, gain: Array, state: Array, move: Array, step: float, x: Array
) -> float:
    """Step along the estimate that is corrected; see the package."""
    checks.innovate_step(row, codeword, gain, state, move, step, x)
    with np.errstate(all="ignore"):
        rest = _unforeseen(row, codeword, state)
        n_stepped = x.shape[1]
        for u in range(len(state)):
            x[u] += -step * state[u, :n_stepped]
            x[u] += (-step * move[u]) * rest[:n_stepped]
            if gain[u] != 0:
                state[u] += gain[u] * rest
        return float(rest @ rest)


def finite_square(vector: Array) -> float:
    """Return ``vector @ vector``, NaN where a number is not finite; see the package."""
    checks.finite_square(vector)
    if not np.isfinite(vector).all():
        return float("nan")
    with np.errstate(over="ignore"):
        return float(np.sum(np.square(vector, dtype=np.float64)))


class LightSteps:
    """What messages do to the same parameters, again and again; see the package."""

    def __init__(
        self,
        x: Array,
        moves: Array,
        state: Array | None = None,
        rows: Array | None = None,
        gains: Array | None = None,
    ) -> None:
        checks.light_steps(x, moves, state, rows, gains)
        self._x, self._moves = x, moves
        self._corrected = None
        if state is not None:
            assert rows is not None
            assert gains is not None
            self._corrected = state, rows, gains

    def take(self, message: int, codeword: Array, step: float) -> float:
        """Step along a message; return its square, NaN where it was left; see the package."""
        x = self._x
        changed = [x] if self._corrected is None else [x, self._corrected[0]]
        checks.light_step(len(self._moves), changed[-1].shape[1], message, codeword)
        for out in changed:
            checks.apart("codeword", codeword, out)
        square = finite_square(codeword)
        if np.isnan(square):
            return square
        move = self._moves[message]
        if self._corrected is not None:
            state, rows, gains = self._corrected
            innovate_step(rows[message], codeword, gains[message], state, move, step, x)
            return square
        for u in np.flatnonzero(move):
            accumulate(-step * move[u], codeword, x[u])
        return square


def _unforeseen(row: Array, codeword: Array, state: Array) -> Array:
    rest = codeword.astype(np.float64)
    for u in np.flatnonzero(row):
        rest -= row[u] * state[u]
    return rest


def mix_slots(vectors: Array, direction: Array, out: Array) -> Array:
    """Write ``sum_u direction[u] * (slot u of each row)`` into ``out``; see the package."""
    checks.mix_slots(vectors, direction, out)
    width = out.shape[1]
    out[...] = 0.0
    with np.errstate(all="ignore"):
        for place, u in enumerate(np.flatnonzero(direction).tolist()):
            slot = vectors[:, u * width : (u + 1) * width]
            factor = out.dtype.type(direction[u])
            if place:
                out += factor * slot
            else:
                np.multiply(slot, factor, out=out)
    return out


def _matrix(data: Array, indices: Array, indptr: Array, n_features: int) -> Any:
    from scipy.sparse import csr_array

    starts, stops = indptr[:-1], indptr[1:]
    wrong = (starts < 0) | (stops < starts) | (stops > indices.size)
    if wrong.any():
        raise checks.bad_entry(indices, indptr, n_features, int(np.argmax(wrong)))
    used = indices[indptr[0] : indptr[-1]]
    outside = (used < 0) | (used >= n_features)
    if outside.any():
        entry = int(indptr[0]) + int(np.argmax(outside))
        row = int(np.searchsorted(indptr, entry, side="right")) - 1
        raise checks.bad_entry(indices, indptr, n_features, row)
    # scipy wants the first row to begin at 0; a slice of a larger matrix need not.
    first = indptr[0]
    return csr_array(
        (data[first : indptr[-1]], used, indptr - first), shape=(indptr.size - 1, n_features)
    )


def csr_dot(data: Array, indices: Array, indptr: Array, x: Array, out: Array) -> Array:
    """Write the product of a CSR matrix with ``x`` into ``out``; see the package."""
    checks.csr_dot(data, indices, indptr, x, out)
    out[...] = _matrix(data, indices, indptr, x.shape[0]) @ x
    return out


def csr_transpose_accumulate(
    data: Array, indices: Array, indptr: Array, residual: Array, out: Array
) -> Array:
    """Add the product of the transposed matrix with ``residual`` to ``out``; see the package."""
    checks.csr_transpose_accumulate(data, indices, indptr, residual, out)
    out += _matrix(data, indices, indptr, out.shape[0]).T @ residual
    return out


def csr_transpose_segments(
    data: Array,
    indices: Array,
    indptr: Array,
    residual: Array,
    weights: Array,
    length: int,
    out: Array,
) -> Array:
    """Add ``X.T @ residual``, each segment under its own weights, to ``out``; see the package."""
    checks.csr_transpose_segments(data, indices, indptr, residual, weights, length, out)
    transposed = _matrix(data, indices, indptr, out.shape[0]).T
    flat = out.reshape(-1)
    for segment, low in enumerate(range(0, flat.size, length)):
        product = transposed @ (weights[segment][:, np.newaxis] * residual)
        flat[low : low + length] += product.reshape(-1)[low : low + length]
    return out


def logistic_residual(z: Array, y: Array, weights: Array, out: Array) -> float:
    """Write ``weights * (sigmoid(z) - y)`` into ``out``, return the loss; see the package."""
    checks.logistic(z, y, weights, out)
    wrong = ~((y >= 0) & (y <= 1))
    if wrong.any():
        raise checks.bad_label(y, int(np.argmax(wrong)))
    wide = z.astype(np.float64)
    with np.errstate(all="ignore"):
        small = np.exp(-np.abs(wide))
        losses = np.maximum(wide, 0.0) + np.log1p(small) - y * wide
        sigmoid = np.where(wide >= 0, 1.0, small) / (1.0 + small)
        out[...] = weights * (sigmoid - y)
        return float(np.dot(weights.astype(np.float64), losses))


def softmax_residual(z: Array, y: Array, weights: Array, out: Array) -> float:
    """Write ``weights * (softmax(z) - onehot(y))`` into ``out``, return loss; see the package."""
    checks.softmax(z, y, weights, out)
    n_rows, n_classes = z.shape
    if n_rows == 0:
        return 0.0
    wrong = (y < 0) | (y >= n_classes)
    if wrong.any():
        raise checks.bad_label(y, int(np.argmax(wrong)), n_classes)
    rows = np.arange(n_rows)
    with np.errstate(all="ignore"):
        wide = z.astype(np.float64)
        wide -= wide.max(axis=1, keepdims=True)
        chosen = wide[rows, y]
        np.exp(wide, out=wide)
        total = wide.sum(axis=1)
        losses = np.log(total) - chosen
        wide /= total[:, np.newaxis]
        wide[rows, y] -= 1.0
        out[...] = wide * weights[:, np.newaxis]
        return float(np.dot(weights.astype(np.float64), losses))


def fletcher32(data: Array) -> int:
    """Return the Fletcher-32 checksum of bytes; see the package."""
    checks.array("data", data, ("uint8",))
    pairs = np.frombuffer(data.tobytes() + bytes(data.size % 2), ">u2")
    total = of_totals = 0
    for start in range(0, len(pairs), _BLOCK):
        block = pairs[start : start + _BLOCK].astype(np.int64)
        of_totals += len(block) * total + int(np.arange(len(block), 0, -1) @ block)
        total += int(block.sum())
    # end-around carries: 0 for 0 alone
    carried = ((each - 1) % 65535 + 1 if each else 0 for each in (of_totals, total))
    high, low = carried
    return high << 16 | low
