"""How good light rows are: how little they share, and what any survivors of them can tell."""

from __future__ import annotations

from math import comb, sqrt
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..sets import straggler_sets

Matrix = npt.NDArray[np.float64]

# A direction weaker than this, relative to the strongest, does not count for the rank.
WEAK = 1e-9


def coherence(rows: Matrix) -> float:
    """Return the largest cosine of two of the unit rows, (n_rows, n_columns)."""
    cosines = np.abs(rows @ rows.T)
    np.fill_diagonal(cosines, 0.0)
    return float(cosines.max())


def welch_bound(n_rows: int, n_columns: int) -> float:
    """Return what no coherence is below: Welch, IEEE Trans. Inf. Theory 1974."""
    if n_rows <= n_columns:
        return 0.0
    return sqrt((n_rows - n_columns) / (n_columns * (n_rows - 1)))


def orthoplex_bound(n_rows: int, n_columns: int) -> float:
    """Return what no coherence of more than k (k + 1) / 2 rows is below, else 0."""
    return 1.0 / sqrt(n_columns) if n_rows > comb(n_columns + 1, 2) else 0.0


def frame_potential(rows: Matrix) -> float:
    """Return ``||rows rows'||_F ** 2``; its least value over unit rows is `least_potential`."""
    products = rows @ rows.T
    return float(np.vdot(products, products))


def least_potential(n_rows: int, n_columns: int) -> float:
    """Return the least frame potential: Benedetto & Fickus, Adv. Comput. Math. 2003."""
    return max(float(n_rows), n_rows**2 / n_columns)


def shared_information(cosine: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return the mutual information of two codewords, nats per number, for isotropic gradients.

    That is ``-log(sin angle)``, minus the logarithm of the chordal distance of their two lines in
    real projective space.
    """
    squares: npt.NDArray[np.float64] = np.square(np.asarray(cosine, dtype=float))
    return -0.5 * np.log1p(-squares)


def one_step_error(rows: Matrix) -> float:
    """Return what ``gamma rows' rows`` misses of an isotropic gradient, as a share of it.

    gamma = m / FP is the best factor for m unit rows of frame potential FP, and then the error is
    ``1 - m^2 / (k FP)``.
    """
    m, k = rows.shape
    return 1.0 - m * m / (k * frame_potential(rows)) if m else 1.0


class Survivors(NamedTuple):
    """What is left if only so many rows arrive, over random sets of them.

    full          : share of the sets from which everything can be decoded
    amplification : median of ``||pseudo-inverse||_F^2 / k`` over those sets, NaN if there is none:
                    what white noise in the messages becomes
    one_step      : mean of `one_step_error`
    """

    n_arrived: int
    n_sets: int
    full: float
    amplification: float
    one_step: float


def survivors(rows: Matrix, n_arrived: int, count: int, seed: int = 0) -> Survivors:
    """Try every set of ``n_arrived`` rows, or ``count`` random ones if there are more."""
    n, k = rows.shape
    rng = np.random.default_rng([seed, n, n_arrived])
    sets = straggler_sets(n, n_arrived, count, rng)
    singular = np.linalg.svd(rows[sets], compute_uv=False)
    full = np.zeros(len(sets), dtype=bool)
    noise = np.array([np.nan])
    if n_arrived >= k:
        full = singular[:, -1] > WEAK * singular[:, 0]
        if full.any():
            noise = (1.0 / singular[full] ** 2).sum(axis=1) / k
    potentials = (singular**4).sum(axis=1)
    return Survivors(
        n_arrived,
        len(sets),
        float(full.mean()),
        float(np.median(noise)),
        float(np.mean(1.0 - n_arrived**2 / (k * potentials))),
    )
