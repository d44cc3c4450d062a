"""When enough messages have arrived, and what is made of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from ..errors import ConfigError
from .checks import within


@dataclass(frozen=True)
class Decoding:
    """``[decoding]``: when enough has arrived, and what is made of it.

    An iteration ends as soon as what arrived gives the exact sum, or one of the three rules below
    holds. Without any of them the code says itself when it has enough.
    """

    method: Literal["optimal", "fixed", "onestep", "kaczmarz", "ortho", "peel", "kalman"] = (
        "optimal"
    )
    """The scheme's own decoding, least squares where it has none; or the coefficients of the full
    set, scaled up to stay unbiased; or message by message, as light codewords are decoded."""
    n_answers: int | None = None
    """Enough are so many messages, whichever they are."""
    max_residual: float | None = None
    """Enough is what misses at most this share of what no message at all misses."""
    deadline: float | None = None
    """Seconds after which an iteration makes do with what has arrived."""
    correct_step: bool = True
    """Divide decoded sums that fall short by what they are expected to fall short by."""
    max_error: float | None = None
    """Most by which rounding of the messages may grow; absent: 1e-8, in float32 1e-3."""

    def __post_init__(self) -> None:
        if self.n_answers is not None:
            within("decoding.n_answers", self.n_answers, 1)
        if self.max_residual is not None:
            within("decoding.max_residual", self.max_residual, 0.0, below=1)
        if self.deadline is not None and not 0.0 < self.deadline < math.inf:
            raise ConfigError(f"decoding.deadline: must be above 0 and finite, got {self.deadline}")
        if self.max_error is not None:
            within("decoding.max_error", self.max_error, 0.0)
