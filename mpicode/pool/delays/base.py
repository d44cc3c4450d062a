"""What a delay model promises, and the random numbers all of them draw from.

A delay belongs to a place in the run, not to the order in which it was asked for. Independent
delays are a function of (seed, worker, iteration), so two schemes run with one seed meet the same
delays. Processes with memory are a function of (seed, worker, run time), so a scheme with quick
iterations does not meet shorter bursts. Either way the numbers come from Philox (Salmon, Moraes,
Dror & Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011), which can be read at any
counter.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import ClassVar

import numpy as np

from ...errors import ConfigError

#: Half of the Philox key; keeps delays apart from everything else that is drawn with the same seed.
_STREAM = 0x64656C6179730001


class Delay(ABC):
    """How long each worker sleeps before it computes.

    Subclasses have a ``name`` and a constructor of keyword-only parameters: those are the keys of
    the configuration table ``[delays]``, next to the context ``n_workers`` and ``seed``.
    """

    name: ClassVar[str]

    @abstractmethod
    def seconds(self, worker: int, iteration: int, now: float, load: float) -> float:
        """Return the seconds, finite and >= 0, that ``worker`` sleeps before it computes.

        ``iteration`` is that of the request, ``now`` the seconds since the start of the run at
        which the worker received it, ``load`` the fraction of all blocks the worker holds. The same
        arguments give the same answer whatever was asked before, on any rank.
        """


def uniforms(seed: int, place: int, block: int, count: int, stream: int = _STREAM) -> np.ndarray:
    """Return ``count`` numbers in [0, 1) that depend on the five arguments alone.

    ``place`` is a worker or a node, ``block`` an iteration or a stretch of a longer sequence. The
    lowest word of the counter is left to Philox, so no two (place, block) share a number.
    """
    bits = np.random.Philox(
        key=np.array([seed, stream], dtype=np.uint64),
        counter=np.array([0, block, place, 0], dtype=np.uint64),
    )
    return (np.asarray(bits.random_raw(count)) >> np.uint64(11)) * 2.0**-53


def uniform(seed: int, worker: int, iteration: int) -> float:
    """Return the one number in [0, 1) of a request."""
    return float(uniforms(seed, worker, iteration, 1)[0])


def check_seed(seed: int) -> int:
    """Return ``seed``, or raise `ConfigError` if it does not fit half a Philox key."""
    if not 0 <= seed < 2**64:
        raise ConfigError(f"run.seed: must lie in [0, 2**64), got {seed}")
    return seed


def check_at_least_zero(key: str, value: float) -> float:
    """Return ``value``, or raise `ConfigError` unless it is finite and >= 0."""
    if not 0 <= value < math.inf:
        raise ConfigError(f"delays.{key}: must be finite and >= 0, got {value}")
    return value


def check_positive(key: str, value: float) -> float:
    """Return ``value``, or raise `ConfigError` unless it is finite and > 0."""
    if not 0 < value < math.inf:
        raise ConfigError(f"delays.{key}: must be finite and > 0, got {value}")
    return value


def check_probability(key: str, value: float) -> float:
    """Return ``value``, or raise `ConfigError` unless it lies in [0, 1]."""
    if not 0 <= value <= 1:
        raise ConfigError(f"delays.{key}: must lie in [0, 1], got {value}")
    return value


def check_workers(key: str, workers: Iterable[int], n_workers: int) -> frozenset[int]:
    """Return the workers as a set; one that is unknown or named twice raises `ConfigError`."""
    seen: set[int] = set()
    for worker in workers:
        if not 0 <= worker < n_workers:
            raise ConfigError(
                f"delays.{key}: worker {worker} does not exist, "
                f"{n_workers} workers count from 0 to {n_workers - 1}"
            )
        if worker in seen:
            raise ConfigError(f"delays.{key}: worker {worker} is named twice")
        seen.add(worker)
    return frozenset(seen)
