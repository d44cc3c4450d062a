"""What a worker computes for a data code: the ordinary gradient, on its coded block."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..codes.data.field_gradient import FieldGradient
from ..pool.worker import Request
from ..problems import Problem
from .coded_rows import CodedRows
from .slots import Slots


class CodedWork:
    """The gradient of the mean loss over the rows of a coded block, with that loss behind it.

    The problem neither knows nor cares that its rows are combinations. Rows have equal weights, so
    that the values of all blocks together are the mean over all places (or over a mini-batch: the
    same slots of every block). Of complex rows both are complex, values of the same polynomials.
    """

    def __init__(self, problem: Problem, rows: CodedRows, slots: Slots, load: float) -> None:
        self.answer_length = problem.n_parameters + 1
        self.dtype = problem.dtype
        self.load = load
        self._problem = problem
        self._rows = rows
        self._slots = slots
        self._weight_dtype = np.zeros(0, problem.dtype).real.dtype

    def compute(self, request: Request, message: int, out: NDArray[Any]) -> Iterator[float]:
        """Fill ``out``, (n_parameters + 1,): the gradient and, last, the loss."""
        x = request.payload.astype(self.dtype, copy=False)
        out[:] = 0
        loss: Any = 0.0
        for rows in self._rows.rows(self._slots.draw(request.iteration)):
            n_rows = len(rows.y)
            weights = np.full(n_rows, self._slots.weight, self._weight_dtype)
            loss += self._problem.gradient(x, rows, weights, out[:-1])
            out[-1] = loss
            yield n_rows


class FieldWork:
    """The gradient over a prime field, as whole numbers: the sum over the rows."""

    def __init__(
        self, problem: FieldGradient, rows: CodedRows, slots: Slots, n: int, load: float
    ) -> None:
        self.answer_length = n
        self.dtype = np.dtype(np.int64)
        self.load = load
        self._problem = problem
        self._rows = rows
        self._slots = slots

    def compute(self, request: Request, message: int, out: NDArray[np.int64]) -> Iterator[float]:
        """Fill ``out``, (n_parameters,), with residues."""
        out[:] = 0
        for rows in self._rows.rows(self._slots.draw(request.iteration)):
            X: Any = rows.X
            out += self._problem.gradient(X, rows.y, request.payload)
            out[out >= self._problem.prime] -= self._problem.prime
            yield len(rows.y)
