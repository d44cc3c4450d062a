"""The worker's side: parameters out of what the master sends, for the work that computes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...pool import Kind, Request, Work
from .parameters import Order, descent_for

if TYPE_CHECKING:
    from ..setup import Setup


class Replayed:
    """Work at parameters that come in the order of the segments, or as updates to replay.

    The updates are replayed by the same class with which the master steps, in double precision; so
    both have the same bits. ``steps`` is how many the parameters ``flat`` have behind them.
    """

    def __init__(self, work: Work, setup: Setup) -> None:
        self.answer_length = work.answer_length
        self.dtype = work.dtype
        self.load = work.load
        self._work = work
        self._order = Order(setup.segments)
        self._own = np.empty(setup.problem.n_parameters, setup.dtype)
        self._seen: Request | None = None
        self._ready: Request | None = None
        self._updates = setup.config.asynchronous.downlink == "updates"
        if self._updates:
            self._width = setup.segments.length + 1
            self._optimizer = setup.optimizer()
            x = self._order.cut(setup.initial())
            self.flat = self._order.flat(x)
            self._descent = descent_for(setup, x, self._optimizer)

    @property
    def steps(self) -> int:
        """Steps behind the parameters."""
        return self._optimizer.iteration

    def compute(self, request: Request, message: int, out: NDArray[Any]) -> Iterable[float]:
        """Fill ``out``, (answer_length,), with ``message``; yield the cost of each part."""
        if request is not self._seen or self._ready is None:
            self._ready = request._replace(kind=Kind.GRADIENT, payload=self._parameters(request))
            self._seen = request
        return self._work.compute(self._ready, message, out)

    def _parameters(self, request: Request) -> NDArray[Any]:
        if not self._updates:
            if self._order.layout is None:
                return request.payload
            return self._order.join(request.payload, self._own)
        if request.kind == Kind.UPDATE:
            for update in request.payload.reshape(-1, self._width):
                self._descent.take(int(update[0]), update[1:], 0)
        else:
            self._optimizer.iteration = int(request.payload[0])
            self.flat[:] = request.payload[1:]
        return self._order.join(self.flat, self._own)
