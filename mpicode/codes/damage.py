"""What the loss of some workers does to a decoding."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from .base import GradientCode


def damage(code: GradientCode, lost: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Return relative residual and amplification for each set of lost workers, (n_sets, 2).

    lost : (n_sets, n_workers) bool, True where a worker is lost

    The residual is relative to that of no message at all, so 0 is exact and 1 is nothing.
    """
    everything = code.n_segments * code.n_blocks
    outcomes = np.empty((len(lost), 2))
    for outcome, each in zip(outcomes, lost, strict=True):
        decoding = code.decode(~each[code.owner])
        outcome[:] = decoding.residual / everything, decoding.amplification
    return outcomes
