"""Sets of workers that may be missing: all of them, a sample, and the ones that hurt."""

from __future__ import annotations

from itertools import combinations
from math import comb, gcd
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


def even_strides(n: int, n_held: int) -> list[int]:
    """Return the strides, up to n / 2, that visit all ``n`` workers around the ring.

    First those that spread ``n_held`` consecutive ones the most evenly: by the least distance, on
    the ring, of any two of the places ``stride * k``.
    """
    strides = np.array([g for g in range(1, n // 2 + 1) if gcd(g, n) == 1] or [1])
    place = strides[:, None] * np.arange(1, max(2, n_held)) % n
    nearest = np.minimum(place, n - place).min(axis=1)
    even: list[int] = strides[np.argsort(-nearest, kind="stable")].tolist()
    return even


def hard_sets(code: GradientCode, size: int) -> Sets:
    """Return sets of ``size`` lost workers that hurt a code with such a placement, (n_sets, size).

    Consecutive workers (a lost node), and for each block the loss of all its holders, then of all
    holders of the block that now needs the fewest further losses, and so on. With groups that is
    the loss of whole groups.
    """
    holds = np.zeros((code.n_workers, code.n_blocks), dtype=bool)
    for worker in range(code.n_workers):
        holds[worker, code.blocks(worker)] = True
    # Blocks with the same holders lead to the same sets.
    _, first = np.unique(np.packbits(holds, axis=0), axis=1, return_index=True)
    holds = holds[:, np.sort(first)]
    blocks = [np.flatnonzero(row) for row in holds]
    holders = [np.flatnonzero(column).tolist() for column in holds.T]
    needed = holds.sum(axis=0, dtype=np.intc)
    chains = [_chain(blocks, holders, needed.copy(), block, size) for block in range(len(holders))]
    return np.unique(np.concatenate([runs(code.n_workers, size), chains]), axis=0)


def _chain(
    blocks: list[Sets],
    holders: list[list[int]],
    needed: npt.NDArray[np.intc],
    block: int,
    size: int,
) -> Sets:
    """Return who is lost if ``block`` goes first; ``needed`` counts the holders left of each."""
    lost: set[int] = set()
    while True:
        for worker in holders[block]:
            if len(lost) == size:
                return np.array(sorted(lost), dtype=np.intp)
            if worker not in lost:
                lost.add(worker)
                needed[blocks[worker]] -= 1
        # Never again one that is gone.
        needed[needed == 0] = len(blocks) + 1
        if needed.min() > len(blocks):
            # who is left holds nothing
            spare = [worker for worker in range(len(blocks)) if worker not in lost]
            return np.array(sorted([*lost, *spare][:size]), dtype=np.intp)
        block = int(np.argmin(needed))
