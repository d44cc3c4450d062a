"""Inference over a prime field: the same function, of residues, and what its values can be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..codes.data import field
from ..codes.data.field_bounds import Bounds, rounded
from ..codes.data.field_numbers import FieldNumbers, Form, Numbers, Written
from ..datasets import Dataset
from ..errors import ConfigError, DataError
from ..problems import Problem
from ..problems.linear import LinearModel
from .blocks import all_rows

Array = NDArray[Any]
Lift = Callable[[NDArray[np.int64]], tuple[NDArray[np.float64], NDArray[np.float64]]]
"""Takes residues, (n_blocks, length), to the numbers they stand for, and how far off these are."""

# Labels that workers combine with the rows are not looked at.
_LABEL_BITS = 0


@dataclass(frozen=True)
class FieldFunction(Written):
    """A polynomial of parameters and rows, for rows that are residues.

    polynomial : of the parameters and `Numbers`
    name       : for errors
    """

    polynomial: Callable[[Array, Any], Any]
    form: Form
    name: str

    @property
    def label_bits(self) -> int:
        """Of fraction that labels have."""
        return _LABEL_BITS

    def __call__(self, x: Array, X: Array) -> Array:
        """Return the values of rows, residues to residues."""
        found = self._of(x, FieldNumbers(self.form, X, self.form.data_bits))
        assert isinstance(found, FieldNumbers)
        return found.residues

    def bounds(
        self, x: Array, size: NDArray[np.float64], error: NDArray[np.float64] | None = None
    ) -> Bounds:
        """Return what bounds the values of rows; see `Bounds.of_rows`."""
        found = self._of(x, Bounds.of_rows(self.form, size, error))
        assert isinstance(found, Bounds)
        return found

    def check(self, x: Array, rows: tuple[int, int], shape: tuple[int, ...]) -> None:
        """Raise `ConfigError` unless such rows give numbers over the field of that shape."""
        found = self.bounds(x, np.ones(rows))
        if found.shape != shape:
            raise ConfigError(
                f"infer.function: {self.name!r} gives shape {found.shape} for residues, {shape} "
                "for floating numbers"
            )

    def _of(self, x: Array, X: Numbers) -> Numbers:
        try:
            found = self.polynomial(x, X)
        except Exception as error:
            told = ": ".join([type(error).__name__, *str(error).strip().splitlines()[:1]])
            raise ConfigError(
                f"infer.function: {self.name!r} fails on residues with {told}; over a field a "
                "function has + - * / ** @, indices, sum, stack and concatenate"
            ) from error
        if not isinstance(found, type(X)):
            raise ConfigError(
                f"infer.function: {self.name!r} gives {type(found).__name__} for residues, wants "
                "what + - * / ** and @ make of the rows"
            )
        return found


def of_problem(problem: Problem) -> Callable[[Array, Any], Any]:
    """Return the outputs of a problem as a polynomial; `ConfigError` where they are none."""
    if not isinstance(problem, LinearModel):
        raise ConfigError(
            f"problem.name: over a field the outputs of linear models are computed, got "
            f"{problem.name!r}; or infer.function"
        )
    model = problem

    def outputs(x: Array, X: Any) -> Any:
        weights, intercepts = model.unpack(x)
        z = X @ weights.reshape(model.n_features, -1)
        return z + intercepts if model.intercept else z

    return outputs


class Columns(NamedTuple):
    """Of each column of the data, (n_features,): its largest magnitude, and most by rounding."""

    largest: NDArray[np.float64]
    off: NDArray[np.float64]


def columns_of(dataset: Dataset, bits: int) -> Columns:
    """Return what there is in each column, rounded to so many bits of fraction."""
    largest, off = np.zeros((2, dataset.n_features))
    for rows in all_rows(dataset, np.dtype(np.float64)):
        X: Any = rows.X
        np.maximum(largest, np.abs(X).max(axis=0), out=largest)
        np.maximum(off, np.abs(X - rounded(X, bits)).max(axis=0), out=off)
    if not np.isfinite(largest).all():
        column = int(np.argmin(np.isfinite(largest)))
        raise DataError(f"{dataset.path}: X, column {column} holds a number that is not finite")
    return Columns(largest, off)


def lifting(function: FieldFunction, x: Array, columns: Columns, rows: int, copies: int) -> Lift:
    """Return what makes residues numbers again; `ConfigError` where the field is too small.

    rows : that one value of the function is of      copies : such values in an answer
    """
    return lifted(function.bounds(x, *(np.tile(of_all, (rows, 1)) for of_all in columns)), copies)


def lifted(bounds: Bounds, copies: int = 1) -> Lift:
    """Return what makes residues with such bounds numbers; see `lifting`."""
    bounds.check()
    error = np.tile(bounds.error.reshape(-1), copies)

    def lift(
        residues: NDArray[np.int64],
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        values = field.lift(residues, bounds.bits, bounds.form.prime)
        return values, np.broadcast_to(error, values.shape)

    return lift
