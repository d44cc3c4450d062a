"""Numbers over a prime field that a polynomial can be written down for.

A function of rows that uses ``+ - * / ** @``, indices, sums, `numpy.stack` and `numpy.concatenate`
takes these in place of an array. Each number knows how many bits of fraction it has: products add
them up, and sums bring both sides to the larger count. So whatever the function is made of, its
values have one scale, the same on all workers, which bounds (`mpicode.codes.data.field_bounds`)
tell beforehand.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from ...kernels import modular_dot, modular_transpose_dot
from . import field

Array = npt.NDArray[Any]
Arrays = tuple[Array, ...]


class Form(NamedTuple):
    """How numbers are written: so many bits of fraction for rows, and for constants.

    Constants that are whole numbers have none.
    """

    prime: int
    data_bits: int
    parameter_bits: int


class Written:
    """What is computed of numbers that are written in a ``form``."""

    form: Form

    @property
    def prime(self) -> int:
        """Of the field."""
        return self.form.prime

    @property
    def data_bits(self) -> int:
        """Of fraction, for the rows."""
        return self.form.data_bits


class Numbers(ABC):
    """An array of numbers with ``bits`` bits of fraction; ``arrays`` are what they are kept in."""

    # numpy then leaves operators with its arrays on the left to this class
    __array_ufunc__ = None

    def __init__(self, form: Form, arrays: Arrays, bits: int) -> None:
        self.form, self.arrays, self.bits = form, arrays, bits

    @abstractmethod
    def constant(self, values: npt.ArrayLike) -> Self:
        """Return numbers that are no data."""

    @abstractmethod
    def _shifted(self, bits: int) -> Arrays:
        """Return the arrays of the same numbers with so many more bits of fraction."""

    @abstractmethod
    def _plus(self, other: Arrays) -> Arrays: ...

    @abstractmethod
    def _negative(self) -> Arrays: ...

    @abstractmethod
    def _times(self, other: Arrays) -> Arrays: ...

    @abstractmethod
    def _dot(self, other: Arrays) -> Arrays: ...

    @abstractmethod
    def _summed(self, axis: int) -> Arrays: ...

    def _like(self, arrays: Arrays, bits: int | None = None) -> Self:
        """Return numbers of the same kind; each of ``arrays`` has their shape."""
        made = object.__new__(type(self))
        Numbers.__init__(made, self.form, arrays, self.bits if bits is None else bits)
        return made

    def _each(self, change: Callable[[Array], Any]) -> Self:
        return self._like(tuple(np.asarray(change(array)) for array in self.arrays))

    def _other(self, other: Any) -> Self:
        return other if isinstance(other, type(self)) else self.constant(other)

    @property
    def shape(self) -> tuple[int, ...]:
        """As of an array."""
        return self.arrays[0].shape

    @property
    def ndim(self) -> int:
        """As of an array."""
        return self.arrays[0].ndim

    @property
    def T(self) -> Self:
        """As of an array."""
        return self._each(np.transpose)

    def __len__(self) -> int:
        return len(self.arrays[0])

    def __getitem__(self, key: Any) -> Self:
        return self._each(lambda array: array[key])

    def reshape(self, *shape: Any) -> Self:
        """As of an array."""
        return self._each(lambda array: array.reshape(*shape))

    def __add__(self, other: Any) -> Self:
        given = self._other(other)
        bits = max(self.bits, given.bits)
        mine = self._like(self._shifted(bits - self.bits), bits)
        return self._like(mine._plus(given._shifted(bits - given.bits)), bits)

    __radd__ = __add__

    def __neg__(self) -> Self:
        return self._like(self._negative())

    def __sub__(self, other: Any) -> Self:
        negative: Self = -self._other(other)
        return self + negative

    def __rsub__(self, other: Any) -> Self:
        found: Self = -self + other
        return found

    def __mul__(self, other: Any) -> Self:
        other = self._other(other)
        return self._like(self._times(other.arrays), self.bits + other.bits)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Self:
        if isinstance(other, Numbers):
            raise TypeError("a quotient of data is no polynomial")
        return self * (1 / np.asarray(other, dtype=np.float64))

    def __pow__(self, power: Any) -> Self:
        if not isinstance(power, int | np.integer) or power < 1:
            raise TypeError(f"a power of data wants a whole number from 1 on, got {power!r}")
        found = self
        for _ in range(int(power) - 1):
            found = found * self
        return found

    def __matmul__(self, other: Any) -> Self:
        other = self._other(other)
        if not (1 <= self.ndim <= 2 and 1 <= other.ndim <= 2):
            raise TypeError(f"products want vectors and matrices, got {self.shape}, {other.shape}")
        if self.shape[-1] != other.shape[0]:
            raise ValueError(f"shapes {self.shape} and {other.shape} do not fit together")
        return self._like(self._dot(other.arrays), self.bits + other.bits)

    def __rmatmul__(self, other: Any) -> Self:
        return self._other(other) @ self

    def sum(self, axis: int | None = None) -> Self:
        """As of an array."""
        if axis is None:
            return self.reshape(-1).sum(0)
        return self._like(self._summed(axis))

    def __array_function__(
        self, function: Any, types: Any, arguments: Sequence[Any], options: dict[str, Any]
    ) -> Any:
        if function in (np.stack, np.concatenate):
            return _joined(function, *arguments, **options)
        if function is np.sum:
            return arguments[0].sum(*arguments[1:], **options)
        return NotImplemented


def _joined(function: Any, parts: Sequence[Any], axis: int = 0) -> Numbers:
    first = next(part for part in parts if isinstance(part, Numbers))
    own = [first._other(part) for part in parts]
    bits = max(part.bits for part in own)
    shifted = [part._shifted(bits - part.bits) for part in own]
    arrays = tuple(function(same, axis=axis) for same in zip(*shifted, strict=True))
    return first._like(arrays, bits)


class FieldNumbers(Numbers):
    """Residues modulo the prime of ``form``, int64: sums, products and constants are exact."""

    def __init__(self, form: Form, residues: Array, bits: int) -> None:
        super().__init__(form, (residues,), bits)

    @property
    def residues(self) -> Array:
        """The numbers, times 2 ** bits, modulo the prime."""
        return self.arrays[0]

    def constant(self, values: npt.ArrayLike) -> Self:
        """Return numbers that are no data, rounded to the form's bits."""
        given, bits = rounded_constant(self.form, values)
        return self._like((field.quantise(given, bits, self.form.prime),), bits)

    def _shifted(self, bits: int) -> Arrays:
        if not bits:
            return self.arrays
        prime = self.form.prime
        return (field.product(self.residues, np.int64(pow(2, bits, prime)), prime),)

    def _plus(self, other: Arrays) -> Arrays:
        return (field.add(self.residues, other[0], self.form.prime),)

    def _negative(self) -> Arrays:
        return (np.where(self.residues == 0, 0, self.form.prime - self.residues),)

    def _times(self, other: Arrays) -> Arrays:
        return (field.product(self.residues, other[0], self.form.prime),)

    def _dot(self, other: Arrays) -> Arrays:
        prime, given = self.form.prime, self.residues
        b = np.ascontiguousarray(other[0])
        out = np.empty((*np.atleast_2d(given).shape[:1], *b.shape[1:]), dtype=np.int64)
        if given.ndim == 2 and given.flags.f_contiguous:
            return (modular_transpose_dot(given.T, b, prime, out),)
        modular_dot(np.ascontiguousarray(np.atleast_2d(given)), b, prime, out)
        return (out if given.ndim == 2 else out[0],)

    def _summed(self, axis: int) -> Arrays:
        return (field.total(self.residues, axis, self.form.prime),)


def rounded_constant(form: Form, values: npt.ArrayLike) -> tuple[npt.NDArray[np.float64], int]:
    """Return constants and their bits of fraction."""
    given = np.asarray(values)
    if given.dtype.kind not in "biuf":
        raise TypeError(f"constants beside data want to be real numbers, got {given.dtype}")
    numbers = given.astype(np.float64)
    whole = bool((numbers == np.rint(numbers)).all())
    return numbers, 0 if whole else form.parameter_bits
