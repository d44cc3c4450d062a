"""Rounds whose messages are asked one by one: a step only when those of one version are enough."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...codes import light
from ...codes.light import Orthogonal
from ...errors import GaveUp
from ...kernels import finite_square
from ...outcomes import Outcome
from ...pool import Answer, Stream
from ...pool.members import CORRUPT
from ..checkpoints import State
from ..round import Round
from .parameters import decay_for
from .queue import Numbers
from .streaming import Streaming, apart

if TYPE_CHECKING:
    from ..setup import Setup


class Rounds(Streaming):
    """Asks for messages at the same parameters until they are enough, then takes one step.

    Whoever is idle is asked for what nobody was asked for, and then for what others have not yet
    answered, so that nobody is waited for in particular; the second copy of a message is dropped,
    and so is what comes after its round. Those who still compute then are told to stop.
    """

    def __init__(self, pool: Stream, setup: Setup, workers: Sequence[int], state: State) -> None:
        super().__init__(pool, setup, workers, state)
        self._decay = decay_for(setup)
        self._gradient = np.zeros_like(self._x)
        given = setup.config.asynchronous.decoder
        self._sum: _Sum = _Own(setup) if given is None else _Solved(setup, given)
        self._kept: list[Answer] = []
        pool.version = state.iteration  # draws and delays go by it
        self._unasked: set[int] = set()
        self._missing: set[int] = set()

    def gather(self, iteration: int, until: float | None) -> Round:
        """Return the decoded gradient at the state's parameters."""
        pool, rules = self._pool, self._setup.rules
        began = pool.now()
        self._open(iteration)
        deadline = until
        if rules.deadline is not None:
            deadline = min(began + rules.deadline, math.inf if until is None else until)
        self._unasked = set(range(self._setup.code.n_messages))
        self._missing = set(self._unasked)
        try:
            enough = False
            while not enough:
                self._ask_idle()
                if not pool.waits:
                    break
                answers = self._land(deadline)
                for answer in answers:
                    enough = enough or self._take(answer, iteration)
                late = deadline is not None and pool.now() >= deadline
                if not answers and (late or pool.interrupted()):
                    if rules.deadline is None or pool.interrupted() or deadline == until:
                        self._check_late(until)
                    break
            pool.withdraw()
            if not self._n_used and rules.deadline is None:
                raise self._nobody(iteration)
            if not enough:
                self._check_enough(iteration)
            residual, amplification = 0.0, 0.0
            if self._n_used and not self.dry:
                residual, amplification = self._sum.estimate(self._gradient)
                self._name_damaged()
            pool.version += 1
            return self._close(began, residual, amplification)
        finally:
            self._sum.reset()
            for answer in self._kept:
                pool.recycle(answer.slot)
            self._kept.clear()

    def measure(self, done: Round) -> tuple[float, float]:
        """Add the L2 term to the gradient; return its value, and the norm."""
        if self._decay is not None:
            self._gradient += self._decay * self._x
        return self._regulariser(self._before), float(np.linalg.norm(self._gradient))

    def step(self, done: Round) -> None:
        """Let the optimizer step."""
        state = self._state
        state.optimizer.step(self._flat, self._order.flat(self._gradient))
        if state.x is not self._flat:
            self._order.join(self._flat, state.x)

    def kept(self) -> None:
        """Nothing is under way between rounds that would be used."""

    def _ask_idle(self) -> None:
        wanted: dict[int, Numbers] = {}
        for worker in self._pool.idle:
            messages = self._rows.take(worker, self._unasked)
            if not len(messages):
                messages = self._rows.take(worker, self._missing)
            if len(messages):
                wanted[worker] = messages
                self._unasked.difference_update(messages.tolist())
        self._ask(wanted)

    def _take(self, answer: Answer, iteration: int) -> bool:
        """Use a message; return whether there are enough now."""
        if answer.age:
            self._pool.n_stale += 1
            self._log(answer, answer.age, Outcome.STALE_DROPPED)
            return False
        if answer.message not in self._missing:
            self._log(answer, 0, Outcome.DUPLICATE)
            return False
        codeword, loss = apart(answer.payload)
        if not self.dry:
            square = finite_square(codeword) if math.isfinite(loss) else math.nan
            if not self._is_sound(answer, answer.message, square, iteration):
                return False
        self._missing.discard(answer.message)
        answer.keep()
        self._kept.append(answer)
        self._count(answer, answer.message, 0, loss)
        return self._sum.add(answer.message, codeword)

    def _check_enough(self, iteration: int) -> None:
        """Raise what ends a run that may not go on with too few messages."""
        setup = self._setup
        if setup.rules.deadline is not None or setup.config.faults.when_lost != "stop":
            return
        raise GaveUp(
            f"iteration {iteration}: {self._n_used} of {setup.code.n_messages} messages arrived, "
            f"which {setup.code.name!r} cannot decode ({self._pool.members})"
        )

    def _name_damaged(self) -> None:
        found = self._sum.found
        if found is None:
            return
        pool, (message, detail) = self._pool, found
        worker = -1
        if message is not None:
            worker = next(a.worker for a in self._kept if a.message == message)
            self._corrupt[worker] = True
        pool.members.note(pool.now(), CORRUPT, detail, worker)


class _Sum(ABC):
    """Makes the gradient out of messages of one version.

    found : the damaged message and what was seen; None where nothing was. The message is None where
            it is not known which
    """

    found: tuple[int | None, str] | None = None

    @abstractmethod
    def add(self, message: int, codeword: NDArray[Any]) -> bool:
        """Take a message, whose numbers stay until `reset`; return whether there are enough."""

    @abstractmethod
    def estimate(self, out: NDArray[np.float64]) -> tuple[float, float]:
        """Write the gradient into ``out``, (n_segments, length); return residual, amplification."""

    @abstractmethod
    def reset(self) -> None:
        """Forget all messages."""


class _Own(_Sum):
    """By the code's own decoder and the stop rules of ``[decoding]``."""

    def __init__(self, setup: Setup) -> None:
        self._rules = setup.rules
        self._decoder = setup.rules.code.decoder("gradient")

    def add(self, message: int, codeword: NDArray[Any]) -> bool:
        self._decoder.add(message, codeword, 0)
        return self._rules.enough(self._decoder)

    def estimate(self, out: NDArray[np.float64]) -> tuple[float, float]:
        decoding = self._decoder.estimate(out)
        return decoding.residual, decoding.amplification

    def reset(self) -> None:
        self._decoder.reset()


class _Solved(_Sum):
    """By a decoder of light messages, for all pieces; one that solves them can check messages."""

    def __init__(self, setup: Setup, given: str | dict[str, object]) -> None:
        parameters = dict(given) if isinstance(given, dict) else {"name": given}
        name = str(parameters.pop("name", "ortho"))
        rows = setup.code.encoding.toarray()
        self._n_messages = len(rows)
        self._decoder = light.make(name, parameters, rows=rows, length=setup.segments.length)
        self._n_blocks = setup.code.n_blocks
        self._n_checks = setup.config.asynchronous.n_checks
        self._added: dict[int, NDArray[Any]] = {}

    def add(self, message: int, codeword: NDArray[Any]) -> bool:
        decoder = self._decoder
        decoder.add(message, codeword)
        self._added[message] = codeword
        if len(self._added) == self._n_messages:
            self._settle()
            return True
        if not decoder.known().all():
            return False
        return len(self._added) - decoder.rank >= self._n_checks

    def estimate(self, out: NDArray[np.float64]) -> tuple[float, float]:
        decoder = self._decoder
        self._settle()
        if isinstance(decoder, Orthogonal) and not decoder.consistent:
            self._leave_out(decoder)
        pieces = decoder.estimate()
        pieces.reshape(len(out), self._n_blocks, -1).sum(axis=1, out=out)
        missed = float((~decoder.known()).sum())
        return missed, 0.0

    def _settle(self) -> None:
        if isinstance(self._decoder, Orthogonal):
            self._decoder.settle()

    def _leave_out(self, decoder: Orthogonal) -> None:
        """Solve again without the message that does not fit the others, where there is one."""
        verdict = decoder.damaged()
        if verdict.row is None:
            detail = f"messages contradict each other by {verdict.mismatch:.3g}, which one is wrong"
            self.found = None, f"{detail} cannot be said (asynchronous.n_checks at least 2?)"
            return
        self.found = (
            verdict.row,
            (f"message {verdict.row} does not fit the others by {verdict.mismatch:.3g}"),
        )
        decoder.reset()
        for message, codeword in self._added.items():
            if message != verdict.row:
                decoder.add(message, codeword)
        decoder.settle()

    def reset(self) -> None:
        self._decoder.reset()
        self._added.clear()
        self.found = None
