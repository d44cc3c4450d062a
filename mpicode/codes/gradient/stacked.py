"""The naive way to shorter messages, which better constructions are held against."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..design_code import DesignCode, per_worker
from ..designs.known import Assignment


class Stacked(DesignCode):
    """Workers of a design send the sum of the segments of their gradient: the naive baseline.

    A message cannot tell the segments apart, so however many answers there are, each segment of
    the decoded sum is the same, and the residual is at least (n_segments - 1) n_blocks (Munim &
    Ramamoorthy compare with this).
    """

    name = "stacked"

    def weighted(self, assignment: Assignment, n_segments: int, rng: np.random.Generator) -> Any:
        """Weight every segment by 1."""
        return per_worker(assignment, np.ones((assignment.shape[1], n_segments)))
