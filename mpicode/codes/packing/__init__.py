"""Light rows that share as little as possible, and what is known of them."""

from .informative import information, most_information, most_informative
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
    "most_information",
    "most_informative",
    "one_step_error",
    "orthoplex_bound",
    "pack",
    "shared_information",
    "survivors",
    "welch_bound",
]
