"""One round with a data code: ask all who are idle, wait for enough, decode, name who is wrong."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, Generic, Literal, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import NotDecodable
from ..outcomes import Outcome
from ..pool import Kind, WorkerPool
from ..pool.members import NOT_RESTORED
from ..pool.transport import Slot
from .data_rules import DataRules
from .round import Interrupted, OutOfTime

Bool = NDArray[np.bool_]
Vectors = Sequence[NDArray[Any] | None]


class Found(Protocol):
    """What answers decode to."""

    @property
    def corrupt(self) -> Bool | None:
        """(n_workers,), whose answers are wrong; None where the code finds nobody."""

    @property
    def is_finite(self) -> bool:
        """Whether all its numbers are."""


T = TypeVar("T", bound=Found)


class Gathered(NamedTuple, Generic[T]):
    """What one call gave and took; times in seconds.

    ``found`` is None where nothing arrived by the deadline; ``arrived`` are those whose answers
    were used, ``corrupt`` those found to be wrong, (n_workers,) each.
    """

    found: T | None
    arrived: Bool
    corrupt: Bool
    post: float
    wait: float
    decode: float


class Gathering:
    """Calls the workers, each of which has one message: the function at its coded block.

    kind      : of the requests
    when_lost : ``"stop"`` raises `NotDecodable` when workers are lost and the others are fewer
                than the rules want; else their answers are taken while they can be decoded

    enough    : ends a round before the rules do, asked of what the answers so far decode to

    A lost worker stays one: these codes are not made anew. Wrong answers that the code finds are
    not used, and their workers are named; so is whoever sends numbers that are not finite, which
    are looked for only where the result is not finite.
    """

    def __init__(
        self,
        pool: WorkerPool,
        rules: DataRules,
        kind: Kind,
        when_lost: Literal["restore", "approximate", "stop"] = "stop",
        enough: Callable[[Any], bool] | None = None,
    ) -> None:
        self._pool = pool
        self._rules = rules
        self._enough = enough
        self._code = rules.code
        self._kind = kind
        self._when_lost = when_lost
        self._wanted = [np.array([worker]) for worker in range(pool.n_workers)]
        self._kept: list[Slot | None] = [None] * pool.n_workers
        self._refused = np.zeros(pool.n_workers, dtype=bool)
        self._blamed: set[int] = set()
        self._failure: NotDecodable | None = None
        self._n_lost = 0

    def __call__(
        self,
        payload: ArrayLike,
        iteration: int,
        decode: Callable[[Vectors, Bool], T],
        until: float | None = None,
    ) -> Gathered[T]:
        """Return what ``decode`` makes of the answers, None for absent ones, and who is there.

        It may raise `NotDecodable` as long as more answers can come. Raises what `Gradient` does.
        """
        began = self._pool.now()
        deadline = until
        if self._rules.deadline is not None:
            deadline = min(began + self._rules.deadline, np.inf if until is None else until)
        self._refused[:] = False
        rounds = itertools.count()
        done = None
        while done is None:  # each round refuses one more worker, or is the last
            limits = began, deadline, until
            done = self._ask(payload, iteration, next(rounds), decode, limits)
        return done

    def _ask(
        self,
        payload: ArrayLike,
        iteration: int,
        round: int,
        decode: Callable[[Vectors, Bool], T],
        limits: tuple[float, float | None, float | None],
    ) -> Gathered[T] | None:
        """Return what one round gives, None where all are to be asked once more."""
        pool, rules = self._pool, self._rules
        began, deadline, until = limits
        asked = pool.now()
        pool.begin(self._kind, iteration, payload, self._wanted, round)
        post = pool.now() - asked
        n_arrived, found, self._failure = 0, None, None
        landed: list[tuple[int, float]] = []
        corrupt = self._refused
        try:
            for answer in pool.answers(deadline):
                worker = answer.worker
                refused = self._refused[worker]
                if not refused:
                    self._kept[worker] = answer.keep()
                    n_arrived += 1
                landed.append((worker, pool.now()))
                if n_arrived < rules.n_answers:
                    if self._enough is None or n_arrived < rules.n_needed:
                        continue
                    waited = pool.now()
                    found = self._decode(decode)
                    if found is not None and self._enough(found):
                        break
                    found = None
                    continue
                if not rules.has_threshold:
                    break
                # who lies, or where the points lie, may ask for more answers
                waited = pool.now()
                found = self._decode(decode)
                if found is not None:
                    break
            if found is None:
                waited = pool.now()
            corrupt = self._refused | pool.corrupt
            pool.end()
            self._tell_losses()
            if found is None:
                self._check_late(iteration, n_arrived, waited, until)
                found = self._decode(decode) if n_arrived else None
                if found is None and self._failure is not None:
                    raise NotDecodable(f"iteration {iteration}: {self._failure}")
            if found is not None and not found.is_finite and self._refuse():
                corrupt = self._refused
                return None
            arrived = self._arrived
            wrong = found.corrupt if found is not None else None
            if wrong is not None:
                corrupt = corrupt | wrong
                arrived &= ~wrong
            self._blame(wrong)
            decoded = pool.now() - waited
            return Gathered(found, arrived, corrupt, post, waited - began - post, decoded)
        finally:
            self._log(landed, iteration, round, corrupt)
            for worker, slot in enumerate(self._kept):
                if slot is not None:
                    pool.recycle(slot)
                    self._kept[worker] = None

    def _decode(self, decode: Callable[[Vectors, Bool], T]) -> T | None:
        vectors = [None if slot is None else slot.values for slot in self._kept]
        try:
            return decode(vectors, self._arrived)
        except NotDecodable as failure:
            self._failure = failure
            return None

    @property
    def _arrived(self) -> Bool:
        return np.array([slot is not None for slot in self._kept])

    def _log(
        self, landed: list[tuple[int, float]], iteration: int, round: int, corrupt: Bool
    ) -> None:
        """Take down what came when, once it is known whose answers were wrong."""
        log = self._pool.log
        if log is None:
            return
        for worker, seconds in landed:
            outcome = Outcome.CORRUPT if corrupt[worker] else Outcome.USED
            log(iteration, round, worker, worker, iteration, seconds, outcome)

    def _check_late(
        self, iteration: int, n_arrived: int, waited: float, until: float | None
    ) -> None:
        """Raise what ends the run where too few answers came."""
        rules, members = self._rules, self._pool.members
        if n_arrived >= rules.n_answers:
            return
        if self._pool.interrupted():
            raise Interrupted
        if until is not None and waited >= until:
            raise OutOfTime
        few = n_arrived < rules.n_needed
        if not few and (rules.deadline is not None or self._when_lost != "stop"):
            return
        if rules.deadline is not None and not rules.has_threshold:
            return  # nothing by the deadline
        wanted = rules.n_needed if few else rules.n_answers
        by = f" by the deadline of {rules.deadline:g} s" if rules.deadline is not None else ""
        lost = f" ({members})" if members.n_missing else ""
        raise NotDecodable(
            f"iteration {iteration}: {n_arrived} of {self._code.n_workers} answers arrived{by}, "
            f"{self._code.name!r} wants {wanted}{lost}"
        )

    def _refuse(self) -> bool:
        """Go on without answers that are not finite; return whether some are not and some are."""
        spoilt = np.array(
            [slot is not None and not np.isfinite(slot.values).all() for slot in self._kept]
        )
        if not 0 < spoilt.sum() < self._arrived.sum():
            return False
        self._refused |= spoilt
        return True

    def _blame(self, wrong: Bool | None) -> None:
        """Name the workers whose answers were found wrong, each once."""
        found = {w: "answers with numbers that are not finite" for w in _members(self._refused)}
        if wrong is not None:
            found |= {w: "its answer is not what the others say" for w in _members(wrong)}
        for worker, why in found.items():
            if worker not in self._blamed:
                self._blamed.add(worker)
                self._pool.members.blame(self._pool.now(), worker, why)

    def _tell_losses(self) -> None:
        """Say, once for each number of lost workers, what that leaves of the code."""
        members, code = self._pool.members, self._code
        if members.n_lost == self._n_lost:
            return
        self._n_lost = members.n_lost
        left = code.n_workers - members.n_lost
        parts = [f"{left} of {code.n_workers} workers left"]
        if self._rules.has_threshold:
            parts.append(f"{self._rules.n_needed} answers decode")
        for name, number in (("A", getattr(code, "n_corrupt", 0)), ("T", code.n_masks)):
            if number:
                parts.append(f"{name} = {number} as before")
        why = f"{code.name!r} is not made anew, a lost worker stays a straggler"
        members.note(self._pool.now(), NOT_RESTORED, f"{why}: {', '.join(parts)}")


def _members(flags: Bool) -> list[int]:
    found: list[int] = np.flatnonzero(flags).tolist()
    return found
