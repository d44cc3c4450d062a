"""Fully connected layers: the products that predict, and those that sum up a gradient."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from ..kernels import csr_dot, csr_transpose_accumulate, csr_transpose_segments
from .base import Float
from .columns import Entering


def pieces(part: slice, length: int) -> Iterator[tuple[int, int, int]]:
    """Yield segment, first and last but one of the parameters of ``part`` in each segment."""
    low = part.start
    while low < part.stop:
        segment = low // length
        high = min(part.stop, (segment + 1) * length)
        yield segment, low, high
        low = high


class Layer:
    """A layer ``entering @ W + b``: where its parameters lie, and its scratch memory.

    weights, biases : slices of the flat parameters; W is (n_in, n_out) in C order, b (n_out,)
    """

    def __init__(
        self, n_in: int, n_out: int, weights: int, biases: int, dtype: npt.DTypeLike
    ) -> None:
        self.n_in = n_in
        self.n_out = n_out
        self.weights = slice(weights, weights + n_in * n_out)
        self.biases = slice(biases, biases + n_out)
        self._product = np.empty((n_in, n_out), dtype)
        self._scaled = np.empty((0, n_out), dtype)
        self._outputs = np.empty((0, n_out), dtype)

    def unpack(self, x: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Return views of the flat ``x``: weights (n_in, n_out) and biases (n_out,)."""
        return x[self.weights].reshape(self.n_in, self.n_out), x[self.biases]

    def predict(self, x: Float, entering: Entering, n_rows: int) -> Float:
        """Return the outputs, (n_rows, n_out), in memory that the next call uses again."""
        weights, biases = self.unpack(x)
        if len(self._outputs) < n_rows:
            self._outputs = np.empty((n_rows, self.n_out), self._outputs.dtype)
        outputs = self._outputs[:n_rows]
        if isinstance(entering, np.ndarray):
            np.matmul(entering, weights, out=outputs)
        else:
            csr_dot(*entering, weights, outputs)
        outputs += biases
        return outputs

    def add_gradient(
        self, entering: Entering, slopes: Float, weights: Float | None, length: int, out: Float
    ) -> None:
        """Add the gradient of a weighted loss to this layer's part of ``out``.

        slopes  : (n_rows, n_out), of each row's loss in the outputs
        weights : (n_segments, n_rows); None: the slopes are weighted, and there is one segment
        length  : of a segment, parameters
        """
        if isinstance(entering, np.ndarray):
            for segment, low, high in pieces(self.weights, length):
                scaled = slopes if weights is None else self._scale(slopes, weights[segment])
                self._add_product(entering, scaled, low, high, out)
        else:
            into, _ = self.unpack(out)
            if weights is None:
                csr_transpose_accumulate(*entering, slopes, into)
            else:
                # sparse rows enter the first layer, whose weights begin at parameter 0
                csr_transpose_segments(*entering, slopes, weights, length, into)
        for segment, low, high in pieces(self.biases, length):
            part = slopes[:, low - self.biases.start : high - self.biases.start]
            out[low:high] += part.sum(axis=0) if weights is None else weights[segment] @ part

    def _scale(self, slopes: Float, weights: Float) -> Float:
        if len(self._scaled) < len(slopes):
            self._scaled = np.empty_like(slopes)
        return np.multiply(slopes, weights[:, np.newaxis], out=self._scaled[: len(slopes)])

    def _add_product(self, entering: Float, slopes: Float, low: int, high: int, out: Float) -> None:
        """Add the parameters ``low:high`` of ``entering.T @ slopes``; they may cut a row of W."""
        start = self.weights.start
        first, last = (low - start) // self.n_out, -((start - high) // self.n_out)
        product = self._product[: last - first]
        np.matmul(entering[:, first:last].T, slopes, out=product)
        before = low - start - first * self.n_out
        out[low:high] += product.reshape(-1)[before : before + high - low]
