"""Models whose prediction is linear in the features, over dense and CSR rows."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from ..errors import ConfigError, DataError
from ..kernels import csr_dot, csr_transpose_accumulate
from .base import Float, Number, Rows, quiet
from .layered import LayeredProblem
from .layers import Layer
from .slices import Shape
from .ways import Chunk

if TYPE_CHECKING:
    from scipy.sparse import csr_array

# Rows are worked through in chunks that stay in the second-level cache between the product that
# predicts and the product that sums up, so memory is read once and not twice. The limit on the
# multiplications keeps a product within what OpenBLAS does without packing its operands, which for
# few outputs is twice as fast. Where that leaves too few rows for a product worth its call, large
# chunks only bound the scratch memory. Measured by benchmarks/gradients.py.
CHUNK_BYTES = 1 << 20
CHUNK_PRODUCTS = 900_000
FEWEST_ROWS = 24
LARGE_CHUNK = 1024


class LinearModel(LayeredProblem):
    """Loss of ``z = X W + b``; a subclass gives the loss.

    Parameters, in this order: the weights W, (n_features, n_outputs) in C order, then the
    intercepts b, (n_outputs,), which the L2 term spares. Without an intercept the second part is
    empty.

    The scratch memory is part of the object: it serves one thread at a time.
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
        rows = CHUNK_BYTES // (n_features * self.dtype.itemsize)
        if not self.one_output:
            rows = min(rows, CHUNK_PRODUCTS // n_weights)
        self._chunk_rows = rows if rows >= FEWEST_ROWS else LARGE_CHUNK
        self._scratch = np.empty((0, *self._outputs), self.dtype)
        self._product = np.empty((n_features, *self._outputs), self.dtype)

    def unpack(self, x: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Return views of ``x``: weights and intercepts.

        The weights are (n_features, n_outputs), (n_features,) for a model with one output; the
        intercepts are (n_outputs,), (0,) for a model without.
        """
        weights = x[self.penalised].reshape(self.n_features, *self._outputs)
        return weights, x[self.penalised.stop :]

    @abstractmethod
    def _residual(self, z: Float, y: npt.NDArray[Any], weights: Float) -> Number:
        """Replace ``z`` by the derivative of the weighted loss in z; return the weighted loss."""

    def slope(self, z: Any, y: Any) -> Any:
        """Return the derivative of a row's loss in z, where it is a polynomial in z and y.

        Written with ``+ - *`` alone, so that it is one of other numbers, too: over a prime field.
        y is as the data has it, 0 or 1 for two classes. Raises `ConfigError` where it is none.
        """
        raise ConfigError(f"problem.name: the slope of {self.name!r} is not said as a polynomial")

    def _correct(self, z: Float, y: npt.NDArray[Any]) -> float:
        """Return how many rows are predicted right; NaN where that has no meaning."""
        return float("nan")

    @quiet
    def gradient(self, x: Float, rows: Rows, weights: Float, out: Float) -> Number:
        """See `Problem.gradient`."""
        length = self.check_gradient(x, rows, weights, out)
        weights = np.ascontiguousarray(weights, np.float64)
        if weights.ndim == 2:
            return self._gradient_by_segments(x, rows, weights, length, out)
        out_weights, out_intercepts = self.unpack(out)
        total = 0.0
        for chunk, X, y, z in self._predict(x, rows):
            total += self._residual(z, y, weights[chunk])
            if isinstance(X, np.ndarray):
                out_weights += np.matmul(X.T, z, out=self._product)
            else:
                data, indices, indptr = X
                csr_transpose_accumulate(data, indices, indptr, z, out_weights)
            if self.intercept:
                out_intercepts += z.sum(axis=0)
        return total

    def _gradient_by_segments(
        self, x: Float, rows: Rows, weights: Float, length: int, out: Float
    ) -> float:
        """Fill each segment from the columns of X that it belongs to: together, one product."""
        total = 0.0
        for chunk, X, y, z in self._predict(x, rows):
            part = weights[:, chunk]
            total += self._residual(z.copy(), y, np.ascontiguousarray(part[0]))
            self._residual(z, y, np.ones(len(y)))
            slopes = z.reshape(len(y), self.n_outputs)
            self._layer.add_gradient(X, slopes, part.astype(self.dtype), length, out)
        return total

    def _way(self, x: Float, rows: Rows, weights: Float) -> Iterator[Chunk]:
        """Go forward; a chunk is to be used before the next is asked for."""
        for chunk, X, y, z in self._predict(x, rows):
            loss = self._residual(z, y, weights[chunk])
            yield Chunk(chunk, loss, [(0, X, z.reshape(len(y), self.n_outputs))])

    def _shapes(self) -> list[Shape]:
        biases = self.penalised.stop if self.intercept else None
        return [Shape(self.n_features, self.n_outputs, 0, biases)]

    def _products(self) -> tuple[int, int]:
        """Return that forward, since there is nothing to go back through; and twice as many."""
        return self.penalised.stop, 2 * self.penalised.stop

    @cached_property
    def _layer(self) -> Layer:
        n_weights = self.penalised.stop
        layer = Layer(self.n_features, self.n_outputs, 0, n_weights, self.dtype)
        layer.biases = slice(n_weights, self.n_parameters)
        return layer

    @quiet
    def loss(self, x: Float, rows: Rows, weights: Float) -> Number:
        """See `Problem.loss`."""
        self.check(x, rows, weights)
        weights = np.ascontiguousarray(weights, np.float64)
        total = 0.0
        for chunk, _, y, z in self._predict(x, rows):
            total += self._residual(z, y, weights[chunk])
        return total

    @quiet
    def evaluate(self, x: Float, rows: Rows) -> tuple[float, float]:
        """See `Problem.evaluate`."""
        self.check(x, rows)
        total = correct = 0.0
        for _, _, y, z in self._predict(x, rows):
            correct += self._correct(z, y)
            total += self._residual(z, y, np.ones(len(y)))
        return total, correct

    @quiet
    def outputs(self, x: Float, X: Any) -> Float:
        """See `Problem.outputs`."""
        found = np.empty((X.shape[0], self.n_outputs), self.dtype)
        for chunk, _, y, z in self._predict(x, self.unlabelled(x, X)):
            found[chunk] = z.reshape(len(y), -1)
        return found

    def _predict(self, x: Float, rows: Rows) -> Iterator[tuple[slice, Any, Any, Float]]:
        """Yield per chunk: which rows, X (an array, or the three of a CSR), y, z = X W + b."""
        X, y = rows.X, np.ascontiguousarray(rows.y)
        weights, intercepts = self.unpack(np.ascontiguousarray(x))
        chunk_rows = self._chunk_rows if isinstance(X, np.ndarray) else _sparse_chunk_rows(X)
        if len(self._scratch) < min(chunk_rows, len(y)):
            self._scratch = np.empty((min(chunk_rows, len(y)), *self._outputs), self.dtype)
        for start in range(0, len(y), chunk_rows):
            chunk = slice(start, min(start + chunk_rows, len(y)))
            z = self._scratch[: chunk.stop - start]
            if isinstance(X, np.ndarray):
                part: Any = X[chunk]
                np.matmul(part, weights, out=z)
            else:
                indptr = X.indptr[start : chunk.stop + 1]
                part = X.data, X.indices, indptr
                try:
                    csr_dot(X.data, X.indices, indptr, weights, z)
                except ValueError as error:
                    raise DataError(f"X: rows {start} to {chunk.stop}: {error}") from error
            if self.intercept:
                z += intercepts
            yield chunk, part, y[chunk], z


def _sparse_chunk_rows(X: csr_array) -> int:
    """Return how many rows of a CSR fill a chunk: a value and an index per entry."""
    entry_bytes = X.data.itemsize + X.indices.itemsize
    entries_per_row = 1 + X.indptr[-1] // max(1, X.shape[0])
    return max(FEWEST_ROWS, int(CHUNK_BYTES // (entry_bytes * entries_per_row)))
