"""What a worker is busy with."""

from __future__ import annotations

from typing import NamedTuple


class Task(NamedTuple):
    """A request that workers are busy with: all that were asked at once share one."""

    kind: int
    iteration: int
    round: int
    posted_at: float
    generation: int = 0
