"""What all ways to descend have in common that ask workers one by one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...errors import GaveUp
from ...outcomes import Outcome
from ...pool import Answer, Kind, Stream
from ..checkpoints import State
from ..loop import Diverged
from ..round import Interrupted, OutOfTime, Round
from .light import Light, generation_of
from .losses import Losses
from .parameters import Order
from .queue import Fixed, Numbers, Queue, Rows

if TYPE_CHECKING:
    from ..setup import Setup

# Messages in a row, all of one worker, that may hold numbers that are not finite.
MOST_NOT_FINITE = 100

Log = Callable[[int, int, int, int, int, float, Outcome], None]


class Streaming(ABC):
    """Asks whoever is idle, looks at what lands, and keeps the numbers of an iteration.

    The state's parameters are kept as segments ``x`` (n_segments, length) beside their own order.
    ``dry``: answers are counted and nothing is made of them.
    """

    def __init__(self, pool: Stream, setup: Setup, workers: Sequence[int], state: State) -> None:
        table, code = setup.config.asynchronous, setup.code
        self.dry = False
        self._pool = pool
        self._setup = setup
        self._state = state
        self._order = Order(setup.segments)
        self._x = self._order.cut(state.x)
        self._flat = self._order.flat(self._x)
        if self._order.layout is None:
            state.x = self._flat
        self._before = np.array(state.optimizer.answer(state.x), dtype=np.float64)
        self._losses = Losses(code.n_blocks)
        make: type[Queue] | type[Fixed] = Queue if table.rows == "queue" else Fixed
        self._rows: Rows = make(code, workers, table.n_codewords)
        self._generation = generation_of(code)
        self._light: Sequence[Light] = self._generation.messages
        self._weights = [light.scale**2 for light in self._light]
        self._arrived = np.zeros(pool.n_workers, dtype=bool)
        self._corrupt = np.zeros(pool.n_workers, dtype=bool)
        self._not_finite: list[int] = []  # the workers of such messages since the last finite one
        self._squares = 0.0
        self._n_used = 0
        self._post = self._wait = self._landed = 0.0
        self._first_versions: list[int] = []  # of each iteration since the start
        self._first_iteration = self._iteration = state.iteration
        self._record: Log | None = None

    def log(self, record: Log) -> Log:
        """Return what the pool is to call for messages that it drops."""
        self._record = record

        def dropped(
            iteration: int,
            round: int,
            message: int,
            worker: int,
            version: int,
            seconds: float,
            outcome: Outcome,
        ) -> None:
            record(iteration, 0, message, worker, self._iteration_of(version), seconds, outcome)

        return dropped

    def answer(self) -> NDArray[np.float64]:
        """Return the parameters at the beginning of the iteration, (n_parameters,)."""
        return self._before

    def go_through(self, iteration: int) -> None:
        """Let the time of one iteration pass."""
        if not self.dry:
            self.dry = True
            self._pool.version = 0  # delays and draws go by it
        self.gather(iteration, None)

    @abstractmethod
    def gather(self, iteration: int, until: float | None) -> Round:
        """Do one iteration; see `Strategy`."""

    def begin(self) -> None:
        """Forget how the time passed that `go_through` let pass."""
        self.dry = False

    def _open(self, iteration: int) -> None:
        self._pool.page(iteration)
        self._losses.page()
        self._arrived[:] = self._corrupt[:] = False
        self._squares, self._n_used = 0.0, 0
        self._post = self._wait = 0.0
        self._iteration = iteration
        if not self._first_versions:
            self._first_iteration = iteration
        self._first_versions.append(self._pool.version)
        self._before[:] = self._state.optimizer.answer(self._state.x)
        self._state.torn = True

    def _close(self, began: float, residual: float, amplification: float) -> Round:
        pool, state = self._pool, self._state
        if state.x is not self._flat:
            self._order.join(self._flat, state.x)
        state.torn = False
        self._corrupt |= pool.corrupt
        return Round(
            gradient=self._flat,
            loss=self._losses.estimate,
            residual=residual,
            amplification=amplification,
            shrinkage=1.0,
            n_arrived=self._n_used,
            arrived=self._arrived,
            corrupt=self._corrupt,
            post=self._post,
            wait=self._wait,
            decode=pool.now() - began - self._post - self._wait,
        )

    def _ask(self, wanted: dict[int, Numbers]) -> None:
        if wanted:
            began = self._pool.now()
            self._pool.ask(Kind.GRADIENT, self._flat, wanted)
            self._post += self._pool.now() - began

    def _land(self, deadline: float | None) -> list[Answer]:
        began = self._pool.now()
        answers = self._pool.arrivals(deadline)
        self._landed = self._pool.now()
        self._wait += self._landed - began
        return answers

    def _check_late(self, until: float | None) -> None:
        """Raise what ends a run to which nothing has come."""
        self._state.torn = False
        if self._pool.interrupted():
            raise Interrupted
        if until is not None and self._pool.now() >= until:
            raise OutOfTime
        self._state.torn = True

    def _nobody(self, iteration: int) -> GaveUp:
        self._state.torn = False
        members = self._pool.members
        lost = f" ({members})" if members.n_missing else ""
        return GaveUp(f"iteration {iteration}: nobody is left who could answer{lost}")

    def _is_sound(self, answer: Answer, number: int, square: float, iteration: int) -> bool:
        """Take down the squared norm of a message; blame it if that is NaN: it was not finite.

        number : of the message, among those that are known
        """
        if square == square:
            if self._not_finite:
                self._not_finite.clear()
            self._squares += self._weights[number] * square
            return True
        pool, worker = self._pool, answer.worker
        pool.members.blame(
            pool.now(), worker, f"message {answer.message} holds numbers that are not finite"
        )
        self._corrupt[worker] = True
        self._log(answer, pool.version - answer.iteration, Outcome.CORRUPT)
        self._not_finite.append(worker)
        n, several = len(self._not_finite), len(set(self._not_finite)) > 1
        alone = len(pool.members.active) == 1
        if n >= (pool.n_workers if several or alone else MOST_NOT_FINITE):
            raise Diverged(
                f"diverged: iteration {iteration}: {n} messages in a row hold numbers that are "
                "not finite; the parameters of the last finite loss are kept (a smaller "
                "optimizer.step_size?)"
            )
        return False

    def _count(self, answer: Answer, number: int, age: int, loss: float) -> None:
        """Take a message for one that is used at that age, and the loss it carries."""
        self._arrived[answer.worker] = True
        self._pool.n_stale += age > 0
        self._n_used += 1
        self._losses.add(self._light[number], loss)
        self._log(answer, age, Outcome.STALE_USED if age else Outcome.USED)

    def _log(self, answer: Answer, age: int, outcome: Outcome) -> None:
        if self._record is None:
            return
        worker, message, version = answer[:3]
        came_from = self._iteration_of(version)
        self._record(self._iteration, age, message, worker, came_from, self._landed, outcome)

    def _iteration_of(self, version: int) -> int:
        """Return the iteration in which the parameters were of this version."""
        return self._first_iteration + bisect_right(self._first_versions, version) - 1

    def _regulariser(self, at: NDArray[np.float64]) -> float:
        problem = self._setup.problem
        if problem.l2 == 0.0:
            return 0.0
        penalised = at[problem.penalised]
        return 0.5 * problem.l2 * float(penalised @ penalised)


def apart(payload: NDArray[Any]) -> tuple[NDArray[Any], float]:
    """Return the numbers of a message, and the loss behind them."""
    return payload[:-1], payload.item(-1)
