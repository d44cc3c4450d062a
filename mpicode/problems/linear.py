"""Models whose prediction is linear in the features, over dense and CSR rows."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from ..errors import ConfigError, DataError
from ..kernels import csr_dot, csr_transpose_accumulate
from .base import Float, Problem, Rows

# Rows are worked through in chunks that stay in the second-level cache between the product that
# predicts and the product that sums up, so memory is read once and not twice. The limit on the
# multiplications keeps a product within what OpenBLAS does without packing its operands, which for
# matrices of few columns is 2.5 times as fast (benchmarks/gradients.py).
CHUNK_BYTES = 512 * 1024
CHUNK_PRODUCTS = 900_000
CHUNK_ROWS = 64  # at least, so that adding to `out` costs little beside the products


class LinearModel(Problem):
    """Loss of ``z = X W + b``; a subclass gives the loss.

    Parameters, in this order: the weights W, (n_features, n_outputs) in C order, then the
    intercepts b, (n_outputs,), which the L2 term spares. Without an intercept the second part is
    empty.
    """

    one_output: ClassVar[bool] = True

    def __init__(
        self,
        *,
        l2: float = 0.0,
        intercept: bool = True,
        n_features: int,
        n_classes: int = 0,
        task: str,
        dtype: npt.DTypeLike = np.float64,
    ) -> None:
        super().__init__(l2=l2, n_features=n_features, n_classes=n_classes, task=task, dtype=dtype)
        self.intercept = intercept
        self.n_outputs = 1 if self.one_output else n_classes
        if self.n_outputs < 1:
            raise ConfigError(f"problem.name: {self.name!r} needs classes, the dataset has none")
        n_weights = n_features * self.n_outputs
        self.penalised = slice(0, n_weights)
        self.n_parameters = n_weights + (self.n_outputs if intercept else 0)
        self._outputs = () if self.one_output else (self.n_outputs,)
        rows = min(CHUNK_BYTES // (n_features * self.dtype.itemsize), CHUNK_PRODUCTS // n_weights)
        self._chunk = max(CHUNK_ROWS, rows)
        self._z = np.empty((self._chunk, *self._outputs), self.dtype)
        self._product = np.empty((n_features, *self._outputs), self.dtype)
        self._ones = np.ones(self._chunk, self.dtype)

    def unpack(self, x: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Return views of ``x``: weights and intercepts.

        The weights are (n_features, n_outputs), (n_features,) for a model with one output; the
        intercepts are (n_outputs,), (0,) for a model without.
        """
        weights = x[self.penalised].reshape(self.n_features, *self._outputs)
        return weights, x[self.penalised.stop :]

    @abstractmethod
    def _residual(self, z: Float, y: npt.NDArray[Any], weights: Float) -> float:
        """Replace ``z`` by the derivative of the weighted loss in z; return the weighted loss."""

    def _correct(self, z: Float, y: npt.NDArray[Any]) -> float:
        """Return how many rows are predicted right; NaN where that has no meaning."""
        return float("nan")

    def gradient(self, x: Float, rows: Rows, weights: Float, out: Float) -> float:
        """See `Problem.gradient`."""
        self.check(x, rows, weights)
        if out.shape != x.shape:
            raise ConfigError(f"out: {self.n_parameters} parameters, but out has shape {out.shape}")
        weights = np.ascontiguousarray(weights, np.float64)
        out_weights, out_intercepts = self.unpack(out)
        total = 0.0
        for chunk, X, y, z in self._predict(x, rows):
            total += self._residual(z, y, weights[chunk])
            if isinstance(X, np.ndarray):
                out_weights += np.matmul(X.T, z, out=self._product)
            else:
                csr_transpose_accumulate(*X, z, out_weights)
            if self.intercept:
                out_intercepts += self._ones[: len(z)] @ z
        return total

    def loss(self, x: Float, rows: Rows, weights: Float) -> float:
        """See `Problem.loss`."""
        self.check(x, rows, weights)
        weights = np.ascontiguousarray(weights, np.float64)
        return sum(self._residual(z, y, weights[c]) for c, _, y, z in self._predict(x, rows))

    def evaluate(self, x: Float, rows: Rows) -> tuple[float, float]:
        """See `Problem.evaluate`."""
        self.check(x, rows)
        total = correct = 0.0
        for _, _, y, z in self._predict(x, rows):
            correct += self._correct(z, y)
            total += self._residual(z, y, self._ones[: len(z)])
        return total, correct

    def _predict(self, x: Float, rows: Rows) -> Iterator[tuple[slice, Any, Any, Float]]:
        """Yield per chunk: which rows, X (an array, or the three of a CSR), y, z = X W + b."""
        X, y = rows.X, np.ascontiguousarray(rows.y)
        weights, intercepts = self.unpack(x)
        for start in range(0, len(y), self._chunk):
            chunk = slice(start, min(start + self._chunk, len(y)))
            z = self._z[: chunk.stop - start]
            if isinstance(X, np.ndarray):
                part: Any = X[chunk]
                np.matmul(part, weights, out=z)
            else:
                part = X.data, X.indices, X.indptr[start : chunk.stop + 1]
                try:
                    csr_dot(*part, weights, z)
                except ValueError as error:
                    raise DataError(f"X: rows {start} to {chunk.stop}: {error}") from error
            if self.intercept:
                z += intercepts
            yield chunk, part, y[chunk], z

    def check(self, x: Float, rows: Rows, weights: Float | None = None) -> None:
        """See `Problem.check`; labels must also be classes."""
        super().check(x, rows, weights)
        if self.task == "regression" or not rows.y.size:
            return
        low, high = rows.y.min(), rows.y.max()
        if low < 0 or high >= self.n_classes:
            wrong = low if low < 0 else high
            raise DataError(
                f"y: label {wrong} is out of range, the problem has {self.n_classes} classes"
            )
