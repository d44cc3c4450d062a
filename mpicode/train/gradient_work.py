"""What a worker computes for a gradient code: combinations of its blocks' gradients."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..codes import GradientCode
from ..pool.worker import Request
from ..problems import Problem
from .blocks import Blocks
from .partition import Partition


class GradientWork:
    """Message ``i`` is ``sum_j encoding[i, j] * (gradient of block j)``, with the loss behind it.

    Nothing is encoded afterwards: by linearity the coded gradient is the gradient of a weighted
    loss, so each row's weight carries the coefficient of its block. The weights also carry
    1 / n_train, and for a mini-batch the block's share of the rows over the slots drawn, so that
    the sum of all blocks is the mean over the training rows (or an unbiased estimate of it).
    """

    def __init__(
        self,
        worker: int,
        code: GradientCode,
        problem: Problem,
        blocks: Blocks,
        partition: Partition,
        batch_size: int | None,
        dtype: np.dtype[Any],
    ) -> None:
        if code.n_segments != 1:
            raise AssertionError(f"{code.name}: {code.n_segments} segments, this work has 1")
        self.answer_length = problem.n_parameters + 1
        self.dtype = dtype
        self.load = code.load(worker)
        self._problem = problem
        self._blocks = blocks
        self._partition = partition
        self._batch_size = batch_size
        self._encoding = code.encoding
        self._weights: dict[tuple[float, int], NDArray[Any]] = {}
        blocks.preload(code.blocks(worker))

    def compute(self, request: Request, message: int, out: NDArray[Any]) -> Iterator[float]:
        """Fill ``out``, (n_parameters + 1,): the coded gradient and, last, the coded loss."""
        out[:] = 0
        gradient = out[:-1]
        start, stop = self._encoding.indptr[message : message + 2]
        loss = 0.0
        for place in range(start, stop):
            block = int(self._encoding.indices[place])
            slots, weight = self._draw(request.iteration, block)
            for rows in self._blocks.rows(block, slots):
                weights = self._row_weights(self._encoding.data[place] * weight, len(rows.y))
                loss += self._problem.gradient(request.payload, rows, weights, gradient)
                out[-1] = loss
                yield len(rows.y)

    def _draw(self, iteration: int, block: int) -> tuple[NDArray[np.int64] | None, float]:
        """Return the rows of the block to use, None for all, and the weight of each."""
        n_train = self._partition.n_train
        if self._batch_size is None:
            return None, 1.0 / n_train
        slots = self._partition.slots(iteration, block, self._batch_size)
        return slots, float(self._partition.sizes[block]) / (n_train * len(slots))

    def _row_weights(self, weight: float, n_rows: int) -> NDArray[Any]:
        weights = self._weights.get((weight, n_rows))
        if weights is None:
            if len(self._weights) > 256:
                self._weights.clear()
            weights = self._weights[weight, n_rows] = np.full(n_rows, weight, dtype=self.dtype)
        return weights
