"""What became of a message: the words of the /messages table."""

from __future__ import annotations

import enum


class Outcome(enum.IntEnum):
    """What became of a message."""

    USED = 0
    STALE_USED = 1
    STALE_DROPPED = 2
    DUPLICATE = 3
    DROPPED = 4
    CORRUPT = 5

    @property
    def label(self) -> str:
        """The word in the file, e.g. ``stale-used``."""
        return self.name.lower().replace("_", "-")
