"""Decoders of light messages, one by one: short combinations of few segments of a gradient.

To add one: a file with a subclass of `LightDecoder` and its line in ``DECODERS``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy.typing as npt

from ...registry import Registry
from .base import LightDecoder, Stepper
from .kaczmarz import Kaczmarz, Sega
from .kalman import Kalman
from .onestep import OneStep
from .orthogonal import Orthogonal, Parity
from .parity import Verdict, damaged
from .peeling import Peeling

__all__ = [
    "DECODERS",
    "Kaczmarz",
    "LightDecoder",
    "Orthogonal",
    "Parity",
    "Stepper",
    "Verdict",
    "damaged",
    "make",
]

CONTEXT = ("rows", "length")  # what `make` hands over, no user's key

DECODERS: Registry[LightDecoder] = Registry(
    "decoder", (OneStep, Kaczmarz, Sega, Orthogonal, Peeling, Kalman)
)


def make(
    name: str,
    parameters: Mapping[str, Any] | None = None,
    *,
    rows: npt.ArrayLike,
    length: int,
) -> LightDecoder:
    """Build the decoder ``name``; `ConfigError` names the key that is wrong.

    rows : (n_messages, n_segments)      length : of a codeword
    """
    return DECODERS.make(name, parameters, rows=rows, length=length)
