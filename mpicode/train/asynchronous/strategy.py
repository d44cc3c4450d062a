"""Steps message by message: `direct`, `memory` and `sega`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ...outcomes import Outcome
from ...pool import Answer, Stream
from ..checkpoints import State
from ..round import Round
from .kept import count
from .parameters import descent_for
from .relay import Relay
from .streaming import Streaming, apart

if TYPE_CHECKING:
    from ..setup import Setup

_PREFIX = "asynchronous."


class Asynchronous(Streaming):
    """Uses every message the moment it lands; never waits for anyone in particular.

    An iteration ends when ``run.record_every`` messages were used, with what else landed in the
    same sweep. All steps are made while it is gathered; its loss is that of the messages, each at
    the parameters it was computed at, and the norm of its gradient an estimate from theirs.

    empties : whether what is under way is given up when a checkpoint is written, so that a run that
              goes on from there is the same
    """

    def __init__(
        self,
        pool: Stream,
        setup: Setup,
        workers: Sequence[int],
        state: State,
        empties: bool = False,
    ) -> None:
        super().__init__(pool, setup, workers, state)
        table, run = setup.config.asynchronous, setup.config.run
        self._every = run.record_every or run.n_workers
        self._oldest = table.max_staleness
        if self._oldest is None:
            self._oldest = 4 * setup.code.n_messages
        self._after_step = table.ask == "after-step"
        self._descent = descent_for(setup, self._x, state.optimizer)
        self._relay = None
        if table.downlink == "updates":
            self._relay = Relay(pool, state.optimizer, self._flat, setup)
        self._empties = empties
        if state.more:
            self._restore(state.more)
        state.remember = self._memory

    def gather(self, iteration: int, until: float | None) -> Round:
        """Use messages until there are enough for one iteration."""
        began = self._pool.now()
        self._open(iteration)
        while self._n_used < self._every:
            self._ask_idle()
            if not self._pool.waits:
                raise self._nobody(iteration)
            answers = self._land(until)
            for answer in answers:
                self._take(answer, iteration)
            if not answers and (self._n_used == 0 or self._is_late(until)):
                if self._n_used:
                    break
                self._check_late(until)
        return self._close(began, math.nan, math.nan)

    def measure(self, done: Round) -> tuple[float, float]:
        """Return the L2 term, and the root of the mean square that whole gradients would have."""
        mean = self._squares / max(1, self._n_used) * self._setup.code.n_segments
        return self._regulariser(self._before), math.sqrt(mean)

    def step(self, done: Round) -> None:
        """Nothing: the steps are made."""

    def kept(self) -> None:
        """Give up what is under way, if it is to be."""
        if self._empties:
            self._pool.forget_all()

    def begin(self) -> None:
        """Go on from the checkpoint, with nothing under way."""
        super().begin()
        self._restore(self._state.more)
        self._pool.forget_all()

    def _is_late(self, until: float | None) -> bool:
        pool = self._pool
        return pool.interrupted() or (until is not None and pool.now() >= until)

    def _ask_idle(self) -> None:
        pool = self._pool
        if self._after_step and self._descent.n_waiting and pool.waits:
            return
        wanted = {}
        for worker in pool.idle:
            messages = self._rows.take(worker)
            if len(messages):
                wanted[worker] = messages
        if self._relay is None:
            self._ask(wanted)
        elif wanted:
            began = pool.now()
            self._relay.ask(wanted)
            self._post += pool.now() - began

    def _take(self, answer: Answer, iteration: int) -> None:
        pool = self._pool
        assert self._oldest is not None
        # those used before it in the same sweep made versions, too
        age = pool.version - answer.iteration
        if age > self._oldest:
            pool.n_stale += 1
            self._log(answer, age, Outcome.STALE_DROPPED)
            return
        codeword, loss = apart(answer.payload)
        if self.dry:
            self._descent.skip()
        else:
            square = math.nan
            if math.isfinite(loss):
                square = self._descent.take(answer.message, codeword, age)
            if not self._is_sound(answer, square, iteration):
                return
            if self._relay is not None:
                self._relay.used(answer.message, codeword)
        self._count(answer, age, loss)
        pool.version += 1

    def _memory(self) -> dict[str, Any]:
        """Return what a checkpoint keeps beside parameters and optimizer."""
        kept: dict[str, Any] = {
            f"{_PREFIX}{key}": value for key, value in self._descent.state().items()
        }
        kept[f"{_PREFIX}version"] = self._pool.version
        return kept

    def _restore(self, more: dict[str, Any]) -> None:
        state = {key.removeprefix(_PREFIX): value for key, value in more.items()}
        version = count(state, "version")
        self._descent.restore(state)
        self._pool.version = version
