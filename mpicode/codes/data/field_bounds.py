"""What a polynomial of rounded rows cannot exceed, and what rounding can do to it."""

from __future__ import annotations

import math
from typing import Self

import numpy as np
import numpy.typing as npt

from . import field
from .field_numbers import Array, Arrays, Form, Numbers, rounded_constant

# Bounds may leave the range of numbers; `Bounds.check` says so.
_quiet = np.errstate(over="ignore", invalid="ignore")


class Bounds(Numbers):
    """What `FieldNumbers` cannot exceed in magnitude: ``size``; and how far off rounding has them.

    ``error`` bounds the distance to what the same function gives without rounding of rows and
    constants.
    """

    def __init__(self, form: Form, size: Array, error: Array, bits: int) -> None:
        super().__init__(form, (size, error), bits)

    @classmethod
    def of_rows(cls, form: Form, size: Array, error: Array | None = None) -> Bounds:
        """Return the bounds of rows that are rounded to the form's bits, of magnitude ``size``.

        error : what rounding changes them by at most; by default what it can
        """
        found = cls.rounded(form, size, form.data_bits)
        return found if error is None else cls(form, found.size, error, found.bits)

    @classmethod
    def rounded(cls, form: Form, size: Array, bits: int) -> Bounds:
        """Return the bounds of numbers rounded to so many bits, of magnitude ``size``."""
        return cls(form, rounded(size, bits), np.full(size.shape, 0.5**bits / 2), bits)

    @property
    def size(self) -> npt.NDArray[np.float64]:
        """Magnitude at most."""
        return self.arrays[0]

    @property
    def error(self) -> npt.NDArray[np.float64]:
        """Distance at most."""
        return self.arrays[1]

    def constant(self, values: npt.ArrayLike) -> Self:
        """Return numbers that are no data, rounded to the form's bits."""
        given, bits = rounded_constant(self.form, values)
        near = rounded(given, bits)
        return self._like((np.abs(near), np.abs(given - near)), bits)

    def check(self) -> None:
        """Raise `ConfigError` where the field is too small for such numbers."""
        largest = math.ldexp(float(self.size.max(initial=0.0)) * (1 + 1e-9), self.bits)
        form = self.form
        field.check_room(form.prime, largest, "function", form.data_bits, form.parameter_bits)

    def _shifted(self, bits: int) -> Arrays:
        return self.arrays

    def _plus(self, other: Arrays) -> Arrays:
        return self.size + other[0], self.error + other[1]

    def _negative(self) -> Arrays:
        return self.arrays

    @_quiet
    def _times(self, other: Arrays) -> Arrays:
        size, error = other
        off = self.size * error + self.error * size + self.error * error
        return self.size * size, off

    @_quiet
    def _dot(self, other: Arrays) -> Arrays:
        size, error = other
        off = self.size @ error + self.error @ size + self.error @ error
        return np.asarray(self.size @ size), np.asarray(off)

    def _summed(self, axis: int) -> Arrays:
        return self.size.sum(axis=axis), self.error.sum(axis=axis)


def rounded(values: npt.NDArray[np.float64], bits: int) -> npt.NDArray[np.float64]:
    """Return the nearest numbers with so many bits of fraction, as `field.quantise` writes them."""
    found: npt.NDArray[np.float64] = np.ldexp(np.rint(np.ldexp(values, bits)), -bits)
    return found
