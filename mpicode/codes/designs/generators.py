"""The generating set of a coset graph: which circulant loses least when workers are missing."""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations
from math import comb

import numpy as np
import numpy.typing as npt

Sets = npt.NDArray[np.intp]
Scores = npt.NDArray[np.float64]

# The shares of missing workers that are looked at; a later one decides where the earlier are equal.
LOST = (0.25, 0.5, 0.125)

# All sets compete if there are at most this many, else a search begins from the regular ones.
EVERY_SET = 20_000
STEPS = 30

# Larger graphs keep the best progression: one step of exchanges would fill the memory.
EXCHANGES = 5_000_000


@lru_cache(maxsize=32)
def best_generators(n_blocks: int, load: int) -> tuple[int, ...]:
    """Return ``load`` of the numbers mod n_blocks for which the expected residual is least.

    Found among all sets that contain 0 (a shift changes nothing) or, where these are too many, by
    exchanging one number at a time, from arithmetic progressions on.
    """
    if comb(n_blocks - 1, load - 1) <= EVERY_SET:
        every = [(0, *rest) for rest in combinations(range(1, n_blocks), load - 1)]
        return _best(np.array(every), n_blocks)
    strides = np.arange(1, n_blocks // load + 1)
    best = _best(strides[:, None] * np.arange(load), n_blocks)
    for _ in range(STEPS if load * n_blocks**2 <= EXCHANGES else 0):
        held = np.array(best)
        others = np.setdiff1d(np.arange(n_blocks), held)
        exchanged = np.tile(held, (1 + load * len(others), 1))
        place, new = np.divmod(np.arange(load * len(others)), len(others))
        exchanged[1 + np.arange(len(place)), place] = others[new]
        following = _best(exchanged, n_blocks)
        if following == best:
            break
        best = following
    return best


def _best(sets: Sets, n_blocks: int) -> tuple[int, ...]:
    held = np.zeros((len(sets), n_blocks))
    np.put_along_axis(held, sets, 1.0, axis=1)
    power = np.abs(np.fft.fft(held, axis=1)) ** 2
    for lost in LOST:
        # Hosts whose last digits differ must make the same choice.
        scores = np.round(expected(power, lost), 6)
        least = scores == scores.min()
        sets, power = sets[least], power[least]
    return tuple(sorted(sets[0].tolist()))


def expected(power: Scores, lost: float) -> Scores:
    """Return an estimate of the relative residual without a share of the workers, (n_sets,).

    power : (n_sets, n_blocks), the squared absolute eigenvalues of circulants, first that of the
            constant vector

    As many random messages as workers are left, with the circulant's covariance, miss of its
    eigenvector of eigenvalue p the share kappa / (kappa + p), where those of all eigenvectors add
    up to the share of workers lost (the deterministic equivalent of a random projection). The
    wanted sums lie along the constant vector. So small eigenvalues are good: the messages then
    span little beside it.
    """
    low, high = np.full(len(power), -40.0), np.full(len(power), 20.0)
    for _ in range(50):
        middle = (low + high) / 2
        kappa = np.exp(middle)[:, None]
        missed = (kappa / (kappa + power)).mean(axis=1)
        low, high = np.where(missed < lost, middle, low), np.where(missed < lost, high, middle)
    kappa = np.exp(high)
    return np.asarray(kappa / (kappa + power[:, 0]))
