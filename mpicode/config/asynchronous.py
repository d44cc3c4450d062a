"""Descent that waits for nobody."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Literal

from ..errors import ConfigError
from .checks import within


@dataclass(frozen=True)
class Asynchronous:
    """``[asynchronous]``: descent that waits for nobody, and uses every message as it comes.

    A version of the parameters is what each used message makes of the one before; the age of a
    message is how many versions there have been since the one it was computed at. A row of
    /iterations, of which ``run.iterations`` counts the most, stands for ``run.record_every``
    messages.
    """

    mode: Literal["direct", "memory", "sega", "round"] | None = None
    """What a message does: a step along itself; a better estimate of the gradient, and a step along
    that; the same, along an estimate without bias; or nothing until all of one version are enough
    for the sum. Absent: the run is synchronous."""
    rows: Literal["queue", "fixed"] = "queue"
    """Messages are asked of whoever is idle, in turn; or always of their owners."""
    decoder: str | dict[str, Any] | None = None
    """What keeps the estimate: a name, or a table of ``name`` and parameters; absent: ``kaczmarz``
    in ``memory``, the code's own in ``round``."""
    max_staleness: int | None = None
    """Oldest messages that are used, in versions; absent: 4 times the messages of the code."""
    n_codewords: int = 1
    """Messages asked for at once, which come one by one."""
    messages_per_step: int = 1
    """Messages whose mean makes one step, in ``direct`` and ``memory``."""
    ask: Literal["at-once", "after-step"] = "at-once"
    """When a worker that has answered is asked again: at once, or with the next step."""
    even: bool = False
    """Divide the steps of a message by how often it comes: the fast have no more weight."""
    downlink: Literal["parameters", "updates"] = "parameters"
    """What workers are sent: the parameters, or the messages used since, which they replay."""
    n_checks: int = 0
    """Messages that a ``round`` waits for beyond those it needs, to find out damaged ones."""
    repack_every: int = 0
    """Versions after which the rows of ``lwpd`` are made anew, so that they tell the most of the
    segments as the estimate of the gradient has them now; 0: never. Half of them stay."""
    repack_noise: float = 10.0
    """The variance they are made for of the noise in a message, over the mean square of a segment's
    numbers; the more, the more rows go along the strongest components."""

    def __post_init__(self) -> None:
        for key in ("n_codewords", "messages_per_step"):
            within(f"asynchronous.{key}", getattr(self, key), 1)
        within("asynchronous.n_checks", self.n_checks, 0)
        within("asynchronous.repack_every", self.repack_every, 0)
        if not 0.0 < self.repack_noise < math.inf:
            raise ConfigError(
                f"asynchronous.repack_noise: must be above 0 and finite, got {self.repack_noise}"
            )
        if self.max_staleness is not None:
            within("asynchronous.max_staleness", self.max_staleness, 0)
        only = {
            "decoder": ("memory", "round"),
            "max_staleness": ("direct", "memory", "sega"),
            "messages_per_step": ("direct", "memory"),
            "ask": ("direct", "memory"),
            "n_checks": ("round",),
            "downlink": ("direct",),
            "even": ("direct",),
            "repack_every": ("direct", "memory", "sega"),
            "repack_noise": ("direct", "memory", "sega"),
        }
        defaults = {entry.name: entry.default for entry in dataclasses.fields(self)}
        if self.mode is None:
            given = [key for key in defaults if getattr(self, key) != defaults[key]]
            if given:
                raise ConfigError(f"asynchronous.{given[0]}: asynchronous.mode is missing")
            return
        for key, modes in only.items():
            if getattr(self, key) != defaults[key] and self.mode not in modes:
                raise ConfigError(
                    f"asynchronous.{key}: belongs to mode {' or '.join(modes)}, not {self.mode!r}"
                )
