"""Sets of workers that may be missing: all of them, a sample, and the ones that hurt."""

from __future__ import annotations

from itertools import combinations
from math import comb
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from .base import GradientCode

Sets = npt.NDArray[np.intp]


def all_sets(n: int, size: int) -> Sets:
    """Return every set of ``size`` out of ``n`` workers, (n_sets, size), in lexical order."""
    everything = np.array(list(combinations(range(n), size)), dtype=np.intp)
    return everything.reshape(comb(n, size), size)


def straggler_sets(n: int, size: int, count: int, rng: np.random.Generator) -> Sets:
    """Return all sets of ``size`` workers, or ``count`` random ones if there are more than that."""
    if comb(n, size) <= count:
        return all_sets(n, size)
    drawn = np.argpartition(rng.random((count, n)), size - 1, axis=1)[:, :size]
    return np.sort(drawn, axis=1)


def masks(sets: Sets, n: int) -> npt.NDArray[np.bool_]:
    """Return the sets as rows that are True where a worker belongs to it, (n_sets, n)."""
    rows = np.zeros((len(sets), n), dtype=bool)
    np.put_along_axis(rows, sets, True, axis=1)
    return rows


def runs(n: int, size: int, stride: int = 1) -> Sets:
    """Return the ``n`` sets of ``size`` workers, ``stride`` apart, around the ring, (n, size)."""
    return np.sort((np.arange(n)[:, None] + stride * np.arange(size)) % n, axis=1)


def hard_sets(code: GradientCode, size: int) -> Sets:
    """Return sets of ``size`` lost workers that hurt a code with such a placement, (n_sets, size).

    Consecutive workers (a lost node), and for each block the loss of all its holders, then of all
    holders of the block that now needs the fewest further losses, and so on. With groups that is
    the loss of whole groups.
    """
    holds = np.zeros((code.n_workers, code.n_blocks), dtype=bool)
    for worker in range(code.n_workers):
        holds[worker, code.blocks(worker)] = True
    chains = [_chain(holds, block, size) for block in range(code.n_blocks)]
    return np.unique(np.concatenate([runs(code.n_workers, size), chains]), axis=0)


def _chain(holds: npt.NDArray[np.bool_], block: int, size: int) -> Sets:
    lost = np.zeros(len(holds), dtype=bool)
    while True:
        holders = np.flatnonzero(holds[:, block] & ~lost)
        lost[holders[: size - lost.sum()]] = True
        if lost.sum() == size:
            return np.flatnonzero(lost)
        left = holds[~lost].sum(axis=0)
        block = int(np.argmin(np.where(left, left, len(holds) + 1)))
