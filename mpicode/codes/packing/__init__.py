"""Light rows that share as little as possible, and what is known of them."""

from .informative import (
    information,
    left_unknown,
    most_information,
    most_informative,
    telling_order,
)
from .pack import FLOOR, pack
from .quality import (
    Survivors,
    coherence,
    frame_potential,
    least_potential,
    one_step_error,
    orthoplex_bound,
    shared_information,
    survivors,
    welch_bound,
)

__all__ = [
    "FLOOR",
    "Survivors",
    "coherence",
    "frame_potential",
    "information",
    "least_potential",
    "left_unknown",
    "most_information",
    "most_informative",
    "one_step_error",
    "orthoplex_bound",
    "pack",
    "shared_information",
    "survivors",
    "telling_order",
    "welch_bound",
]
