"""Block designs: Kadhe, Koyluoglu & Ramchandran, "Gradient Coding Based on Block Designs", 2019."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..assignment import AssignmentCode
from ..checks import check_stragglers
from ..designs import bibd


class Bibd(AssignmentCode):
    """Any two workers share equally many blocks, so the error depends on how many are lost alone.

    replication  : workers that hold a block; default: the design of least overlap known
    load         : blocks on a worker, of those of the design; default: as replication gives it
    n_stragglers : answers not waited for
    n_blocks     : blocks in all, a multiple of those of the design; default as many as it has

    With ``a`` answers every coefficient is ``load / (load + overlap (a - 1))``, where ``overlap``
    is the number of blocks that two workers share. That is the least-squares decoding of every set,
    and its residual is ``n_blocks - load^2 a / (load + overlap (a - 1))``, n_blocks and load
    counted in blocks of the design: no set of stragglers is worse than another.
    """

    name = "bibd"

    def __init__(
        self,
        *,
        n_workers: int,
        replication: int | None = None,
        load: int | None = None,
        n_stragglers: int = 1,
        n_blocks: int | None = None,
    ) -> None:
        check_stragglers(n_workers, n_stragglers)
        design = bibd(n_workers, replication, load)
        self.n_held = int(design[:, 0].sum())
        self.overlap = int((design[:, 0] & design[:, 1]).sum())
        super().__init__(design.T, n_stragglers=n_stragglers, n_blocks=n_blocks)

    def solve(self, arrived: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
        """Give every answer the same coefficient, in O(1) beside writing it down."""
        others = max(0, int(arrived.sum()) - 1)
        return arrived[None, :] * (self.n_held / (self.n_held + self.overlap * others))

    @classmethod
    def for_load(cls, n_workers: int, load: int, n_segments: int = 1) -> list[dict[str, Any]]:
        """Return the parameters for ``load`` holders of a block, however many blocks there are."""
        return [{"replication": load}]
