"""The same scheme over fewer workers: which numbers are tried, and what a run is made of then."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from .. import codes
from ..codes import CODES, GradientCode
from ..config import Config, Decoding
from ..errors import ConfigError
from ..registry import parameters_of
from .segments import Segments
from .setup import Setup, partition_for
from .stop_rules import StopRules

# What redundancy is called, and the least of it.
_REDUNDANCY = {"n_stragglers": 0, "load": 1, "replication": 1}


class Attempt(NamedTuple):
    """Numbers with which the scheme of a run may be made for the workers that are left."""

    n_workers: int
    parameters: dict[str, Any]


def attempts(config: Config, n_left: int) -> Iterator[Attempt]:
    """Yield what to try for ``n_left`` workers, the best first; the same on every rank.

    The parameters stay and all work; else as few as can be are idle; else, as a last resort, there
    is less redundancy. The number of blocks is the scheme's own where the one given cannot be had.
    """
    name, parameters = config.code.name, config.code.parameters
    for weaker in _weaker(name, parameters):
        for n_workers in range(n_left, 0, -1):
            yield Attempt(n_workers, weaker)
            if "n_blocks" in weaker:
                yield Attempt(n_workers, {k: v for k, v in weaker.items() if k != "n_blocks"})


def _weaker(name: str, parameters: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    yield dict(parameters)
    known = parameters_of(CODES[name])
    for key, least in _REDUNDANCY.items():
        given = parameters.get(key, known[key].default if key in known else None)
        if isinstance(given, int):
            for value in range(given - 1, least - 1, -1):
                yield {**parameters, key: value}


def renew(setup: Setup, n_left: int, number: int) -> Setup:
    """Return the parts of a run over the workers of the ``number``-th of the `attempts`.

    Raises `ConfigError` where the scheme cannot be made, or its messages would have another form:
    buffers are as long as they are.
    """
    n_workers, parameters = next(itertools.islice(attempts(setup.config, n_left), number, None))
    config, old = setup.config, setup.code
    code = codes.make(config.code.name, n_workers=n_workers, seed=config.run.seed, **parameters)
    assert isinstance(code, GradientCode)  # as the one it replaces
    rules = StopRules(code, _fewer_answers(config.decoding, old.n_messages - code.n_messages))
    problem = setup.problem
    segments = Segments.of(code, problem, setup.dtype)
    for what in ("n_segments", "dtype"):
        ours, theirs = getattr(setup.segments, what), getattr(segments, what)
        if ours != theirs:
            raise ConfigError(f"code: {what} of {n_workers} workers is {theirs}, it was {ours}")
    if code.n_messages > old.n_messages:
        raise ConfigError(
            f"code: {code.n_messages} messages of {n_workers} workers, there were {old.n_messages}"
        )
    partition = partition_for(code, config, setup.dataset.n_samples)
    return dataclasses.replace(
        setup, code=code, rules=rules, segments=segments, partition=partition
    )


def _fewer_answers(decoding: Decoding, fewer: int) -> Decoding:
    """Return the rules with as many messages not waited for as before."""
    if decoding.n_answers is None:
        return decoding
    return dataclasses.replace(decoding, n_answers=max(1, decoding.n_answers - fewer))
