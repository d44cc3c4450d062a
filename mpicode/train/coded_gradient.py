"""One synchronous coded gradient: ask all who are idle, wait for enough, decode."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from ..codes import GradientCode
from ..errors import NotDecodable
from ..outcomes import Outcome
from ..pool import Kind, WorkerPool
from ..pool.transport import Slot
from .restoration import Restoration
from .round import Interrupted, OutOfTime, Round
from .segments import Segments
from .shrinkage import Shrinkage
from .stop_rules import StopRules

# While there is nobody to ask: time between two looks at those who get ready.
_LOOK_SECONDS = 0.05


class CodedGradient:
    """Calls the workers for the sum of all blocks' gradients, and for their loss with it.

    Messages are coded segments with one number behind them, the loss under the coefficients of
    segment 0; so the loss is decoded with that segment, and is as exact as the gradient.

    rules     : when enough has arrived, and what decodes it; by default ``code`` knows
    shrinkage : what decoded sums are divided by; by default nothing is
    when_lost : what to do when workers are lost and the others cannot give the exact sum:
                ``"stop"`` raises `NotDecodable`, anything else takes the best estimate
    restoration : what makes the code anew when workers are lost; by default nobody does
    workers   : who has which place in the code; by default worker ``i`` has place ``i``

    Damaged messages are the pool's to find; but one that came whole can still hold numbers that are
    not finite. That is looked for in the sum, and only then in the messages: whose numbers are not
    finite is not used, and where the others are not enough, all are asked once more. If they cannot
    give a finite sum either, the sum itself has left the range of numbers, and is handed on.
    """

    def __init__(
        self,
        pool: WorkerPool,
        code: GradientCode,
        segments: Segments,
        rules: StopRules | None = None,
        shrinkage: Shrinkage | None = None,
        when_lost: Literal["restore", "approximate", "stop"] = "stop",
        restoration: Restoration | None = None,
        workers: Sequence[int] | None = None,
    ) -> None:
        self._pool = pool
        self._when_lost = when_lost
        self._restoration = restoration
        self._arrived = np.zeros(pool.n_workers, dtype=bool)
        self._corrupt = np.zeros(pool.n_workers, dtype=bool)
        self._kept: list[tuple[int, int, Slot]] = []  # worker and message
        self._refused: dict[int, int] = {}  # messages of this iteration, and whose they are
        self._use(
            segments,
            StopRules(code) if rules is None else rules,
            Shrinkage() if shrinkage is None else shrinkage,
            range(code.n_workers) if workers is None else workers,
        )

    def _use(
        self, segments: Segments, rules: StopRules, shrinkage: Shrinkage, workers: Sequence[int]
    ) -> None:
        """Decode by ``rules`` what ``workers``, in the code's order, send from now on."""
        self._rules = rules
        self._shrinkage = shrinkage
        self._code = rules.code
        self._decoder = self._code.decoder("gradient")
        self._wanted = [np.empty(0, dtype=np.intp) for _ in range(self._pool.n_workers)]
        for place, worker in enumerate(workers):
            self._wanted[worker] = self._code.messages(place)
        self._segments = segments
        self._decoded = segments.new_decoded()

    def __call__(self, x: ArrayLike, iteration: int, until: float | None = None) -> Round:
        """Return the decoded gradient at ``x``, (n_parameters,).

        Raises `NotDecodable` when all workers have answered, it is still not enough and neither a
        deadline nor ``when_lost`` allows to go on with what there is; `OutOfTime` when it is not
        enough by ``until`` (run time, s), and `Interrupted` when the transport was told to stop
        waiting.
        """
        self._restore(iteration)
        began = self._pool.now()
        deadline = until
        if self._rules.deadline is not None:
            deadline = min(began + self._rules.deadline, np.inf if until is None else until)
        self._refused.clear()
        self._corrupt[:] = False
        rounds = itertools.count()
        done = None
        while done is None:  # each round refuses one more message, or is the last
            done = self._ask(x, iteration, next(rounds), began, deadline, until)
        return done

    def _ask(
        self,
        x: ArrayLike,
        iteration: int,
        round: int,
        began: float,
        deadline: float | None,
        until: float | None,
    ) -> Round | None:
        """Return what one round gives, None where all are to be asked once more."""
        if self._code.varies:
            self._decoder = self._code.at(iteration).decoder("gradient")
        pool, decoder, rules = self._pool, self._decoder, self._rules
        asked = pool.now()
        pool.begin(Kind.GRADIENT, iteration, x, self._wanted, round)
        post = pool.now() - asked
        self._arrived[:] = False
        enough = False
        for answer in pool.answers(deadline):
            if answer.message in self._refused:
                self._log(answer.message, answer.worker, iteration, round, Outcome.CORRUPT)
                continue
            used = decoder.add(answer.message, answer.payload, answer.age)
            if used:
                self._kept.append((answer.worker, answer.message, answer.keep()))
            self._arrived[answer.worker] = True
            outcome = Outcome.USED if used else Outcome.DUPLICATE
            self._log(answer.message, answer.worker, iteration, round, outcome)
            enough = rules.enough(decoder)
            if enough:
                break
        waited = pool.now()
        self._corrupt |= pool.corrupt
        pool.end()
        nobody_left = not decoder.n_arrived and (deadline is None or waited < deadline)
        if nobody_left and self._others_get_ready(iteration, until):
            return None
        try:
            if not enough:
                self._check_late(iteration, waited, until)
            done = self._decode(enough, began, post, waited)
            if self._refused and not enough and rules.deadline is None:
                # only those whose numbers are not finite have what is missing
                done.gradient[:] = done.loss = np.nan
                return done
            if self._is_finite():
                return self._blamed(done, iteration, round)
            if not self._refuse():
                return done
            enough = rules.enough(decoder)
            if enough or rules.deadline is not None:
                return self._blamed(self._decode(enough, began, post, waited), iteration, round)
            return None
        finally:
            decoder.reset()
            for _, _, slot in self._kept:
                pool.recycle(slot)
            self._kept.clear()

    def _log(self, message: int, worker: int, iteration: int, round: int, outcome: Outcome) -> None:
        pool = self._pool
        if pool.log is not None:
            pool.log(iteration, round, message, worker, iteration, pool.now(), outcome)

    def _is_finite(self) -> bool:
        """Return whether what was decoded is, at the cost of one sum of squares."""
        flat = self._decoded.reshape(-1)
        return bool(np.isfinite(np.dot(flat, flat))) or bool(np.isfinite(flat).all())

    def _refuse(self) -> bool:
        """Go on without the messages that are not finite; return whether some are and some not."""
        whole, refused = [], {}
        for worker, message, slot in self._kept:
            if np.isfinite(slot.values).all():
                whole.append((message, slot))
            else:
                refused[message] = worker
        if not (whole and refused):
            return False
        self._refused.update(refused)
        self._decoder.reset()
        for message, slot in whole:
            self._decoder.add(message, slot.values, 0)
        return True

    def _blamed(self, done: Round, iteration: int, round: int) -> Round:
        """Name the workers whose messages were refused, now that the others have given the sum."""
        for message, worker in self._refused.items():
            self._pool.members.blame(
                self._pool.now(), worker, f"message {message} holds numbers that are not finite"
            )
            self._log(message, worker, iteration, round, Outcome.CORRUPT)
            done.corrupt[worker] = True
            done.arrived[worker] = False
        return done

    def _restore(self, iteration: int) -> bool:
        """Return whether a fresh code is ready; ``iteration`` then begins with it."""
        if self._restoration is None:
            return False
        scheme = self._restoration.step(iteration)
        if scheme is None:
            return False
        setup = scheme.setup
        self._use(setup.segments, setup.rules, scheme.shrinkage, scheme.workers)
        return True

    def _others_get_ready(self, iteration: int, until: float | None) -> bool:
        """Wait for those who had no part in this code; return whether they have one in another."""
        pool, restoration = self._pool, self._restoration
        while not self._restore(iteration):
            late = until is not None and pool.now() >= until
            if restoration is None or not restoration.is_under_way or late or pool.interrupted():
                return False
            pool.pause(_LOOK_SECONDS)
        return True

    def _check_late(self, iteration: int, waited: float, until: float | None) -> None:
        """Raise what ends the run where it may not go on with too few answers."""
        if self._pool.interrupted():
            raise Interrupted
        if until is not None and waited >= until:
            raise OutOfTime
        if self._refused:
            return
        members, n_arrived = self._pool.members, self._decoder.n_arrived
        spoilt = np.flatnonzero(self._pool.corrupt).tolist()
        empty = np.flatnonzero(self._pool.empty).tolist()
        if self._rules.deadline is not None or (
            n_arrived and (members.n_missing or spoilt or empty) and self._when_lost != "stop"
        ):
            return
        parts = [str(members)] * bool(members.n_missing)
        parts += [f"damaged messages: of workers {spoilt}"] * bool(spoilt)
        parts += [f"empty messages: of workers {empty}"] * bool(empty)
        lost = f" ({', '.join(parts)})" if parts else ""
        raise NotDecodable(
            f"iteration {iteration}: {n_arrived} of {self._code.n_messages} messages arrived, "
            f"which {self._code.name!r} cannot decode{lost}"
        )

    def _decode(self, enough: bool, began: float, post: float, waited: float) -> Round:
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
            corrupt=self._corrupt,
            post=post,
            wait=waited - began - post,
            decode=self._pool.now() - waited,
        )
