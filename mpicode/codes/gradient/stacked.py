"""The naive way to shorter messages, which better constructions are held against."""

from __future__ import annotations

import numpy as np

from ..design_code import Matrix, VectorCode


class Stacked(VectorCode):
    """Workers of a design send the sum of the segments of their gradient: the naive baseline.

    A message cannot tell the segments apart, so however many answers there are, each segment of
    the decoded sum is the same, and the residual is at least (n_segments - 1) n_blocks (Munim &
    Ramamoorthy compare with this).
    """

    name = "stacked"

    def draw(self, shape: tuple[int, int], rng: np.random.Generator) -> Matrix:
        """Return ones."""
        return np.ones(shape)
