"""Delay models: how late each worker is made, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ...registry import Registry
from .base import Delay
from .bernoulli import Bernoulli
from .fixed import Fixed
from .markov import Markov
from .node import Node
from .none import NoDelay
from .pareto import Pareto
from .replay import Recorded, Replay
from .shifted_exponential import ShiftedExponential

DELAYS: Registry[Delay] = Registry(
    "delays",
    (NoDelay, Fixed, ShiftedExponential, Pareto, Bernoulli, Markov, Node, Replay),
)

__all__ = ["DELAYS", "Delay", "Recorded", "make", "names"]


def names() -> list[str]:
    """Return the names that `make` knows."""
    return list(DELAYS)


def make(
    name: str,
    parameters: Mapping[str, Any] | None = None,
    *,
    n_workers: int,
    seed: int,
    read_run: Callable[[str], Recorded] | None = None,
) -> Delay:
    """Build the delay model ``name``; a wrong name, key or value raises `ConfigError`.

    ``read_run`` is `mpicode.results.read_run`; only ``replay`` needs it.
    """
    return DELAYS.make(name, parameters, n_workers=n_workers, seed=seed, read_run=read_run)
