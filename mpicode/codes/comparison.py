"""All schemes at one load, so that they can be held against each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..errors import ConfigError
from . import CODES, make
from .base import GradientCode

# How far from the load asked for a scheme may be: one that places blocks at random has it only on
# average.
NEAR = 0.25


class Candidate(NamedTuple):
    """A scheme that could be built; ``label`` is its name and what sets it apart from its kin."""

    label: str
    parameters: dict[str, Any]
    code: GradientCode


def at_load(
    n_workers: int,
    load: int,
    n_segments: int = 1,
    seed: int = 0,
    names: Sequence[str] | None = None,
) -> tuple[list[Candidate], dict[str, str]]:
    """Build every gradient code in which a worker holds ``load`` of ``n_workers`` equal shares.

    names : the schemes looked at; all if None

    Returns those that exist, and why the others do not, by label. A scheme without segments is
    built without them.
    """
    if n_workers < 1:
        raise ConfigError(f"run.n_workers: wants at least 1 worker, got {n_workers}")
    if not 1 <= load <= n_workers:
        raise ConfigError(f"load: wants 1 to {n_workers} of {n_workers} shares, got {load}")
    if n_segments < 1:
        raise ConfigError(f"code.n_segments: wants at least 1, got {n_segments}")
    built: list[Candidate] = []
    refused: dict[str, str] = {}
    for name in CODES if names is None else names:
        cls = CODES[name]
        if not issubclass(cls, GradientCode):
            continue
        try:
            choices = cls.for_load(n_workers, load, n_segments)
        except ConfigError as error:
            refused[name] = str(error)
            continue
        for parameters in choices:
            label = _label(name, parameters, choices)
            try:
                code = make(name, n_workers=n_workers, seed=seed, **parameters)
                assert isinstance(code, GradientCode)
                _check_load(code, load)
            except ConfigError as error:
                refused[label] = str(error)
            else:
                built.append(Candidate(label, parameters, code))
    return built, refused


def mean_load(code: GradientCode) -> float:
    """Return the shares, each the n_workers-th part of the data, that a worker holds on average."""
    return float(np.sum([code.load(worker) for worker in range(code.n_workers)]))


def _label(name: str, parameters: dict[str, Any], choices: list[dict[str, Any]]) -> str:
    differing = [
        str(value)
        for key, value in parameters.items()
        if any(other.get(key) != value for other in choices)
    ]
    return " ".join([name, *differing])


def _check_load(code: GradientCode, load: int) -> None:
    found = mean_load(code)
    if abs(found - load) > NEAR * load:
        raise ConfigError(
            f"load: each worker holds {found:.3g} of {code.n_workers} shares, not {load}"
        )
