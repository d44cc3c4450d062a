"""The gradient of least squares over a prime field: scales, the room it needs, what a worker does.

Rows are written with ``data_bits`` bits of fraction (l_x), parameters with ``parameter_bits``
(l_w), and labels with l_x + l_w, so that X w - y has one scale and X^T (X w - y) another:
2 l_x + l_w. As a function of rows and labels it has degree 2.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ...errors import ConfigError, DataError
from ...kernels import modular_dot, modular_transpose_dot
from .field import Residues, check_prime, check_room, lift, quantise

Float = npt.NDArray[np.floating]


class FieldLeastSquares:
    """Sum over rows of the gradient of ``1/2 (<x, w> - y)^2``, in integers modulo a prime.

    data_bits         : of fraction, for the features
    parameter_bits    : of fraction, for the parameters
    largest_parameter : magnitude that no parameter exceeds; which `Room` counts on

    Nothing is rounded but rows, labels and parameters, each once: what comes back is the gradient
    of the rounded numbers, exactly, if the field has room for it.
    """

    degree = 2

    def __init__(
        self, prime: int, *, data_bits: int, parameter_bits: int, largest_parameter: float
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
        self.prime = prime
        self.data_bits, self.parameter_bits = data_bits, parameter_bits
        self.largest_parameter = largest_parameter

    @property
    def label_bits(self) -> int:
        """Of fraction, for the labels."""
        return self.data_bits + self.parameter_bits

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
        return quantise(w, self.parameter_bits, self.prime)

    def gradient(self, X: Residues, y: Residues, w: Residues) -> Residues:
        """Return ``X^T (X w - y)`` modulo the prime: what a worker answers.

        X : (n_rows, n_features) residues, coded or not      y : (n_rows,)      w : (n_features,)
        """
        residual = modular_dot(X, w, self.prime, np.empty(len(X), dtype=np.int64))
        residual -= y
        residual[residual < 0] += self.prime
        out = np.empty(X.shape[1], dtype=np.int64)
        return modular_transpose_dot(X, residual, self.prime, out)

    def total(self, values: Residues) -> npt.NDArray[np.float64]:
        """Return the sum of the blocks' gradients as numbers; they are added in the field.

        values : (n_blocks, n_features) or, if they are added already, (n_features,)
        """
        total = np.zeros(values.shape[-1], dtype=np.int64)
        for value in values.reshape(-1, values.shape[-1]):
            total += value
            total[total >= self.prime] -= self.prime
        return lift(total, 2 * self.data_bits + self.parameter_bits, self.prime)

    def room(self, n_features: int) -> Room:
        """Return what counts the bits that the sum over some rows needs."""
        return Room(self, n_features)


class Room:
    """How large the gradient can become, over rows that are shown to `add` chunk by chunk."""

    def __init__(self, of: FieldLeastSquares, n_features: int) -> None:
        self._of = of
        self._sums = np.zeros(n_features)

    def add(self, X: npt.ArrayLike, y: npt.ArrayLike) -> None:
        """Take these rows into account."""
        of = self._of
        size, labels = _scaled(X, of.data_bits), _scaled(y, of.label_bits)
        largest = _scaled(of.largest_parameter, of.parameter_bits)
        with np.errstate(over="ignore", invalid="ignore"):
            self._sums += (size.sum(axis=1) * largest + labels) @ size

    @property
    def largest(self) -> int:
        """The magnitude that no number of the gradient exceeds, in units of its scale."""
        largest = float(self._sums.max(initial=0.0))
        if not math.isfinite(largest):
            raise DataError("field: a number is not finite, or too large")
        # the sums are rounded, at worst downwards, by far less than this
        return math.ceil(largest * (1 + 1e-9))

    def check(self) -> None:
        """Raise `ConfigError` where the field is too small for the numbers."""
        of = self._of
        check_room(of.prime, self.largest, "gradient", of.data_bits, of.parameter_bits)


def _scaled(values: npt.ArrayLike, bits: int) -> npt.NDArray[np.float64]:
    """Return the magnitudes of the integers that `quantise` makes, as floating numbers."""
    with np.errstate(over="ignore"):
        return np.abs(np.rint(np.ldexp(np.asarray(values, dtype=np.float64), bits)))
