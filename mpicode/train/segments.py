"""How a gradient is cut into segments, and what a message of a gradient code holds."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..codes import GradientCode
from ..kernels import accumulate, combine
from ..problems import Problem
from ..problems.base import segment_length


class Segments:
    """The pieces of vectors of ``n_parameters`` numbers, under a code with ``m`` segments.

    The parameters, in the order of ``layout``, are padded with zeros to m * ``length`` and cut into
    m segments of ``length``. A message is ``length`` numbers and one behind them, the loss under
    the coefficients of segment 0: ``answer_length`` in all, of ``dtype``.

    dtype  : of the parameters on the workers, float32 or float64; messages of a complex code are
             complex128 whatever it is
    layout : (n_parameters,) a permutation, as `Problem.layout` gives it; None: their own order,
             so that nothing is copied
    sliced : the order is that of `Problem.slices`, so that segments can be mixed by the problem
    """

    def __init__(
        self,
        code: GradientCode,
        n_parameters: int,
        dtype: DTypeLike = np.float64,
        layout: NDArray[np.integer[Any]] | None = None,
        sliced: bool = False,
    ) -> None:
        self.n_parameters = n_parameters
        self.n_segments = code.n_segments
        self.length = segment_length(n_parameters, code.n_segments)
        self.answer_length = self.length + 1
        self.padded_length = code.n_segments * self.length
        self.is_complex = code.encoding.dtype.kind == "c"
        self.dtype: np.dtype[Any] = np.dtype(np.complex128 if self.is_complex else dtype)
        in_order = layout is None or np.array_equal(layout, np.arange(n_parameters))
        self.layout = None if in_order else layout
        self.sliced = sliced
        self._whole = np.empty(n_parameters)

    @classmethod
    def of(cls, code: GradientCode, problem: Problem, dtype: DTypeLike) -> Segments:
        """Return the segments of a problem's parameters that suit the code."""
        sliced = code.light and code.n_segments > 1
        order = problem.slices if sliced else problem.layout
        return cls(code, problem.n_parameters, dtype, order(code.n_segments), sliced)

    def new_decoded(self) -> NDArray[np.float64]:
        """Return room for what messages decode to, (n_segments, answer_length)."""
        return np.zeros((self.n_segments, self.answer_length))

    def join(self, decoded: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
        """Return the gradient, (n_parameters,), and the loss that were decoded.

        decoded : (n_segments, answer_length); the gradient is valid until it or this is used again
        """
        loss = float(decoded[0, -1])
        if self.n_segments == 1 and self.layout is None:
            return decoded[0, :-1], loss
        if self.layout is not None:
            self._whole[self.layout] = decoded[:, :-1].ravel()[: self.n_parameters]
            return self._whole, loss
        for segment, row in enumerate(decoded):
            part = self._whole[segment * self.length : (segment + 1) * self.length]
            part[:] = row[: part.size]
        return self._whole, loss

    def fold(
        self, direction: NDArray[Any], gradient: NDArray[Any], out: NDArray[Any], add: bool = True
    ) -> None:
        """Add ``sum_u direction[u] * segment u of gradient`` to ``out``, or write it there.

        direction : (n_segments,)
        gradient  : (padded_length,), in the parameters' own order, zero behind them
        out       : (length,)
        """
        if self.layout is not None:
            ordered = np.zeros_like(gradient)
            np.take(gradient, self.layout, out=ordered[: self.n_parameters])
            gradient = ordered
        pieces = gradient.reshape(self.n_segments, self.length)
        if self.is_complex:
            if not add:
                out[:] = 0
            for factor, piece in zip(direction, pieces, strict=True):
                out += factor * piece
        elif add:
            for factor, piece in zip(direction, pieces, strict=True):
                accumulate(factor, piece, out)
        else:
            combine(direction, pieces, out)
