"""One synchronous coded gradient: ask all who are idle, wait for enough, decode."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..codes import GradientCode
from ..errors import NotDecodable
from ..outcomes import Outcome
from ..pool import Kind, WorkerPool
from ..pool.transport import Slot
from .segments import Segments


class Interrupted(Exception):
    """The run was told to stop while it waited for answers."""


class OutOfTime(Exception):
    """The deadline came before enough answers did."""


@dataclass
class Round:
    """What one call gave and took; times in seconds.

    ``gradient`` is (n_parameters,), valid until the next call; ``arrived`` is (n_workers,) bool.
    """

    gradient: NDArray[np.float64]
    loss: float
    residual: float
    amplification: float
    n_arrived: int
    arrived: NDArray[np.bool_]
    post: float
    wait: float
    decode: float


class CodedGradient:
    """Calls the workers for the sum of all blocks' gradients, and for their loss with it.

    Messages are coded segments with one number behind them, the loss under the coefficients of
    segment 0; so the loss is decoded with that segment, and is as exact as the gradient.
    """

    def __init__(self, pool: WorkerPool, code: GradientCode, segments: Segments) -> None:
        self._pool = pool
        self._code = code
        self._decoder = code.decoder("gradient")
        self._wanted = [code.messages(w) for w in range(code.n_workers)]
        self._segments = segments
        self._decoded = segments.new_decoded()
        self._arrived = np.zeros(code.n_workers, dtype=bool)
        self._kept: list[Slot] = []

    def __call__(self, x: ArrayLike, iteration: int, deadline: float | None = None) -> Round:
        """Return the decoded gradient at ``x``, (n_parameters,).

        Raises `NotDecodable` when all workers have answered and it is still not enough,
        `OutOfTime` when it is not by ``deadline`` (run time, s), and `Interrupted` when the
        transport was told to stop waiting.
        """
        pool, decoder = self._pool, self._decoder
        began = pool.now()
        pool.begin(Kind.GRADIENT, iteration, x, self._wanted)
        posted = pool.now()
        self._arrived[:] = False
        for answer in pool.answers(deadline):
            used = decoder.add(answer.message, answer.payload, answer.age)
            if used:
                self._kept.append(answer.keep())
            self._arrived[answer.worker] = True
            outcome = Outcome.USED if used else Outcome.DUPLICATE
            if pool.log is not None:
                pool.log(
                    iteration, answer.round, answer.message, answer.worker, answer.iteration,
                    pool.now(), outcome,
                )  # fmt: skip
            if decoder.ready:
                break
        waited = pool.now()
        ready = decoder.ready
        pool.end()
        if ready:
            decoding = decoder.estimate(self._decoded)
            gradient, loss = self._segments.join(self._decoded)
        n_arrived = decoder.n_arrived
        decoder.reset()
        for slot in self._kept:
            pool.recycle(slot)
        self._kept.clear()
        if not ready:
            if pool.interrupted():
                raise Interrupted
            if deadline is not None and waited >= deadline:
                raise OutOfTime
            raise NotDecodable(
                f"iteration {iteration}: {n_arrived} of {self._code.n_messages} messages arrived, "
                f"which {self._code.name!r} cannot decode"
            )
        return Round(
            gradient=gradient,
            loss=loss,
            residual=decoding.residual,
            amplification=decoding.amplification,
            n_arrived=n_arrived,
            arrived=self._arrived,
            post=posted - began,
            wait=waited - posted,
            decode=pool.now() - waited,
        )
