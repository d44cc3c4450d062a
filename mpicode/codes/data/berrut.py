"""Berrut's rational interpolation, for any function, with any answers: no threshold.

Encoding, decoding without poles, the bound (BACC): Jahani-Nezhad and Maddah-Ali, "Berrut
Approximated Coded Computing: Straggler Resistance Beyond Polynomial Computing", IEEE TPAMI 45(1),
2023 (arXiv:2009.08327). Masks: the same with Gaussian blocks appended to the data.
"""

from __future__ import annotations

import numpy as np

from .approximate import ApproximateCode, Matrix
from .points import SAME, Points, Vector


def berrut(knots: Vector, at: Vector) -> Matrix:
    """Return the weights of Berrut's first interpolant, (size of ``at``, size of ``knots``).

    knots : distinct, ascending      at : anywhere

    The signs alternate by the place among these very knots, so that no pole lies on the line,
    whichever points are missing. Rows sum to 1; at a knot its value is taken as it is.
    """
    distance = at[:, None] - knots
    hit = np.abs(distance) <= SAME
    signs = 1.0 - 2.0 * (np.arange(knots.size) % 2)
    terms = signs / np.where(hit, 1.0, distance)
    hits = hit.any(axis=1)
    terms[hits] = hit[hits]
    weights: Matrix = terms / terms.sum(axis=1, keepdims=True)
    return weights


class Berrut(ApproximateCode):
    """Blocks interpolated by Berrut's rational function; any answers decode, approximately.

    n_blocks     : blocks the data is cut into, K, of which a worker computes on one; default half
                   as many as workers
    n_stragglers : how many answers the master does without, S; any number of them decodes, the
                   fewer the more roughly
    n_colluding  : random blocks mixed in, T, that blur what so many workers together can see; how
                   much they still learn is `leakage`, and it is not nothing
    mask_scale   : standard deviation of the random blocks, in units of that of the data
    points       : where workers sit: Chebyshev points of the "second" kind, ends included, or of
                   the "first"
    permute      : whether consecutive workers get places far apart, so that a lost node leaves no
                   gap
    seed         : of these places

    Constants alone are reproduced exactly. The error falls as the square of the number of workers
    for smooth functions, and noise in the answers is not averaged away.
    """

    name = "berrut"

    def __init__(
        self,
        *,
        n_workers: int,
        n_blocks: int | None = None,
        n_stragglers: int = 1,
        n_colluding: int = 0,
        mask_scale: float = 1.0,
        points: Points = "second",
        permute: bool = True,
        seed: int = 0,
    ) -> None:
        super().__init__(
            n_workers=n_workers,
            n_blocks=n_blocks,
            n_stragglers=n_stragglers,
            n_colluding=n_colluding,
            mask_scale=mask_scale,
            points=points,
            permute=permute,
            seed=seed,
        )

    def encoder(self, knots: Vector, at: Vector) -> Matrix:
        """Return the weights of the blocks in the coded blocks: interpolated, exact at knots."""
        return berrut(knots, at)

    def curve(self, knots: Vector, at: Vector, penalty: float = 0.0) -> Matrix:
        """Return the weights of the answers in values taken ``at``: interpolated likewise.

        Nothing here can be smoothed by a penalty.
        """
        return berrut(knots, at)
