"""How a code fares with some of its workers lost."""

from __future__ import annotations

from math import comb
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .adversary import adversary
from .base import GradientCode
from .damage import damage
from .decoder import EXACT
from .failures import Failures, Uniform


class Tolerance(NamedTuple):
    """What decoding without some workers misses, and what it does to noise.

    n_lost      : workers lost, on average
    n_sets      : sets that shares and means are taken over
    exact_share : the share of them that decodes exactly
    residuals   : relative to the residual of no message at all, so 0 is exact and 1 is nothing
    """

    n_lost: float
    n_sets: int
    exact_share: float
    mean_residual: float
    worst_residual: float
    mean_amplification: float
    worst_amplification: float


def tolerance(code: GradientCode, n_lost: int, count: int, seed: int = 0) -> Tolerance:
    """Decode without every set of ``n_lost`` workers, or ``count`` random sets if more exist.

    In that case an adversary looks for the worst, with twice as many decodings.
    """
    sets = Uniform(n_lost=n_lost, n_workers=code.n_workers, seed=seed).lost(count)
    sampled = _summary(sets, damage(code, sets))
    if comb(code.n_workers, n_lost) <= count:
        return sampled
    found = adversary(code, n_lost, 2 * count, seed)
    return sampled._replace(
        worst_residual=max(sampled.worst_residual, found.residual),
        worst_amplification=max(sampled.worst_amplification, found.amplification),
    )


def tolerance_under(code: GradientCode, failures: Failures, count: int) -> Tolerance:
    """Decode without the workers that ``failures`` loses, in up to ``count`` cases."""
    sets = failures.lost(count)
    return _summary(sets, damage(code, sets))


def _summary(lost: npt.NDArray[np.bool_], outcomes: npt.NDArray[np.float64]) -> Tolerance:
    residuals, amplifications = outcomes.T
    return Tolerance(
        n_lost=float(lost.sum(axis=1).mean()),
        n_sets=len(lost),
        exact_share=float(np.mean(residuals <= EXACT)),
        mean_residual=float(residuals.mean()),
        worst_residual=float(residuals.max()),
        mean_amplification=float(amplifications.mean()),
        worst_amplification=float(amplifications.max()),
    )
