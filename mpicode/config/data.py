"""What a run reads, and how a prime field writes it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..errors import ConfigError
from .checks import within


@dataclass(frozen=True)
class Data:
    """``[data]``: what to train on, and what to keep aside."""

    path: str
    """Dataset file."""
    test: str | None = None
    """Dataset file to evaluate on."""
    test_fraction: float = 0.0
    """Without ``test``: share of the rows of ``path`` to keep aside, drawn from ``run.seed``."""
    memory_mb: float = 2048.0
    """Most memory each worker keeps its rows in; what does not fit is read again each iteration."""
    coded: str | None = None
    """Folder of coded files, made by ``mpicode data encode``, that workers of a data code read
    instead of ``path``."""

    def __post_init__(self) -> None:
        within("data.test_fraction", self.test_fraction, 0.0, below=1)
        within("data.memory_mb", self.memory_mb, 0.0)
        if self.test is not None and self.test_fraction:
            raise ConfigError("data.test_fraction: cannot be given together with data.test")


@dataclass(frozen=True)
class Field:
    """``[field]``: how a code over a prime field (``code.prime``) writes numbers."""

    data_bits: int = 12
    """Of fraction, for features; where there are coded files, theirs count."""
    parameter_bits: int = 12
    """Of fraction, for parameters, and as many more than ``data_bits`` for labels; likewise."""
    largest_parameter: float = 16.0
    """Magnitude that no parameter exceeds; the field must have room for gradients of such ones."""

    def __post_init__(self) -> None:
        within("field.data_bits", self.data_bits, 0)
        within("field.parameter_bits", self.parameter_bits, 0)
        if not 0.0 < self.largest_parameter < math.inf:
            raise ConfigError(
                f"field.largest_parameter: must be above 0 and finite, got {self.largest_parameter}"
            )
