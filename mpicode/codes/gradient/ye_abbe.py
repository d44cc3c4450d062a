"""Shorter messages, any stragglers: Ye & Abbe, ICML 2018, pp. 5610-5619 (arXiv:1802.03475)."""

from __future__ import annotations

from collections.abc import Iterator
from math import comb
from typing import Literal

import numpy as np
import numpy.typing as npt

from ...errors import ConfigError
from ..checks import blocks_per_part, check_stragglers
from . import nested
from .candidates import CANDIDATES, least_amplifying, of_waves
from .completions import EVERY_SET
from .tight import TightCode

Matrix = npt.NDArray[np.float64]
Variant = Literal["orthonormal", "gaussian", "chebyshev", "vandermonde"]

# Random candidates at most.
DRAWS = 8

# Sets of missing workers that a random code is tried on (with 1,000 a worst amplification of 8e6
# was taken for 2e5), fewer where the systems are larger: half a second for 30 workers.
MORE_SETS = 200_000
MORE_ENTRIES = 36 * MORE_SETS


class YeAbbe(TightCode):
    """Worker i holds n_stragglers + n_segments blocks from i on; any n - s short answers do.

    n_stragglers : lost workers tolerated, any of them, s
    n_segments   : a message is this many times shorter, m; s + m is at most n_workers, and no code
                   does with a smaller load
    n_blocks     : blocks in all, a multiple of n_workers; default n_workers
    variant      : what the messages are combinations of, which decides how much rounding is
                   amplified: "orthonormal", the best of sines and cosines and, for few
                   workers, of random orthonormal rows; "gaussian", the best of random matrices;
                   and the paper's polynomials at "chebyshev" points or, "vandermonde", at points
                   1/2 apart
    seed         : of the random matrices

    All follow one scheme: messages lie in a space of n - s dimensions, of whose coordinates the
    last m are the sum's segments; a block's m vectors vanish at the workers without it. A code that
    would amplify rounding more than 1e7 times is refused: polynomials from 15 to 25 workers on.
    """

    name = "ye-abbe"

    def __init__(
        self,
        *,
        n_workers: int,
        n_stragglers: int = 1,
        n_segments: int = 2,
        n_blocks: int | None = None,
        variant: Variant = "orthonormal",
        seed: int = 0,
    ) -> None:
        check_stragglers(n_workers, n_stragglers)
        if not 1 <= n_segments <= n_workers - n_stragglers:
            raise ConfigError(
                f"code.n_segments: {n_segments} segments cannot be had from {n_workers} workers of "
                f"which {n_stragglers} may be missing; wants 1 to {n_workers - n_stragglers}"
            )
        share = blocks_per_part(n_blocks, n_workers, "workers")
        more_sets = min(MORE_SETS, MORE_ENTRIES // max(n_stragglers, n_segments) ** 2)
        super().__init__(
            _encoding(n_workers, n_stragglers, n_segments, variant, seed),
            n_stragglers=n_stragglers,
            n_segments=n_segments,
            share=share,
            remedy=("" if variant == "orthonormal" else "variant orthonormal, ")
            + "fewer stragglers or kadhe",
            more_sets=more_sets if variant == "gaussian" else 0,
        )


def _encoding(n: int, s: int, m: int, variant: Variant, seed: int) -> Matrix:
    """Return the encoding, (n, m * n)."""
    if variant == "vandermonde":
        # Symmetric about 0, 1/2 apart save for the middle; 0 itself if n is odd.
        half = 1 + np.arange(n // 2) / 2
        middle = [0.0] * (n % 2)
        return nested.from_points(np.concatenate([-half[::-1], middle, half]), s, m)
    if variant == "chebyshev":
        return nested.from_points(np.cos(np.pi * (np.arange(n) + 0.5) / n), s, m)
    rng = np.random.default_rng([seed, n, s, m])
    return least_amplifying(_candidates(n, s, m, variant, rng), m, s, rng)


def _candidates(
    n: int, s: int, m: int, variant: Variant, rng: np.random.Generator
) -> Iterator[Matrix]:
    """Yield encodings to choose from; random ones beside waves only where every set is tried."""
    waves = variant == "orthonormal"
    if waves:
        yield from of_waves(n, s, m)
    if not waves or comb(n, s) <= EVERY_SET:
        for _ in range(max(1, min(DRAWS, CANDIDATES // n))):
            yield nested.from_draw(n, s, m, rng, orthonormal=waves)
