"""What a worker computes for a gradient code: combinations of the pieces of its gradients."""

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
from .parts import Part, Parts
from .segments import Segments


class GradientWork:
    """Message ``i`` is the sum of ``encoding[i]`` times the pieces, with the loss behind it.

    Encoding costs nothing or little: by linearity the weighted sum of several blocks' gradients is
    the gradient of a weighted loss, so each row's weight carries the coefficient of its block. With
    one segment that is the message. With several it is folded from the segments of that gradient:
    once if all its blocks share one direction (see `Part`). If they do not, each segment of the one
    gradient has row weights of its own where the problem does that in one pass, and elsewhere every
    part is folded by itself. For light codes there is `LightWork`.

    The weights also carry 1 / n_train, and for a mini-batch the block's share of the rows over the
    slots drawn, so that the sum of all blocks is the mean over the training rows (or an unbiased
    estimate of it).

    plain_loss : the loss behind a message is that of its blocks, whatever segments it has; such
                 messages are used one by one
    drawer     : mini-batches of the same iteration are the same for all who have this number
    """

    def __init__(
        self,
        worker: int,
        code: GradientCode,
        problem: Problem,
        segments: Segments,
        blocks: Blocks,
        partition: Partition,
        batch_size: int | None,
        plain_loss: bool = False,
        drawer: int = 0,
    ) -> None:
        self.answer_length = segments.answer_length
        self.dtype = segments.dtype
        self.load = code.load(worker)
        self._problem = problem
        self._segments = segments
        self._blocks = blocks
        self._partition = partition
        self._batch_size = batch_size
        self._plain_loss = plain_loss
        self._drawer = drawer
        self._parts = Parts(code)
        self._weights: dict[tuple[float, int], NDArray[Any]] = {}
        # with one real segment the gradient is the message
        self._whole: NDArray[Any] | None = None
        if segments.n_segments > 1 or segments.is_complex or segments.layout is not None:
            self._whole = np.zeros(segments.padded_length, problem.dtype)
        self._ones = np.ones(segments.n_segments)
        self._at_once = (
            problem.segments_in_one_pass and segments.layout is None and not segments.is_complex
        )
        blocks.preload(code.blocks(worker))

    def compute(self, request: Request, message: int, out: NDArray[Any]) -> Iterator[float]:
        """Fill ``out``, (answer_length,): the coded segment and, last, the coded loss."""
        parts = self._parts(message, request.iteration)
        if len(parts) > 1 and self._at_once:
            yield from self._all_at_once(message, request, out)
            return
        out[:] = 0
        for place, part in enumerate(parts):
            yield from self._add(part, place > 0, request, out)

    def _add(self, part: Part, add: bool, request: Request, out: NDArray[Any]) -> Iterator[float]:
        """Add one part to the message; yield what each chunk of rows cost."""
        whole = self._whole
        gradient = out[:-1]
        if whole is not None:
            whole[:] = 0
            gradient = whole[: self._segments.n_parameters]
        before, loss = out[-1], 0.0
        for block, coefficient in part.blocks:
            slots, weight = self._draw(request.iteration, block)
            for rows in self._blocks.rows(block, slots):
                weights = self._row_weights(coefficient * weight, len(rows.y))
                loss += self._problem.gradient(request.payload, rows, weights, gradient)
                out[-1] = before + (1.0 if self._plain_loss else part.direction[0]) * loss
                yield len(rows.y)
        if whole is not None:
            self._segments.fold(part.direction, whole, out[:-1], add)

    def _all_at_once(self, message: int, request: Request, out: NDArray[Any]) -> Iterator[float]:
        """Compute the message from one gradient whose segments have weights of their own."""
        whole, loss = self._whole, 0.0
        assert whole is not None
        whole[:] = 0
        for block, column in self._parts.columns(message, request.iteration):
            slots, weight = self._draw(request.iteration, block)
            for rows in self._blocks.rows(block, slots):
                n_rows = len(rows.y)
                weights = np.broadcast_to((weight * column)[:, None], (len(column), n_rows))
                loss += self._problem.gradient(request.payload, rows, weights, whole)
                yield n_rows
        out[-1] = loss
        self._segments.fold(self._ones, whole, out[:-1], add=False)

    def _draw(self, iteration: int, block: int) -> tuple[NDArray[np.int64] | None, float]:
        """Return the rows of the block to use, None for all, and the weight of each."""
        n_train = self._partition.n_train
        if self._batch_size is None:
            return None, 1.0 / n_train
        slots = self._partition.slots(iteration, block, self._batch_size, self._drawer)
        return slots, float(self._partition.sizes[block]) / (n_train * len(slots))

    def _row_weights(self, weight: float, n_rows: int) -> NDArray[Any]:
        weights = self._weights.get((weight, n_rows))
        if weights is None:
            if len(self._weights) > 256:
                self._weights.clear()
            dtype = self._problem.dtype
            weights = self._weights[weight, n_rows] = np.full(n_rows, weight, dtype=dtype)
        return weights
