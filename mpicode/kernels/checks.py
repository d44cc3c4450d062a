"""The one place that says what is wrong with a kernel's arguments.

The plain kernels call these checks always; the compiled ones test the same conditions in C and call
them only when something failed, for the sentence.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_FLOATS = ("float32", "float64")
_INTEGERS = ("int32", "int64")


def array(name: str, value: object, dtypes: Sequence[str], ndims: Sequence[int] = (1,)) -> Array:
    """Return ``value`` if it is a plain C-contiguous array of one of these dtypes."""
    if not isinstance(value, np.ndarray):
        raise TypeError(f"{name}: wants a numpy array, got {type(value).__name__}")
    if not any(value.dtype == np.dtype(d) for d in dtypes):
        raise TypeError(f"{name}: wants {' or '.join(dtypes)}, got {value.dtype.str}")
    if value.ndim not in ndims:
        wanted = " or ".join(map(str, ndims))
        raise ValueError(f"{name}: wants {wanted} dimension(s), got shape {value.shape}")
    if not value.flags.c_contiguous:
        raise ValueError(
            f"{name}: must be C-contiguous, got shape {value.shape} with strides {value.strides}"
        )
    if not value.flags.aligned:
        raise ValueError(f"{name}: its elements are not aligned in memory")
    return value


def output(name: str, value: object, dtypes: Sequence[str], ndims: Sequence[int] = (1,)) -> Array:
    """`array`, and it may be written."""
    checked = array(name, value, dtypes, ndims)
    if not checked.flags.writeable:
        raise ValueError(f"{name}: is read-only")
    return checked


def apart(name: str, value: Array, out: Array) -> None:
    """Raise where an input shares memory with the output."""
    # Contiguous arrays overlap exactly if their bounds do, which is what this looks at.
    if np.may_share_memory(value, out):
        raise ValueError(f"{name}: overlaps out in memory")


def same_shape(name: str, value: Array, shape: tuple[int, ...], of: str) -> None:
    """Raise unless ``value`` has the shape that ``of`` asks for."""
    if value.shape != shape:
        raise ValueError(f"{name}: has shape {value.shape}, but {of} wants {shape}")


def factor(name: str, value: object, dtype: np.dtype[Any]) -> complex:
    """Return one coefficient as a number that ``dtype`` can hold."""
    wanted = (int, float, np.number, complex) if dtype.kind == "c" else (int, float, np.number)
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    if not isinstance(value, wanted) or (dtype.kind != "c" and np.iscomplexobj(value)):
        kind = "a number" if dtype.kind == "c" else "a real number"
        raise TypeError(f"{name}: wants {kind} for {dtype} out, got {value!r}")
    return complex(value)


def coefficients(values: object, is_complex: bool) -> Array:
    """Return the coefficients as contiguous float64, or complex128 for complex vectors."""
    given = np.asarray(values)
    if given.ndim != 1:
        raise ValueError(f"coefficients: wants 1 dimension, got shape {given.shape}")
    if given.size and given.dtype.kind not in ("iufc" if is_complex else "iuf"):
        kind = "numbers" if is_complex else "real numbers"
        raise TypeError(f"coefficients: wants {kind} for this out, got {given.dtype}")
    return np.ascontiguousarray(given, dtype=np.complex128 if is_complex else np.float64)


def coefficient_rows(values: object) -> Array:
    """Return coefficients (n_rows, n) as contiguous float64, or complex128 where they are so."""
    given = np.asarray(values)
    if given.ndim != 2:
        raise ValueError(f"coefficients: wants 2 dimensions, got shape {given.shape}")
    if given.size and given.dtype.kind not in "iufc":
        raise TypeError(f"coefficients: wants numbers, got {given.dtype}")
    kind = np.complex128 if given.dtype.kind == "c" else np.float64
    return np.ascontiguousarray(given, dtype=kind)


def source_dtypes(out: Array) -> tuple[str, ...]:
    """Return the dtypes a vector may have when it is added to ``out``."""
    return _FLOATS if out.dtype == np.float64 else (out.dtype.name,)


def combine(
    values: object, vectors: Sequence[object] | Array, out: object, threads: object
) -> Array:
    """Check the arguments of `combine`; return the coefficients as an array."""
    if not hasattr(vectors, "__len__"):
        raise TypeError(f"vectors: wants a sequence, got {type(vectors).__name__}")
    target = output("out", out, (*_FLOATS, "complex128"))
    checked = coefficients(values, target.dtype.kind == "c")
    if len(vectors) != checked.size:
        raise ValueError(f"coefficients: {checked.size} of them for {len(vectors)} vectors")
    dtypes = source_dtypes(target)
    first: int | None = None
    for i, vector in enumerate(vectors):
        # What has coefficient 0 never arrived: it may be None or full of NaN.
        if checked[i] == 0:
            continue
        name = f"vectors[{i}]"
        given = array(name, vector, dtypes)
        same_shape(name, given, target.shape, "out")
        apart(name, given, target)
        if first is None:
            first, dtypes = i, (given.dtype.name,)
    if not isinstance(threads, (int, np.integer)) or threads < 1:
        raise ValueError(f"threads: wants an integer of at least 1, got {threads!r}")
    return checked


def combine_segments(
    values: object, vectors: Sequence[object] | Array, out: object, threads: object
) -> Array:
    """Check the arguments of `combine_segments`; return the coefficients as an array."""
    if not hasattr(vectors, "__len__"):
        raise TypeError(f"vectors: wants a sequence, got {type(vectors).__name__}")
    target = output("out", out, (*_FLOATS, "complex128"), (2,))
    checked = coefficient_rows(values)
    if len(vectors) != checked.shape[1]:
        raise ValueError(f"coefficients: {checked.shape[1]} of them for {len(vectors)} vectors")
    if len(target) != len(checked):
        raise ValueError(f"out: has {len(target)} rows, but there are {len(checked)} segments")
    dtypes: tuple[str, ...] = ("complex128",)
    if checked.dtype.kind != "c":
        dtypes = source_dtypes(target)
    if target.dtype == np.float64 and "complex128" not in dtypes:
        dtypes = (*dtypes, "complex128")
    first = True
    for i in np.flatnonzero(checked.any(axis=0)).tolist():
        name = f"vectors[{i}]"
        given = array(name, vectors[i], dtypes)
        same_shape(name, given, target.shape[1:], "out")
        apart(name, given, target)
        if first:
            first, dtypes = False, (given.dtype.name,)
            if checked.dtype.kind == "c" and target.dtype == np.float32:
                raise TypeError(f"out: wants float64 or complex128 here, got {target.dtype}")
    if not isinstance(threads, (int, np.integer)) or threads < 1:
        raise ValueError(f"threads: wants an integer of at least 1, got {threads!r}")
    return checked


def accumulate(coefficient: object, vector: object, out: object) -> complex:
    """Check the arguments of `accumulate`; return the coefficient."""
    target = output("out", out, (*_FLOATS, "complex128"))
    number = factor("coefficient", coefficient, target.dtype)
    if number != 0:
        given = array("vector", vector, source_dtypes(target))
        same_shape("vector", given, target.shape, "out")
        apart("vector", given, target)
    return number


def innovate(row: object, codeword: object, gain: object, state: object) -> Array:
    """Check the arguments of `innovate`; return the state."""
    target = output("state", state, ("float64",), (2,))
    given = array("codeword", codeword, _FLOATS)
    same_shape("codeword", given, target.shape[1:], "state")
    apart("codeword", given, target)
    for name, value in (("row", row), ("gain", gain)):
        factors = array(name, value, ("float64",))
        same_shape(name, factors, target.shape[:1], "state")
        apart(name, factors, target)
    return target


def innovate_step(
    row: object,
    codeword: object,
    gain: object,
    state: object,
    move: object,
    step: object,
    x: object,
) -> None:
    """Check the arguments of `innovate_step`."""
    estimate = innovate(row, codeword, gain, state)
    moved = output("x", x, ("float64",), (2,))
    if len(moved) != len(estimate) or moved.shape[1] > estimate.shape[1]:
        raise ValueError(f"x: has shape {moved.shape}, but the state has {estimate.shape}")
    inputs = (("row", row), ("codeword", codeword), ("gain", gain), ("move", move))
    for name, value in (*inputs, ("state", estimate)):
        assert name == "move" or isinstance(value, np.ndarray)
        apart(name, array(name, value, _FLOATS, (1, 2)), moved)
    same_shape("move", array("move", move, ("float64",)), estimate.shape[:1], "state")
    apart("move", array("move", move, ("float64",)), estimate)
    factor("step", step, moved.dtype)


def finite_square(vector: object) -> Array:
    """Check the argument of `finite_square`; return it."""
    return array("vector", vector, _FLOATS)


def light_steps(x: object, moves: object, state: object, rows: object, gains: object) -> None:
    """Check the arguments of `LightSteps`."""
    moved = output("x", x, ("float64",), (2,))
    tables = {"moves": array("moves", moves, ("float64",), (2,))}
    changed = [moved]
    if state is None:
        for name, value in (("rows", rows), ("gains", gains)):
            if value is not None:
                raise TypeError(f"{name}: wants a state beside them, got None")
    else:
        estimate = output("state", state, ("float64",), (2,))
        if len(moved) != len(estimate) or moved.shape[1] > estimate.shape[1]:
            raise ValueError(f"x: has shape {moved.shape}, but the state has {estimate.shape}")
        apart("state", estimate, moved)
        tables["rows"] = array("rows", rows, ("float64",), (2,))
        tables["gains"] = array("gains", gains, ("float64",), (2,))
        changed.append(estimate)
    for name, table in tables.items():
        same_shape(name, table, (len(tables["moves"]), len(moved)), "x")
        for out in changed:
            apart(name, table, out)


def light_step(n_messages: int, size: int, message: int, codeword: object) -> None:
    """Check the arguments of `LightSteps.take`, save that nothing overlaps."""
    same_shape("codeword", array("codeword", codeword, _FLOATS), (size,), "state")
    if not 0 <= message < n_messages:
        raise IndexError(f"message: {message} is not one of {n_messages}")


def mix_slots(vectors: object, direction: object, out: object) -> None:
    """Check the arguments of `mix_slots`."""
    target = output("out", out, _FLOATS, (2,))
    given = array("vectors", vectors, (target.dtype.name,), (2,))
    factors = array("direction", direction, ("float64",))
    n_rows, width = target.shape
    if len(given) != n_rows or given.shape[1] < factors.size * width:
        raise ValueError(
            f"vectors: has shape {given.shape}, but {factors.size} slots of {width} in {n_rows} "
            f"rows are ({n_rows}, {factors.size * width})"
        )
    apart("vectors", given, target)
    apart("direction", factors, target)


def _csr(data: object, indices: object, indptr: object) -> Array:
    values = array("data", data, _FLOATS)
    columns = array("indices", indices, _INTEGERS)
    pointers = array("indptr", indptr, _INTEGERS)
    same_shape("indices", columns, values.shape, "data")
    if pointers.size == 0:
        raise ValueError("indptr: is empty, wants n_rows + 1 numbers")
    return values


def _by_rows(name: str, value: Array, n_rows: int, like: Array, of: str) -> None:
    same_shape(name, value, (n_rows, *like.shape[1:]), of)


def csr_dot(data: object, indices: object, indptr: Array, x: object, out: object) -> None:
    """Check the arguments of `csr_dot`, save the numbers inside indices and indptr."""
    values = _csr(data, indices, indptr)
    given = array("x", x, (values.dtype.name,), (1, 2))
    target = output("out", out, (values.dtype.name,), (1, 2))
    _by_rows("out", target, indptr.size - 1, given, "indptr and x")
    for name, other in (("data", data), ("indices", indices), ("indptr", indptr), ("x", x)):
        assert isinstance(other, np.ndarray)
        apart(name, other, target)


def csr_transpose_accumulate(
    data: object, indices: object, indptr: Array, residual: object, out: object
) -> None:
    """Check the arguments of `csr_transpose_accumulate`, save the numbers inside the matrix."""
    values = _csr(data, indices, indptr)
    target = output("out", out, (values.dtype.name,), (1, 2))
    given = array("residual", residual, (values.dtype.name,), (1, 2))
    _by_rows("residual", given, indptr.size - 1, target, "indptr and out")
    inputs = (("data", data), ("indices", indices), ("indptr", indptr), ("residual", residual))
    for name, other in inputs:
        assert isinstance(other, np.ndarray)
        apart(name, other, target)


def csr_transpose_segments(
    data: object,
    indices: object,
    indptr: Array,
    residual: object,
    weights: object,
    length: object,
    out: object,
) -> None:
    """Check the arguments of `csr_transpose_segments`, save the numbers inside the matrix."""
    target = output("out", out, _FLOATS, (2,))
    array("residual", residual, _FLOATS, (2,))
    csr_transpose_accumulate(data, indices, indptr, residual, target)
    given = array("weights", weights, (target.dtype.name,), (2,))
    same_shape("weights", given, (len(given), indptr.size - 1), "indptr")
    if not isinstance(length, (int, np.integer)) or length < 1:
        raise ValueError(f"length: wants an integer of at least 1, got {length!r}")
    if len(given) * length < target.size:
        raise ValueError(
            f"weights: {len(given)} segments of {length} do not cover the {target.size} "
            "numbers of out"
        )
    apart("weights", given, target)


def bad_entry(indices: Array, indptr: Array, n_features: int, row: int) -> ValueError:
    """Return the error for the first thing wrong with row ``row`` of a CSR matrix."""
    start, stop = int(indptr[row]), int(indptr[row + 1])
    if not 0 <= start <= stop <= indices.size:
        return ValueError(
            f"indptr: row {row} goes from {start} to {stop}, but indices has {indices.size} entries"
        )
    columns = indices[start:stop]
    wrong = columns[(columns < 0) | (columns >= n_features)]
    return ValueError(f"indices: row {row} names column {int(wrong[0])} of {n_features}")


def logistic(z: object, y: object, weights: object, out: object) -> None:
    """Check the arguments of `logistic_residual`, save the labels themselves."""
    given = array("z", z, _FLOATS)
    _residual(given, y, (*_FLOATS, "int64"), weights, out)


def softmax(z: object, y: object, weights: object, out: object) -> None:
    """Check the arguments of `softmax_residual`, save the labels themselves."""
    given = array("z", z, _FLOATS, (2,))
    _residual(given, y, ("int64",), weights, out)
    if given.shape[0] and given.shape[1] == 0:
        raise ValueError(f"z: has shape {given.shape}, wants at least one class")


def _residual(z: Array, y: object, labels: Sequence[str], weights: object, out: object) -> None:
    label = array("y", y, labels)
    weight = array("weights", weights, _FLOATS)
    target = output("out", out, (z.dtype.name,), (z.ndim,))
    same_shape("y", label, z.shape[:1], "z")
    same_shape("weights", weight, z.shape[:1], "z")
    same_shape("out", target, z.shape, "z")
    apart("y", label, target)
    apart("weights", weight, target)
    if z.__array_interface__["data"] != target.__array_interface__["data"]:
        apart("z", z, target)


def bad_label(y: Array, row: int, n_classes: int | None = None) -> ValueError:
    """Return the error for the label of row ``row``."""
    wanted = "0 to 1" if n_classes is None else f"0 to {n_classes - 1}"
    return ValueError(f"y: row {row} has label {y[row]}, wants {wanted}")
