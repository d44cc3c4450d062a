"""One synchronous coded gradient: ask all who are idle, wait for enough, decode."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..codes import GradientCode
from ..errors import NotDecodable
from ..outcomes import Outcome
from ..pool import Kind, WorkerPool
from ..pool.transport import Slot
from .segments import Segments
from .shrinkage import Shrinkage
from .stop_rules import StopRules


class Interrupted(Exception):
    """The run was told to stop while it waited for answers."""


class OutOfTime(Exception):
    """The run's time was over before enough answers came."""


@dataclass
class Round:
    """What one call gave and took; times in seconds.

    ``gradient`` is (n_parameters,), valid until the next call; ``arrived`` is (n_workers,) bool.
    ``gradient`` and ``loss`` have been divided by ``shrinkage``; residual and amplification are
    those of the decoding before that. Where nothing arrived the gradient is 0 and the loss NaN.
    """

    gradient: NDArray[np.float64]
    loss: float
    residual: float
    amplification: float
    shrinkage: float
    n_arrived: int
    arrived: NDArray[np.bool_]
    post: float
    wait: float
    decode: float


class CodedGradient:
    """Calls the workers for the sum of all blocks' gradients, and for their loss with it.

    Messages are coded segments with one number behind them, the loss under the coefficients of
    segment 0; so the loss is decoded with that segment, and is as exact as the gradient.

    rules     : when enough has arrived, and what decodes it; by default ``code`` knows
    when_lost : what to do when workers are lost and the others cannot give the exact sum:
                ``"approximate"`` takes the best estimate, ``"stop"`` raises `NotDecodable`
    shrinkage : what decoded sums are divided by; by default nothing is
    """

    def __init__(
        self,
        pool: WorkerPool,
        code: GradientCode,
        segments: Segments,
        rules: StopRules | None = None,
        shrinkage: Shrinkage | None = None,
        when_lost: Literal["approximate", "stop"] = "stop",
    ) -> None:
        self._pool = pool
        self._rules = StopRules(code) if rules is None else rules
        self._shrinkage = Shrinkage() if shrinkage is None else shrinkage
        self._when_lost = when_lost
        self._code = self._rules.code
        self._decoder = self._code.decoder("gradient")
        self._wanted = [code.messages(w) for w in range(code.n_workers)]
        self._segments = segments
        self._decoded = segments.new_decoded()
        self._arrived = np.zeros(code.n_workers, dtype=bool)
        self._kept: list[Slot] = []

    def __call__(self, x: ArrayLike, iteration: int, until: float | None = None) -> Round:
        """Return the decoded gradient at ``x``, (n_parameters,).

        Raises `NotDecodable` when all workers have answered, it is still not enough and neither a
        deadline nor ``when_lost`` allows to go on with what there is; `OutOfTime` when it is not
        enough by ``until`` (run time, s), and `Interrupted` when the transport was told to stop
        waiting.
        """
        pool, rules = self._pool, self._rules
        if self._code.varies:
            self._decoder = self._code.at(iteration).decoder("gradient")
        decoder = self._decoder
        began = pool.now()
        deadline = until
        if rules.deadline is not None:
            deadline = min(began + rules.deadline, np.inf if until is None else until)
        pool.begin(Kind.GRADIENT, iteration, x, self._wanted)
        posted = pool.now()
        self._arrived[:] = False
        enough = False
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
            enough = rules.enough(decoder)
            if enough:
                break
        waited = pool.now()
        pool.end()
        try:
            if not enough:
                self._check_late(iteration, waited, until)
            return self._decode(enough, began, posted, waited)
        finally:
            decoder.reset()
            for slot in self._kept:
                pool.recycle(slot)
            self._kept.clear()

    def _check_late(self, iteration: int, waited: float, until: float | None) -> None:
        """Raise what ends the run where it may not go on with too few answers."""
        if self._pool.interrupted():
            raise Interrupted
        if until is not None and waited >= until:
            raise OutOfTime
        members, n_arrived = self._pool.members, self._decoder.n_arrived
        if self._rules.deadline is not None or (
            n_arrived and members.n_missing and self._when_lost == "approximate"
        ):
            return
        lost = f" ({members})" if members.n_missing else ""
        raise NotDecodable(
            f"iteration {iteration}: {n_arrived} of {self._code.n_messages} messages arrived, "
            f"which {self._code.name!r} cannot decode{lost}"
        )

    def _decode(self, enough: bool, began: float, posted: float, waited: float) -> Round:
        decoder = self._decoder
        decoding = decoder.estimate(self._decoded)
        gradient, loss = self._segments.join(self._decoded)
        n_arrived = decoder.n_arrived
        shrinkage = 1.0
        if n_arrived:
            shrinkage = self._shrinkage.of(self._code, decoding, None if enough else n_arrived)
        else:
            loss = np.nan
        if shrinkage != 1.0:
            gradient /= shrinkage
            loss /= shrinkage
        return Round(
            gradient=gradient,
            loss=loss,
            residual=decoding.residual,
            amplification=decoding.amplification,
            shrinkage=shrinkage,
            n_arrived=n_arrived,
            arrived=self._arrived,
            post=posted - began,
            wait=waited - posted,
            decode=self._pool.now() - waited,
        )
