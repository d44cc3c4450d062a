"""How a code fares with some number of lost workers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .base import GradientCode
from .decoder import EXACT
from .sets import Sets, straggler_sets


class Tolerance(NamedTuple):
    """What decoding without ``n_lost`` workers misses, and what it does to noise.

    n_sets      : sets that shares and means are taken over: all there are, or a uniform sample;
                  the worst is looked for among these and `GradientCode.hard_sets`
    exact_share : the share of them that decodes exactly
    residuals   : relative to the residual of no message at all, so 0 is exact and 1 is nothing
    """

    n_lost: int
    n_sets: int
    exact_share: float
    mean_residual: float
    worst_residual: float
    mean_amplification: float
    worst_amplification: float


def tolerance(code: GradientCode, n_lost: int, count: int, seed: int = 0) -> Tolerance:
    """Decode without every set of ``n_lost`` workers, or ``count`` random sets if more exist."""
    sampled = straggler_sets(code.n_workers, n_lost, count, np.random.default_rng([seed, n_lost]))
    sample, chosen = _outcomes(code, sampled), _outcomes(code, code.hard_sets(n_lost))
    mean, worst = sample.mean(axis=0), np.concatenate([sample, chosen]).max(axis=0)
    return Tolerance(
        n_lost=n_lost,
        n_sets=len(sampled),
        exact_share=float(np.mean(sample[:, 0] <= EXACT)),
        mean_residual=float(mean[0]),
        worst_residual=float(worst[0]),
        mean_amplification=float(mean[1]),
        worst_amplification=float(worst[1]),
    )


def _outcomes(code: GradientCode, sets: Sets) -> npt.NDArray[np.float64]:
    """Return relative residual and amplification for each set of lost workers, (n_sets, 2)."""
    everything = code.n_segments * code.n_blocks
    outcomes = np.empty((len(sets), 2))
    for outcome, lost in zip(outcomes, sets, strict=True):
        decoding = code.decode(~np.isin(code.owner, lost))
        outcome[:] = decoding.residual / everything, decoding.amplification
    return outcomes
