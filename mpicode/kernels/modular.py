"""Arithmetic modulo a prime: what the kernels accept, and their plain twins.

As in checks.py, the compiled kernels test the same conditions in C and come here where one fails.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import checks

Array = NDArray[Any]

MERSENNE_61 = 2**61 - 1


def _prime(value: object) -> int:
    if isinstance(value, (int, np.integer)) and (2 <= value < 2**31 or value == MERSENNE_61):
        return int(value)
    raise ValueError(f"prime: wants one below 2**31, or 2**61 - 1, got {value!r}")


def _residues(name: str, values: Array, prime: int) -> None:
    """Raise where a number is not in [0, prime)."""
    wrong = values[(values < 0) | (values >= prime)]
    if wrong.size:
        raise ValueError(f"{name}: holds {wrong.flat[0]}, wants 0 to {prime - 1}")


def _combine(
    coefficients: object, vectors: Sequence[object] | Array, prime: object, out: object
) -> tuple[Array, Array, int]:
    """Check the arguments of `modular_combine`; return coefficients and out by rows."""
    modulus = _prime(prime)
    factors = checks.array("coefficients", coefficients, ("int64",), (1, 2))
    target = checks.output("out", out, ("int64",), (factors.ndim,))
    _residues("coefficients", factors, modulus)
    if not hasattr(vectors, "__len__"):
        raise TypeError(f"vectors: wants a sequence, got {type(vectors).__name__}")
    if len(vectors) != factors.shape[-1]:
        raise ValueError(f"coefficients: {factors.shape[-1]} of them for {len(vectors)} vectors")
    if factors.ndim == 2 and len(target) != len(factors):
        raise ValueError(f"out: has {len(target)} rows, but coefficients has {len(factors)}")
    checks.apart("coefficients", factors, target)
    rows = np.atleast_2d(factors)
    for i in np.flatnonzero(rows.any(axis=0)).tolist():
        given = checks.array(f"vectors[{i}]", vectors[i], ("int64",))
        checks.same_shape(f"vectors[{i}]", given, target.shape[-1:], "out")
        checks.apart(f"vectors[{i}]", given, target)
        _residues(f"vectors[{i}]", given, modulus)
    return rows, np.atleast_2d(target), modulus


def _check_product(
    X: object, name: str, given: object, prime: object, out: object, transposed: bool
) -> int:
    """Check the arguments of either product with a matrix; return the prime."""
    modulus = _prime(prime)
    matrix = checks.array("X", X, ("int64",), (2,))
    vector = checks.array(name, given, ("int64",), (1, 2))
    target = checks.output("out", out, ("int64",), (vector.ndim,))
    n_given, n_out = matrix.shape if transposed else matrix.shape[::-1]
    checks.same_shape(name, vector, (n_given, *vector.shape[1:]), "X")
    checks.same_shape("out", target, (n_out, *vector.shape[1:]), f"X and {name}")
    checks.apart("X", matrix, target)
    checks.apart(name, vector, target)
    _residues(name, vector, modulus)
    _residues("X", matrix, modulus)
    return modulus


def _product(a: Array, b: Array, prime: int) -> Array:
    """Return ``a @ b`` modulo the prime: as many products at a time as int64 can hold."""
    if prime == MERSENNE_61:
        return np.array(a.astype(object) @ b.astype(object) % prime, dtype=np.int64)
    exact = (2**63 - 1) // (prime - 1) ** 2
    total = np.zeros((*a.shape[:-1], *b.shape[1:]), dtype=np.int64)
    for start in range(0, len(b), exact):
        part = slice(start, start + exact)
        total = (total + a[..., part] @ b[part] % prime) % prime
    return total


def modular_combine(
    coefficients: Array, vectors: Sequence[Array | None] | Array, prime: int, out: Array
) -> Array:
    """Write the sums of ``coefficients[u, i] * vectors[i]`` into ``out[u]``; see the package."""
    rows, targets, modulus = _combine(coefficients, vectors, prime, out)
    used = np.flatnonzero(rows.any(axis=0)).tolist()
    given = [vector for i in used if (vector := vectors[i]) is not None]
    if given:
        targets[...] = _product(rows[:, used], np.stack(given), modulus)
    else:
        targets.fill(0)
    return out


def modular_dot(X: Array, x: Array, prime: int, out: Array) -> Array:
    """Write ``X @ x`` into ``out``; see the package."""
    modulus = _check_product(X, "x", x, prime, out, transposed=False)
    out[...] = _product(X, x, modulus)
    return out


def modular_transpose_dot(X: Array, residual: Array, prime: int, out: Array) -> Array:
    """Write ``X.T @ residual`` into ``out``; see the package."""
    modulus = _check_product(X, "residual", residual, prime, out, transposed=True)
    out[...] = _product(X.T, residual, modulus)
    return out
