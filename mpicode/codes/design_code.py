"""Codes of several segments on a design: what Munim and Ramamoorthy's constructions share."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from ..errors import ConfigError
from .designs import Design, placement
from .designs.known import Assignment
from .gram import GramCode


class DesignCode(GramCode):
    """A design says who holds what; a scheme says with which numbers the pieces are weighted.

    design       : who holds what. "bibd": any two workers share equally many blocks; "srg": a
                   strongly regular graph; "biregular": random; "coset": one circulant, repeated
                   n_segments times, whose generating set is chosen for a small residual
    n_segments   : messages are this many times shorter than the gradient
    replication  : workers that hold a block; default: as the design gives it, see `placement`
    load         : blocks on a worker, of those of the design; default: likewise
    n_stragglers : answers not waited for
    n_blocks     : blocks in all, a multiple of those of the design; default as many as it has
    """

    def __init__(
        self,
        *,
        n_workers: int,
        seed: int = 0,
        design: Design = "biregular",
        n_segments: int = 2,
        replication: int | None = None,
        load: int | None = None,
        n_stragglers: int = 1,
        n_blocks: int | None = None,
    ) -> None:
        if n_workers < 1:
            raise ConfigError(f"run.n_workers: wants at least 1 worker, got {n_workers}")
        if n_segments < 1:
            raise ConfigError(f"code.n_segments: wants at least 1, got {n_segments}")
        assignment = placement(design, n_workers, n_segments, replication, load, seed)
        rng = np.random.default_rng([seed, n_workers, n_segments])
        super().__init__(
            self.weighted(assignment, n_segments, rng),
            n_segments=n_segments,
            n_stragglers=n_stragglers,
            n_blocks=n_blocks,
        )

    def weighted(self, assignment: Assignment, n_segments: int, rng: np.random.Generator) -> Any:
        """Return the coefficients of the pieces, (n_workers, n_segments * n_blocks).

        assignment : (n_blocks, n_workers) of 0 and 1; where it is 0, so are they
        """
        raise NotImplementedError

    @classmethod
    def for_load(cls, n_workers: int, load: int, n_segments: int = 1) -> list[dict[str, Any]]:
        """Return the parameters for ``load`` holders of each block, for each design."""
        sets = super().for_load(n_workers, load, n_segments)
        return [{k: v for k, v in each.items() if k != "load"} for each in sets]


def per_worker(assignment: Assignment, vectors: npt.NDArray[np.float64]) -> Any:
    """Return the coefficients if a worker weights a segment alike in all its blocks.

    vectors : (n_workers, n_segments)      returns (n_workers, n_segments * n_blocks), sparse

    Such a worker sends combinations of the segments of one ordinary gradient, that of its blocks.
    """
    held = sparse.csr_array(assignment.T, dtype=float)
    return sparse.hstack([sparse.diags_array(column) @ held for column in vectors.T])
