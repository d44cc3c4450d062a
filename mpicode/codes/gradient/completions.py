"""Every exact decoding of a code whose n messages span n - s dimensions, in closed form."""

from __future__ import annotations

from collections.abc import Callable
from math import comb
from typing import Any

import numpy as np
import numpy.typing as npt

from ..sets import Sets, all_sets, even_strides, runs, straggler_sets

Array = npt.NDArray[Any]

# Up to so many sets every one is tried.
EVERY_SET = 5000

# Otherwise so many random sets, and the worst of them made worse by exchanging one worker. With
# random codes few climbs find nothing: the worst of 24 is up to 100 times the worst of 6.
RANDOM_SETS = 1000
CLIMBS = 24

# And so many runs, with any stride where the workers are not very many.
RUNS = 10_000

# Entries of the systems solved at once: bounds memory for large codes.
CHUNK = 2_000_000


class Completions:
    """The smallest decoding coefficients for any set of at most s missing workers.

    encoding    : (n_messages, n_segments * n_blocks), one message per worker
    n_segments  : m; every segment's pieces sum to it
    n_lost      : s; any n - s messages give the sum and the rank of the encoding is n - s

    Coefficients are those for all messages plus a combination of the left null space; that it
    vanishes at the missing workers is a system of s x s for all segments at once. A decoding loses
    about 3e-16 times its amplification (measured).
    """

    def __init__(self, encoding: Array, n_segments: int, n_lost: int) -> None:
        n, n_pieces = encoding.shape
        wide = np.pad(encoding, ((0, 0), (0, max(0, n - n_pieces))))
        left, singular, right = np.linalg.svd(wide, full_matrices=False)
        rank = n - n_lost
        self._target = np.zeros((n_segments, wide.shape[1]))
        self._target[:, :n_pieces] = np.repeat(np.eye(n_segments), n_pieces // n_segments, axis=1)
        self.n, self.n_lost = n, n_lost
        self._encoding = wide
        # (n_pieces, n): the smallest coefficients of all messages for any combination of pieces
        self._inverse = (right[:rank].conj().T / singular[:rank]) @ left[:, :rank].conj().T
        # (n_segments, n) and (n_lost, n)
        self._whole = self._target @ self._inverse
        self._null = left[:, rank:].conj().T

    def __call__(self, lost: npt.NDArray[np.intp]) -> Array:
        """Return the coefficients without the workers ``lost``, (n_segments, n)."""
        return self.refined(self._without(self._whole, lost), lost)

    def refined(self, coefficients: Array, lost: npt.NDArray[np.intp]) -> Array:
        """Return the coefficients without the workers ``lost``, and what they miss made up for.

        What is missed is what rounding left. A step takes it down to what the rounding of the
        coefficients alone leaves, up to twenty times less.
        """
        missed = self._target - coefficients @ self._encoding
        return coefficients + self._without(missed @ self._inverse, lost)

    def _without(self, whole: Array, lost: npt.NDArray[np.intp]) -> Array:
        """Return coefficients that do the same as ``whole`` without the workers ``lost``."""
        at_lost, wanted = self._null[:, lost].T, -whole[:, lost].T
        if lost.size == self.n_lost:
            mixed = np.linalg.solve(at_lost, wanted)
        else:
            mixed = np.linalg.lstsq(at_lost, wanted)[0]
        coefficients: Array = whole + mixed.T @ self._null
        coefficients[:, lost] = 0
        return coefficients

    def amplifications(self, sets: Sets) -> npt.NDArray[np.float64]:
        """Return the norm of the coefficients for each set of s missing workers, (n_sets,).

        Infinity where the messages of the others are dependent.
        """
        per_chunk = max(1, CHUNK // max(1, self.n_lost**2))
        chunks = [sets[i : i + per_chunk] for i in range(0, len(sets), per_chunk)]
        return np.concatenate([self._amplifications(chunk) for chunk in chunks])

    def _amplifications(self, sets: Sets) -> npt.NDArray[np.float64]:
        try:
            mixed = np.linalg.solve(self._null.T[sets], self._whole.T[sets])
        except np.linalg.LinAlgError:
            if len(sets) == 1:
                return np.array([np.inf])
            halves = sets[: len(sets) // 2], sets[len(sets) // 2 :]
            return np.concatenate([self._amplifications(half) for half in halves])
        squares = self._whole @ self._whole.conj().T + mixed.swapaxes(1, 2) @ mixed.conj()
        return np.sqrt(np.linalg.eigvalsh(squares)[:, -1])


def fixed_sets(n: int, size: int, n_held: int, rng: np.random.Generator) -> Sets:
    """Return sets of missing workers to compare codes by: all, or random ones and runs.

    n_held : workers that hold a block, consecutive ones. Encodings from waves whose strides spread
             these evenly are among those compared, and they are worst at runs in their own order
    """
    if comb(n, size) <= EVERY_SET:
        return all_sets(n, size)
    random = straggler_sets(n, size, RANDOM_SETS, rng)
    strides = even_strides(n, n_held)[: max(1, RUNS // n)]
    orders = {*strides, *(pow(g, -1, n) for g in strides), 1}
    return np.concatenate([random, *(runs(n, size, g) for g in sorted(orders))])


def worst_sets(
    amplifications: Callable[[Sets], npt.NDArray[np.float64]], sets: Sets, n: int, limit: float
) -> tuple[float, Sets]:
    """Return the largest amplification found from ``sets`` on, and the sets that led to it.

    From the worst of them one worker at a time is exchanged for another as long as that is worse;
    not if all sets are given, or an amplification beyond ``limit`` is found at once.
    """
    values = amplifications(sets)
    order = np.argsort(-values)[:CLIMBS]
    worst, size = float(values[order[0]]), sets.shape[1]
    if comb(n, size) <= EVERY_SET or not worst <= limit:
        return worst, sets[order]
    summits = [_climb(amplifications, sets[i], float(values[i]), n) for i in order]
    return max(value for value, _ in summits), np.array([lost for _, lost in summits])


def _climb(
    amplifications: Callable[[Sets], npt.NDArray[np.float64]],
    lost: npt.NDArray[np.intp],
    value: float,
    n: int,
) -> tuple[float, npt.NDArray[np.intp]]:
    while True:
        others = np.setdiff1d(np.arange(n), lost)
        near = np.repeat(lost[None], lost.size * others.size, axis=0)
        near[np.arange(len(near)), np.repeat(np.arange(lost.size), others.size)] = np.tile(
            others, lost.size
        )
        values = amplifications(near)
        best = int(np.argmax(values))
        # More than rounding, so that it ends.
        if not values[best] > value * (1 + 1e-6):
            return value, np.sort(lost)
        lost, value = near[best], float(values[best])
