"""The gradient of a linear model over a prime field: scales, the room it needs, what workers do.

Rows are written with ``data_bits`` bits of fraction (l_x), parameters with ``parameter_bits``
(l_w), labels with l_x + l_w, as X w has. Of least squares the gradient X^T (X w - y) then has
2 l_x + l_w; a slope of higher degree has more (see `mpicode.codes.data.field_numbers`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from ...errors import ConfigError, DataError
from .field import Residues, check_prime, check_room, lift, quantise
from .field_bounds import Bounds
from .field_numbers import FieldNumbers, Form, Numbers, Written

Float = npt.NDArray[np.floating]
Slope = Callable[[Any, Any], Any]


def squared(z: Any, y: Any) -> Any:
    """Return the slope of least squares, ``1/2 (z - y)^2``."""
    return z - y


class FieldGradient(Written):
    """Sum over rows of the gradient of a loss of ``<x, w>`` and y, in integers modulo a prime.

    slope             : derivative of a row's loss in z = <x, w>, a polynomial in z and y
    data_bits         : of fraction, for the features
    parameter_bits    : of fraction, for the parameters, and for constants in the slope
    largest_parameter : magnitude that no parameter exceeds; which `Room` counts on

    Nothing is rounded but rows, labels, parameters and constants, each once: what comes back is the
    gradient of the rounded numbers, exactly, if the field has room for it.
    """

    def __init__(
        self,
        slope: Slope,
        prime: int,
        *,
        data_bits: int,
        parameter_bits: int,
        largest_parameter: float,
    ) -> None:
        check_prime(prime)
        for key, bits in (("data_bits", data_bits), ("parameter_bits", parameter_bits)):
            if not 0 <= bits < prime.bit_length():
                raise ConfigError(
                    f"field.{key}: wants 0 to {prime.bit_length() - 1} in a field of "
                    f"{prime.bit_length()} bits, got {bits}"
                )
        if not (math.isfinite(largest_parameter) and largest_parameter > 0):
            raise ConfigError(f"field.largest_parameter: must be positive, got {largest_parameter}")
        self.form = Form(prime, data_bits, parameter_bits)
        self.largest_parameter = largest_parameter
        self._slope = slope
        try:
            # of fraction, whatever the rows are
            self._bits = self._bounds(np.zeros((1, 1)), np.zeros(1)).bits
        except (TypeError, ValueError, AttributeError) as error:
            raise ConfigError(
                f"problem.name: its slope fails on residues with {type(error).__name__}: {error}; "
                "wants + - * alone"
            ) from error

    @property
    def label_bits(self) -> int:
        """Of fraction, for the labels."""
        return self.form.data_bits + self.form.parameter_bits

    def rows(self, X: npt.ArrayLike) -> Residues:
        """Return features as residues."""
        return quantise(X, self.data_bits, self.prime)

    def labels(self, y: npt.ArrayLike) -> Residues:
        """Return labels as residues."""
        return quantise(y, self.label_bits, self.prime)

    def parameters(self, w: Float) -> Residues:
        """Return parameters as residues; `DataError` where one is too large."""
        largest = float(np.abs(w).max(initial=0.0))
        if not largest <= self.largest_parameter:
            raise DataError(
                f"field: a parameter of magnitude {largest:.6g} exceeds "
                f"field.largest_parameter = {self.largest_parameter:g}"
            )
        return quantise(w, self.form.parameter_bits, self.prime)

    def gradient(self, X: Residues, y: Residues, w: Residues) -> Residues:
        """Return ``X^T slope(X w, y)`` modulo the prime: what a worker answers.

        X : (n_rows, n_features) residues, coded or not      y : (n_rows,)      w : (n_features,)
        """
        form = self.form
        rows, labels, parameters = (
            FieldNumbers(form, residues, bits)
            for residues, bits in (
                (X, form.data_bits),
                (y, self.label_bits),
                (w, form.parameter_bits),
            )
        )
        found = self._of(rows, labels, parameters)
        assert isinstance(found, FieldNumbers)
        return found.residues

    def _of(self, X: Numbers, y: Numbers, w: Numbers) -> Numbers:
        found: Numbers = X.T @ self._slope(X @ w, y)
        return found

    def _bounds(self, X: npt.ArrayLike, y: npt.ArrayLike) -> Bounds:
        """Return what bounds the gradient over these rows, whatever the parameters."""
        size = np.abs(np.asarray(X, dtype=np.float64))
        largest = np.full(size.shape[1], self.largest_parameter)
        with np.errstate(over="ignore", invalid="ignore"):
            found = self._of(
                Bounds.rounded(self.form, size, self.form.data_bits),
                Bounds.rounded(self.form, np.abs(np.asarray(y, np.float64)), self.label_bits),
                Bounds.rounded(self.form, largest, self.form.parameter_bits),
            )
        assert isinstance(found, Bounds)
        return found

    def total(self, values: Residues) -> npt.NDArray[np.float64]:
        """Return the sum of the blocks' gradients as numbers; they are added in the field.

        values : (n_blocks, n_features) or, if they are added already, (n_features,)
        """
        total = np.zeros(values.shape[-1], dtype=np.int64)
        for value in values.reshape(-1, values.shape[-1]):
            total += value
            total[total >= self.prime] -= self.prime
        return lift(total, self._bits, self.prime)

    def room(self, n_features: int) -> Room:
        """Return what counts the bits that the sum over some rows needs."""
        return Room(self, n_features)


class Room:
    """How large the gradient can become, over rows that are shown to `add` chunk by chunk."""

    def __init__(self, of: FieldGradient, n_features: int) -> None:
        self._of = of
        self._sums = np.zeros(n_features)

    def add(self, X: npt.ArrayLike, y: npt.ArrayLike) -> None:
        """Take these rows, and labels as they are coded, into account."""
        with np.errstate(over="ignore", invalid="ignore"):
            self._sums += self._of._bounds(X, y).size

    @property
    def largest(self) -> int:
        """The magnitude that no number of the gradient exceeds, in units of its scale."""
        largest = float(self._sums.max(initial=0.0))
        if not math.isfinite(largest):
            raise DataError("field: a number is not finite, or too large")
        # the sums are rounded, at worst downwards, by far less than this
        return math.ceil(math.ldexp(largest * (1 + 1e-9), self._of._bits))

    def check(self) -> None:
        """Raise `ConfigError` where the field is too small for the numbers."""
        form = self._of.form
        check_room(form.prime, self.largest, "gradient", form.data_bits, form.parameter_bits)
