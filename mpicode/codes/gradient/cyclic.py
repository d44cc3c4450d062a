"""Cyclic repetition: Tandon, Lei, Dimakis & Karampatziakis, "Gradient Coding", ICML 2017."""

from __future__ import annotations

from collections.abc import Iterator
from math import comb

import numpy as np
import numpy.typing as npt

from ..checks import blocks_per_part, check_stragglers
from .candidates import CANDIDATES, least_amplifying, of_waves
from .completions import EVERY_SET
from .tight import TightCode

Matrix = npt.NDArray[np.float64]

# Random candidates at most.
DRAWS = 16


class Cyclic(TightCode):
    """Worker i holds the n_stragglers + 1 blocks from i on, around the ring; any n - s answers do.

    n_stragglers : lost workers tolerated, any of them
    n_blocks     : blocks in all, a multiple of n_workers; default n_workers

    The rows of the encoding lie in the null space of a matrix H (n_stragglers x n_workers) with
    H 1 = 0 of which any n_stragglers columns are independent, which determines them up to a factor
    (algorithm 1 of the paper). The paper draws H at random; how much a decoding amplifies noise
    then varies over many orders of magnitude. Here the best of several is kept: random ones, for
    few workers, and those that belong to encodings from sines and cosines, as in `ye-abbe` with one
    segment.
    """

    name = "cyclic"

    def __init__(
        self, *, n_workers: int, n_stragglers: int = 1, n_blocks: int | None = None, seed: int = 0
    ) -> None:
        check_stragglers(n_workers, n_stragglers)
        share = blocks_per_part(n_blocks, n_workers, "workers")
        rng = np.random.default_rng([seed, n_workers, n_stragglers])
        super().__init__(
            least_amplifying(_candidates(n_workers, n_stragglers, rng), 1, n_stragglers, rng),
            n_stragglers=n_stragglers,
            share=share,
            remedy="fewer stragglers or fractional-repetition",
        )


def _candidates(n: int, s: int, rng: np.random.Generator) -> Iterator[Matrix]:
    """Yield encodings to choose from; random ones beside waves only where every set is tried."""
    yield from of_waves(n, s, 1)
    if comb(n, s) <= EVERY_SET:
        for _ in range(min(DRAWS, CANDIDATES // n)):
            null = rng.standard_normal((s, n))
            yield orthogonal_to(null - null.mean(axis=1, keepdims=True))


def orthogonal_to(null: Matrix) -> Matrix:
    """Return one row per worker, on s + 1 blocks from its own on, orthogonal to all rows of H.

    null : H, (s, n)      returns (n, n), each row with a 1 for the worker's own block
    """
    s, n = null.shape
    support = (np.arange(n)[:, None] + np.arange(s + 1)) % n
    columns = null[:, support].transpose(1, 0, 2)
    rest = -np.linalg.solve(columns[:, :, 1:], columns[:, :, :1])[:, :, 0]
    matrix = np.zeros((n, n))
    np.put_along_axis(matrix, support, np.column_stack([np.ones(n), rest]), axis=1)
    return matrix
