"""Where blocks and workers sit on the line, and which worker has which place."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

Points = Literal["second", "first"]
Vector = npt.NDArray[np.float64]

# Rotation by this share of the circle scatters any run of steps as evenly as can be.
GOLDEN = (5**0.5 - 1) / 2

# Places nearer than this are one: those that are not, for up to a million of them, lie further
# apart, and those that are differ by their rounding.
SAME = 1e-14


def chebyshev(n: int, kind: Points) -> Vector:
    """Return ``n`` Chebyshev points of the first or second kind, ascending, in [-1, 1].

    As sines of angles about 0, so that they are exactly symmetric and a middle one is exactly 0.
    The second kind has both ends among them.
    """
    steps = 2 * np.arange(n) + 1 - n
    parts = 2 * n if kind == "first" else max(2 * (n - 1), 1)
    points: Vector = np.sin(np.pi * steps / parts)
    return points


def scattered(n_workers: int, seed: int) -> npt.NDArray[np.intp]:
    """Return the place of each worker, a permutation in which neighbours lie far apart.

    Workers go around a circle by the golden ratio, from a start that the seed draws, and are put in
    the order in which they lie on it: consecutive workers, which a lost node or rack takes away
    together, leave gaps of nearly equal size (by the three-distance theorem), never one large one.
    """
    start = np.random.default_rng([seed, n_workers]).random()
    angles = (start + GOLDEN * np.arange(n_workers)) % 1.0
    places = np.empty(n_workers, dtype=np.intp)
    places[np.argsort(angles, kind="stable")] = np.arange(n_workers)
    return places


def mask_places(n_blocks: int, n_masks: int) -> npt.NDArray[np.bool_]:
    """Return which of ``n_blocks + n_masks`` places are those of masks: spread evenly.

    Masks side by side at one end, as blocks appended to the data would be, hide the data near the
    other end from nobody: two colluders among 20 workers then learn up to 47 bits about 8 blocks of
    unit variance, of masks of the same and at points of the first kind, instead of 27.
    """
    size = n_blocks + n_masks
    is_mask = np.zeros(size, dtype=bool)
    is_mask[(2 * np.arange(n_masks) + 1) * size // (2 * max(n_masks, 1))] = True
    return is_mask
