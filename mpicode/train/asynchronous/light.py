"""The messages of a code, each as one direction over the segments and weights over the blocks."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...codes import GradientCode
from ...errors import ConfigError
from ..parts import Parts

# A sum of weights smaller than this, relative to their moduli, is rounding of zero.
_NOTHING = 1e-9


class Light(NamedTuple):
    """Message ``sum_j weights[j] * (direction . segments of block j's gradient)``.

    segments  : the numbers of those it touches, ascending
    direction : of each, (n_touched,); a unit vector
    blocks    : the numbers of its blocks, ascending
    weights   : of each, (n_held,)
    scale     : n_blocks / sum of the weights: times this, the message is the direction applied to
                the whole gradient, exactly where all blocks' gradients are alike
    per_loss  : the loss of each of its blocks, were they alike, per unit of the loss it carries
    """

    segments: list[int]
    direction: list[float]
    blocks: list[int]
    weights: NDArray[np.float64]
    scale: float
    per_loss: float


class Generation(NamedTuple):
    """A code and its messages, by their numbers."""

    code: GradientCode
    messages: list[Light]


def generation_of(code: GradientCode) -> Generation:
    """Return a code with its messages; `ConfigError` where one is no such product."""
    return Generation(code, light_messages(code))


def light_messages(code: GradientCode) -> list[Light]:
    """Return the messages of a code; `ConfigError` where one is no such product."""
    if code.varies or code.encoding.dtype.kind == "c":
        kind = "change from iteration to iteration" if code.varies else "are complex"
        raise ConfigError(
            f"asynchronous.mode: the messages of code {code.name!r} {kind}, and can be used only "
            "together"
        )
    parts = Parts(code)
    return [_light(code, parts, message) for message in range(code.n_messages)]


def _light(code: GradientCode, parts: Parts, message: int) -> Light:
    found = parts(message, 0)
    if len(found) != 1:
        raise ConfigError(
            f"asynchronous.mode: message {message} of code {code.name!r} has {len(found)} "
            "directions over the segments, wants 1"
        )
    ((direction, blocks),) = found
    length = float(np.linalg.norm(direction))
    touched = np.flatnonzero(direction)
    raw = np.array([weight for _, weight in blocks])
    total = float(raw.sum())
    if abs(total) <= _NOTHING * float(np.abs(raw).sum()):
        raise ConfigError(
            f"asynchronous.mode: the {len(raw)} coefficients of message {message} of code "
            f"{code.name!r} sum to {total:.3g}; it says nothing of the gradient of all blocks"
        )
    n_blocks = code.n_blocks
    # the direction has the sign that makes this positive
    scale = n_blocks / (abs(total) * length)
    if math.isclose(scale, 1.0, rel_tol=1e-12):
        scale = 1.0  # a message of one block and a unit row is taken as it is, to the last bit
    length = math.copysign(length, total)
    return Light(
        touched.tolist(),
        (direction[touched] / length).tolist(),
        [block for block, _ in blocks],
        raw * length,
        scale,
        1.0 / total,
    )
