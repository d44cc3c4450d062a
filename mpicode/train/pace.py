"""Bringing the virtual clock to where a checkpoint was written.

What workers were busy with at that moment decides which of them answer next, and with that the last
bits of decoded sums. It follows from the configuration alone, not from the numbers computed. So the
iterations before the checkpoint are gone through once more with workers that take their time and
compute nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Any

from numpy.typing import ArrayLike, NDArray

from ..pool import Request, Work, WorkerPool
from .coded_gradient import CodedGradient, Interrupted
from .gradient_work import GradientWork


class Paced:
    """A worker's work that takes its time, and computes from when `computing` is true."""

    def __init__(self, work: GradientWork) -> None:
        self.answer_length = work.answer_length
        self.dtype = work.dtype
        self.load = work.load
        self.computing = False
        self._work = work

    def compute(self, request: Request, message: int, out: NDArray[Any]) -> Iterable[float]:
        """Fill ``out``, (answer_length,), with the message, or with zeros; yield what it costs."""
        if self.computing:
            return self._work.compute(request, message, out)
        out[:] = 0
        return self._work.costs(request, message)


def go_through(
    pool: WorkerPool, gradient: CodedGradient, works: Iterable[Paced], x: ArrayLike, n: int
) -> None:
    """Let the time of the first ``n`` iterations pass; ``x``, (n_parameters,), is posted."""
    with contextlib.suppress(Interrupted):
        for iteration in range(n):
            gradient(x, iteration)
    for work in works:
        work.computing = True
