"""What a fault is, whom it strikes and when.

Whether a random fault strikes is a function of (seed, entry, worker, iteration), not of the order
in which that was asked: two schemes run with one seed meet the same faults. A fault that is told
its iteration strikes at the worker's first request from then on, for a busy worker is not asked in
every iteration.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from ...errors import ConfigError
from ..delays.base import uniforms

Moment = Literal["start", "compute", "send", "receive", "shutdown"]
"""Points of a worker's life:

start    : before it gets ready
compute  : with a request at hand, before the first row
send     : with its first answer to a request on the way
receive  : with its last answer gone, before it looks for the next request
shutdown : told to leave, before it says goodbye
"""

# Half of the Philox key; the number of the entry is added.
_STREAM = 0x6661756C74730000
_OUTSIDE = {"start": 0, "shutdown": 1}


class Fault:
    """One entry of ``faults.inject``; its constructor's keywords are the keys.

    worker    : whom it strikes; without it ``most`` workers drawn from the seed, or anybody
    iteration : when it strikes
    rate      : instead: the probability with which it strikes a worker in any iteration
    """

    name: ClassVar[str]
    at: Moment = "compute"
    lasting = 1
    """Iterations it goes on for."""
    once = False
    """Whether it strikes a worker only once, where it is told its iteration."""

    def __init__(
        self,
        *,
        key: str,
        number: int,
        n_workers: int,
        seed: int,
        worker: int | None = None,
        iteration: int | None = None,
        rate: float | None = None,
        most: int | None = None,
    ) -> None:
        self.key = key
        self._seed, self._stream = seed, _STREAM + number
        self._iteration, self._rate = iteration, rate
        self._check_when()
        self._workers = self._victims(n_workers, worker, most)
        self._struck: set[int] = set()

    def _check_when(self) -> None:
        outside = self.at in _OUTSIDE
        iteration, rate, key = self._iteration, self._rate, self.key
        if iteration is not None:
            if outside:
                raise ConfigError(f"{key}.iteration: there is none at {self.at!r}")
            if rate is not None:
                raise ConfigError(f"{key}.rate: cannot be given together with an iteration")
            if iteration < 0:
                raise ConfigError(f"{key}.iteration: must be at least 0, got {iteration}")
        elif rate is None and not outside:
            raise ConfigError(f"{key}.iteration: missing; or a rate")
        if rate is not None and not 0.0 <= rate <= 1.0:
            raise ConfigError(f"{key}.rate: must lie in [0, 1], got {rate}")

    def _victims(self, n_workers: int, worker: int | None, most: int | None) -> frozenset[int]:
        key = self.key
        if worker is not None:
            if most is not None:
                raise ConfigError(f"{key}.most: cannot be given together with a worker")
            if not 0 <= worker < n_workers:
                raise ConfigError(
                    f"{key}.worker: worker {worker} does not exist, "
                    f"{n_workers} workers count from 0 to {n_workers - 1}"
                )
            return frozenset([worker])
        if most is None:
            if self._rate is None:
                raise ConfigError(f"{key}.worker: missing; or how many of them by 'most'")
            return frozenset(range(n_workers))
        if not 1 <= most <= n_workers:
            raise ConfigError(f"{key}.most: must lie in 1 to {n_workers}, got {most}")
        rng = np.random.default_rng([self._seed, self._stream])
        return frozenset(rng.permutation(n_workers)[:most].tolist())

    def strikes(self, worker: int, moment: Moment, iteration: int = -1) -> bool:
        """Return whether the fault strikes ``worker`` at this moment of ``iteration``.

        To be asked once for each request; at the start and at shutdown there is no iteration.
        """
        if moment != self.at or worker not in self._workers:
            return False
        place = _OUTSIDE.get(moment, iteration + len(_OUTSIDE))
        if self._rate is not None:
            return float(uniforms(self._seed, worker, place, 1, self._stream)[0]) < self._rate
        if self._iteration is None:
            return True
        if not self.once:
            return self._iteration <= iteration < self._iteration + self.lasting
        if iteration < self._iteration or worker in self._struck:
            return False
        self._struck.add(worker)
        return True

    def draw(self, worker: int, iteration: int, count: int) -> list[float]:
        """Return numbers in [0, 1) for what else is random about it; the same each time."""
        place = iteration + len(_OUTSIDE)
        drawn = uniforms(self._seed, worker, place, 1 + count, self._stream)
        return list(map(float, drawn[1:]))


def check_seconds(key: str, seconds: float) -> float:
    """Return ``seconds``, or raise `ConfigError` unless they are positive and finite."""
    if not 0.0 < seconds < np.inf:
        raise ConfigError(f"{key}.seconds: must be above 0 and finite, got {seconds}")
    return seconds


def check_iterations(key: str, iterations: int) -> int:
    """Return ``iterations``, or raise `ConfigError` unless there is one at least."""
    if iterations < 1:
        raise ConfigError(f"{key}.iterations: must be at least 1, got {iterations}")
    return iterations
