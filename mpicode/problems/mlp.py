"""Networks of fully connected layers."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ConfigError, DataError
from . import losses
from .base import Float, Number, Rows, quiet
from .columns import Entering, entering_of, rows_of
from .layered import LayeredProblem
from .layers import Layer
from .slices import Shape
from .ways import Chunk

# Rows are worked through in chunks whose inputs and activations stay in the second-level cache
# between the way forward and the way back. Too few rows, and adding a chunk's gradient costs as
# much as computing it.
CHUNK_BYTES = 1 << 21
FEWEST_ROWS = 128

_START = 0x3A9  # of the random numbers, so that no other use of the seed draws the same


class MLP(LayeredProblem):
    """Loss of ``z = W_L^T relu(... relu(W_1^T x + b_1) ...) + b_L``.

    hidden : numbers of units of the hidden layers, from the data upwards; none: a linear model

    The loss is cross-entropy for multiclass (one output per class) and binary data (one output),
    ``1/2 (z - y)^2`` for regression. Parameters, in this order: the weights of all layers, each
    (n_in, n_out) in C order, then the biases of all layers, which the L2 term spares.

    A row's slope in a layer's outputs is proportional to its weight. So one way back serves any
    number of segments: per segment the slopes are scaled, and only the part of the layers' products
    that lies in the segment is computed.

    The scratch memory is part of the object: it serves one thread at a time.
    """

    name = "mlp"
    tasks = ("multiclass", "binary", "regression")

    def __init__(
        self,
        *,
        hidden: tuple[int, ...] = (128,),
        l2: float = 0.0,
        n_features: int,
        n_classes: int = 0,
        task: str,
        dtype: npt.DTypeLike = np.float64,
    ) -> None:
        super().__init__(l2=l2, n_features=n_features, n_classes=n_classes, task=task, dtype=dtype)
        for place, units in enumerate(hidden):
            if units < 1:
                raise ConfigError(f"problem.hidden[{place}]: must be at least 1, got {units}")
        self._loss = losses.OF_TASK[task]
        n_outputs = self.n_outputs = 1 if self._loss.one_output else n_classes
        if n_outputs < 1:
            raise ConfigError(f"problem.name: {self.name!r} needs classes, the dataset has none")
        widths = (n_features, *hidden, n_outputs)
        n_weights = sum(n_in * n_out for n_in, n_out in pairwise(widths))
        self.layers: list[Layer] = []
        weights, biases = 0, n_weights
        for n_in, n_out in pairwise(widths):
            self.layers.append(Layer(n_in, n_out, weights, biases, self.dtype))
            weights, biases = weights + n_in * n_out, biases + n_out
        self.penalised = slice(0, n_weights)
        self.n_parameters = biases
        self._row_bytes = 2 * sum(widths[1:]) * self.dtype.itemsize

    def initial(self, seed: int) -> Float:
        """Return normal weights of variance 2 / n_in, and biases 0.

        He, Zhang, Ren and Sun, ICCV 2015: keeps the size of the signal through layers of ReLUs.
        """
        x = np.zeros(self.n_parameters, self.dtype)
        rng = np.random.default_rng([seed, _START])
        for layer in self.layers:
            weights, _ = layer.unpack(x)
            weights[...] = rng.normal(scale=np.sqrt(2.0 / layer.n_in), size=weights.shape)
        return x

    @quiet
    def gradient(self, x: Float, rows: Rows, weights: Float, out: Float) -> float:
        """See `Problem.gradient`."""
        length = self.check_gradient(x, rows, weights, out)
        x = np.ascontiguousarray(x)
        weights = np.ascontiguousarray(weights, np.float64)
        total = 0.0
        for chunk, entering, y in self._chunks(rows):
            leaving = self._predict(x, entering, len(y))
            outputs, part = leaving[-1], None
            if weights.ndim == 1:
                total += self._residual(outputs, y, weights[chunk])
            else:
                part = weights[:, chunk]
                total += self._residual(outputs.copy(), y, part[0])
                self._residual(outputs, y, np.ones(len(y)))
                part = part.astype(self.dtype)
            for number, enters, slopes in self._descend(x, entering, leaving):
                self.layers[number].add_gradient(enters, slopes, part, length, out)
        return total

    def _shapes(self) -> list[Shape]:
        return [
            Shape(each.n_in, each.n_out, each.weights.start, each.biases.start)
            for each in self.layers
        ]

    def _products(self) -> tuple[int, int]:
        first, *others = (each.n_in * each.n_out for each in self.layers)
        forward = first + sum(others)
        way = forward + sum(others)  # slopes are not brought back through the first layer
        return way, way + forward

    def _way(self, x: Float, rows: Rows, weights: Float) -> Iterator[Chunk]:
        """Go forward and back; a chunk is to be used before the next is asked for."""
        for chunk, entering, y in self._chunks(rows):
            leaving = self._predict(x, entering, len(y))
            loss = self._residual(leaving[-1], y, weights[chunk])
            yield Chunk(chunk, loss, self._descend(x, entering, leaving))

    @quiet
    def loss(self, x: Float, rows: Rows, weights: Float) -> float:
        """See `Problem.loss`."""
        self.check(x, rows, weights)
        x = np.ascontiguousarray(x)
        weights = np.ascontiguousarray(weights, np.float64)
        total = 0.0
        for chunk, entering, y in self._chunks(rows):
            outputs = self._predict(x, entering, len(y))[-1]
            total += self._residual(outputs, y, weights[chunk])
        return total

    @quiet
    def evaluate(self, x: Float, rows: Rows) -> tuple[float, float]:
        """See `Problem.evaluate`."""
        self.check(x, rows)
        x = np.ascontiguousarray(x)
        total = correct = 0.0
        for _, entering, y in self._chunks(rows):
            outputs = self._predict(x, entering, len(y))[-1]
            correct += self._loss.correct(self._of_loss(outputs), y)
            total += self._residual(outputs, y, np.ones(len(y)))
        return total, correct

    @quiet
    def outputs(self, x: Float, X: Any) -> Float:
        """See `Problem.outputs`."""
        rows = self.unlabelled(x, X)
        found = np.empty((X.shape[0], self.n_outputs), self.dtype)
        for chunk, entering, y in self._chunks(rows):
            found[chunk] = self._predict(np.ascontiguousarray(x), entering, len(y))[-1]
        return found

    def _chunks(self, rows: Rows) -> Iterator[tuple[slice, Entering, npt.NDArray[Any]]]:
        """Yield per chunk: which rows, what enters the first layer, y."""
        entering, y = entering_of(rows), np.ascontiguousarray(rows.y)
        dense = isinstance(entering, np.ndarray)
        row_bytes = self._row_bytes + (self.n_features * self.dtype.itemsize if dense else 0)
        step = max(FEWEST_ROWS, CHUNK_BYTES // row_bytes)
        for start in range(0, len(y), step):
            chunk = slice(start, min(start + step, len(y)))
            yield chunk, rows_of(entering, chunk), y[chunk]

    def _predict(self, x: Float, entering: Entering, n_rows: int) -> list[Float]:
        """Return what leaves each layer, (n_rows, n_out)."""
        leaving: list[Float] = []
        for layer in self.layers:
            if leaving:
                np.maximum(leaving[-1], 0.0, out=leaving[-1])
            try:
                leaving.append(layer.predict(x, leaving[-1] if leaving else entering, n_rows))
            except ValueError as error:
                raise DataError(f"X: {error}") from error
        return leaving

    def _of_loss(self, outputs: Float) -> Float:
        """Return a view of the outputs in the shape that the loss takes."""
        return outputs[:, 0] if self._loss.one_output else outputs

    def _residual(self, outputs: Float, y: npt.NDArray[Any], weights: Float) -> Number:
        return self._loss.residual(self._of_loss(outputs), y, weights)

    def _descend(
        self, x: Float, entering: Entering, leaving: list[Float]
    ) -> Iterator[tuple[int, Entering, Float]]:
        """Yield per layer, the last first: its number, what enters it, the slopes in its outputs.

        The last of ``leaving`` are the slopes in the network's outputs.
        """
        slopes = leaving[-1]
        for number in reversed(range(len(self.layers))):
            yield number, leaving[number - 1] if number else entering, slopes
            if number:
                slopes = slopes @ self.layers[number].unpack(x)[0].T
                slopes *= leaving[number - 1] > 0.0
