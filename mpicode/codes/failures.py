"""Models of who is lost, by name: sets of workers that a code is tried on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from ..errors import ConfigError
from ..registry import Registry
from .adversary import BUDGET, Target, adversary
from .base import GradientCode
from .sets import masks, straggler_sets

Masks = npt.NDArray[np.bool_]


class Failures(ABC):
    """Sets of lost workers.

    Subclasses have a ``name`` and a constructor of keyword-only parameters, next to the context
    ``n_workers``, ``seed`` and ``code``. ``severity`` names the parameter that says how much is
    lost, and `levels` gives values of it.
    """

    name: ClassVar[str]
    severity: ClassVar[str] = "n_lost"

    @abstractmethod
    def lost(self, count: int) -> Masks:
        """Return sets, each as likely as the other, (n_sets, n_workers) bool, True where lost.

        All sets where there are at most ``count``, else ``count`` of them, drawn by the seed.
        """

    @classmethod
    def levels(cls, n_lost: Sequence[int], n_workers: int, given: Mapping[str, Any]) -> list[Any]:
        """Return values of the severity at which about so many workers are lost, ascending."""
        return list(n_lost)


class Uniform(Failures):
    """Any ``n_lost`` workers, each set as likely as the other."""

    name = "uniform"

    def __init__(self, *, n_lost: int, n_workers: int, seed: int) -> None:
        self._n_lost = _count("n_lost", n_lost, n_workers, "workers")
        self._n_workers, self._seed = n_workers, seed

    def lost(self, count: int) -> Masks:
        """Return all sets or a sample; two codes for as many workers meet the same."""
        rng = np.random.default_rng([self._seed, self._n_lost])
        return masks(straggler_sets(self._n_workers, self._n_lost, count, rng), self._n_workers)


class Bernoulli(Failures):
    """Each worker by itself is lost with ``probability``: a deadline that some miss."""

    name = "bernoulli"
    severity = "probability"

    def __init__(self, *, probability: float, n_workers: int, seed: int) -> None:
        if not 0 <= probability <= 1:
            raise ConfigError(f"failures.probability: must lie in [0, 1], got {probability}")
        self._probability = probability
        self._n_workers, self._seed = n_workers, seed

    def lost(self, count: int) -> Masks:
        """Return ``count`` independent draws; a higher probability loses the same and more."""
        rng = np.random.default_rng([self._seed, self._n_workers])
        return rng.random((count, self._n_workers)) < self._probability

    @classmethod
    def levels(cls, n_lost: Sequence[int], n_workers: int, given: Mapping[str, Any]) -> list[Any]:
        """Return the probabilities that lose so many on average."""
        return [round(number / n_workers, 4) for number in n_lost]


class Node(Failures):
    """Any ``n_nodes`` nodes, each with all of its ``workers_per_node`` consecutive workers.

    Worker ``i`` lives on node ``i // workers_per_node``; the last node may hold fewer.
    """

    name = "node"
    severity = "n_nodes"

    def __init__(self, *, workers_per_node: int, n_nodes: int, n_workers: int, seed: int) -> None:
        if not 1 <= workers_per_node <= n_workers:
            raise ConfigError(
                f"failures.workers_per_node: must lie in [1, {n_workers}] for {n_workers} workers, "
                f"got {workers_per_node}"
            )
        self._node = np.arange(n_workers) // workers_per_node
        self._n_there = int(self._node[-1]) + 1
        self._n_nodes = _count("n_nodes", n_nodes, self._n_there, "nodes")
        self._seed = seed

    def lost(self, count: int) -> Masks:
        """Return all sets of nodes or a sample."""
        rng = np.random.default_rng([self._seed, self._n_nodes])
        nodes = masks(straggler_sets(self._n_there, self._n_nodes, count, rng), self._n_there)
        return nodes[:, self._node]

    @classmethod
    def levels(cls, n_lost: Sequence[int], n_workers: int, given: Mapping[str, Any]) -> list[Any]:
        """Return the numbers of nodes on which so many workers live."""
        size = max(1, given["workers_per_node"])
        return sorted({-(-number // size) for number in n_lost})


class Adversarial(Failures):
    """The ``n_lost`` workers whose loss hurts most, as far as ``budget`` decodings can tell.

    target : what shall be large, ``residual`` or ``amplification``; the other breaks ties
    """

    name = "adversarial"

    def __init__(
        self,
        *,
        n_lost: int,
        budget: int = BUDGET,
        target: Target = "residual",
        n_workers: int,
        seed: int,
        code: GradientCode,
    ) -> None:
        self._n_lost = _count("n_lost", n_lost, n_workers, "workers")
        if budget < 1:
            raise ConfigError(f"failures.budget: wants at least 1 decoding, got {budget}")
        self._search = (code, self._n_lost, budget, seed, target)

    def lost(self, count: int) -> Masks:
        """Return the one worst set that was found."""
        return adversary(*self._search).lost[None]


FAILURES: Registry[Failures] = Registry("failures", (Uniform, Bernoulli, Node, Adversarial))


def make(name: str, parameters: Mapping[str, Any], *, code: GradientCode, seed: int) -> Failures:
    """Build the failure model ``name`` for the workers of ``code``.

    A wrong name, key or value raises `ConfigError`.
    """
    return FAILURES.make(name, parameters, n_workers=code.n_workers, seed=seed, code=code)


def _count(key: str, value: int, available: int, what: str) -> int:
    if not 0 <= value <= available:
        raise ConfigError(
            f"failures.{key}: wants 0 to {available} of {available} {what}, got {value}"
        )
    return value
