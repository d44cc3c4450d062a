"""Steps message by message: `direct`, `memory` and `sega`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...outcomes import Outcome
from ...pool import Answer, Stream
from ...pool.members import CODE
from ..checkpoints import State
from ..round import Round
from .kept import count
from .light import Generation
from .parameters import descent_for
from .relay import Relay
from .repacking import Repacking
from .streaming import Streaming, apart

if TYPE_CHECKING:
    from ..setup import Setup

_PREFIX = "asynchronous."

Record = Callable[[Mapping[str, Any], int], None]


class Asynchronous(Streaming):
    """Uses every message the moment it lands; never waits for anyone in particular.

    An iteration ends when ``run.record_every`` messages were used, with what else landed in the
    same sweep. All steps are made while it is gathered; its loss is that of the messages, each at
    the parameters it was computed at, and the norm of its gradient an estimate from theirs.

    The rows of the code may be made anew now and then, see `Repacking`. Workers go by them from
    their next request on; messages of the rows before, which come late, are used as they are.

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
        self._descent = descent_for(setup, self._x, state.optimizer, [self._generation])
        self._relay = None
        if table.downlink == "updates":
            self._relay = Relay(pool, state.optimizer, self._flat, setup)
        self._empties = empties
        self._repacking: Repacking | None = None
        if table.repack_every:
            self._repacking = Repacking(setup, pool, self._generation)
        # by which messages come: the one at work, and those before whose are not too old
        self._generations = [self._generation]
        self._most_generations = 1 + math.ceil(self._oldest / max(1, table.repack_every))
        self._n_total = 0  # messages used since the run began
        self._asked_at = -1  # the version of the last request
        self._untold = False  # whether workers still go by the run's first code
        self._record_code: Record | None = None
        if state.more:
            self._restore(state.more)
        state.remember = self._memory

    def gather(self, iteration: int, until: float | None) -> Round:
        """Use messages until there are enough for one iteration."""
        began = self._pool.now()
        self._open(iteration)
        if self._untold:
            self._tell_rows()
        while self._n_used < self._every:
            self._ask_idle()
            if not self._pool.waits:
                raise self._nobody(iteration)
            answers = self._land(until)
            for answer in answers:
                self._take(answer, iteration)
            self._repack(iteration)
            if not answers and (self._n_used == 0 or self._is_late(until)):
                if self._n_used:
                    break
                self._check_late(until)
        return self._close(began, math.nan, math.nan)

    def measure(self, done: Round) -> tuple[float, float]:
        """Return the L2 term, and the root of the mean square that whole gradients would have.

        Of rows made to tell much, messages are not like any others: then it is the estimate's norm.
        """
        if self._repacking is not None:
            pieces = self._descent.estimate().reshape(len(self._x), -1, self._x.shape[1])
            return self._regulariser(self._before), float(np.linalg.norm(pieces.sum(axis=1)))
        mean = self._squares / max(1, self._n_used) * self._setup.code.n_segments
        return self._regulariser(self._before), math.sqrt(mean)

    def step(self, done: Round) -> None:
        """Nothing: the steps are made."""

    def kept(self) -> None:
        """Give up what is under way, if it is to be."""
        if self._empties:
            self._pool.forget_all()
            if self._repacking is not None:
                self._expect(self._generations[:1])

    def go_through(self, iteration: int) -> None:
        """Let the time of one iteration pass; rows are made anew when they were, but not others."""
        if self._repacking is not None and not self.dry:
            self._repacking.put_off(0)
            self._untold = False
        super().go_through(iteration)

    def begin(self) -> None:
        """Go on from the checkpoint, with nothing under way."""
        super().begin()
        self._restore(self._state.more)
        self._pool.forget_all()

    def record_codes_by(self, record: Record) -> None:
        """Have ``record`` called with the arrays of each further code, and when it begins."""
        self._record_code = record

    def code_arrays(self) -> dict[str, Any]:
        """Return what is different from the run's first code, and from which message on."""
        made = self._repacking
        return {} if made is None or made.at_work is self._generation else made.arrays()

    def _repack(self, iteration: int) -> None:
        """Go by new rows, where it is time and there are some.

        Never between two requests of one version: so the version tells which rows were asked for.
        """
        made, version = self._repacking, self._pool.version
        if made is None or version == self._asked_at or not made.is_due(version):
            return
        if self.dry:
            made.put_off(version)
        elif not made.offer(version, self._descent.estimate()):
            return
        before = self._generations[0]
        self._expect([made.at_work, *self._generations][: self._most_generations])
        self._tell_rows()
        if self.dry or made.at_work is before:
            return
        made.from_message = n = self._n_total
        detail = f"from message {n} on, rows that tell {made.told:.3f} of what any could"
        self._pool.members.note(self._pool.now(), CODE, detail)
        if self._record_code is not None:
            self._record_code({"owner": self._setup.code.owner, **made.arrays()}, iteration)

    def _tell_rows(self) -> None:
        assert self._repacking is not None
        rows = np.ascontiguousarray(self._repacking.rows, dtype=np.float64)
        self._pool.renew(rows.reshape(-1).view(np.int64))
        self._untold = False

    def _expect(self, generations: list[Generation]) -> None:
        """Use messages of these from now on, the newest first."""
        state = self._descent.state()
        self._generations = generations
        self._descent = descent_for(self._setup, self._x, self._state.optimizer, generations)
        self._descent.restore(state)
        self._light = self._descent.messages
        self._weights = [light.scale**2 for light in self._light]

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
        if wanted:
            self._asked_at = pool.version
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
        number = answer.message
        if answer.generation != pool.generation:
            number += (pool.generation - answer.generation) * self._setup.code.n_messages
        if age > self._oldest or number >= len(self._light):
            pool.n_stale += 1
            self._log(answer, age, Outcome.STALE_DROPPED)
            return
        codeword, loss = apart(answer.payload)
        if self.dry:
            self._descent.skip()
        else:
            square = math.nan
            if math.isfinite(loss):
                square = self._descent.take(number, codeword, age)
            if not self._is_sound(answer, number, square, iteration):
                return
            if self._relay is not None:
                self._relay.used(answer.message, codeword)
        self._count(answer, number, age, loss)
        self._n_total += 1
        pool.version += 1

    def _memory(self) -> dict[str, Any]:
        """Return what a checkpoint keeps beside parameters and optimizer."""
        kept: dict[str, Any] = {
            f"{_PREFIX}{key}": value for key, value in self._descent.state().items()
        }
        kept[f"{_PREFIX}version"] = self._pool.version
        if self._repacking is not None:
            more = {**self._repacking.state(), "n_total": self._n_total}
            kept.update({f"{_PREFIX}{key}": value for key, value in more.items()})
        return kept

    def _restore(self, more: dict[str, Any]) -> None:
        state = {key.removeprefix(_PREFIX): value for key, value in more.items()}
        version = count(state, "version")
        if self._repacking is not None:
            self._repacking.restore(state)
            self._n_total = count(state, "n_total")
            first = self._repacking.at_work is self._generation
            self._untold = self._pool.generation == 0 and not first
            self._expect([self._repacking.at_work])
        self._descent.restore(state)
        self._pool.version = version
