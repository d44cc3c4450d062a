"""Cyclic repetition: Tandon, Lei, Dimakis & Karampatziakis, "Gradient Coding", ICML 2017."""

from __future__ import annotations

from collections.abc import Iterator
from math import gcd, inf

import numpy as np
import numpy.typing as npt

from ...errors import ConfigError
from ..base import CountingDecoder, Decoder, GradientCode
from ..checks import blocks_per_part, check_stragglers
from ..sets import all_sets, runs

Matrix = npt.NDArray[np.float64]

# Up to here random matrices compete: every straggler set can be tried for each of them. Beyond, a
# sample says nothing (the worst of 20,000 random sets is up to 1,000 times the worst of 1,000),
# and waves are better by far.
DRAW_WORKERS = 12
DRAWS = 64

# At most this over n_workers strides are tried, which bounds the time to build large codes.
STRIDES = 2000

# A decoding loses about 3e-16 times its amplification (measured), so beyond this some set of lost
# workers would leave fewer than 8 correct digits.
MAX_AMPLIFICATION = 1e7


class Cyclic(GradientCode):
    """Worker i holds the n_stragglers + 1 blocks from i on, around the ring; any n - s answers do.

    n_stragglers : lost workers tolerated, any of them
    n_blocks     : blocks in all, a multiple of n_workers; default n_workers

    The rows of the encoding lie in the null space of a matrix H (n_stragglers x n_workers) with
    H 1 = 0 of which any n_stragglers columns are independent (algorithm 1 of the paper); each row
    is scaled to the norm of a repetition code's, so that amplifications compare. The paper draws H
    at random; how much a decoding amplifies noise then varies over many orders of magnitude. Here
    the best of several H is kept: random draws, and matrices of sines and cosines, which for odd
    n - s and stride 1 give the cyclic MDS code of Raviv et al. (arXiv:1707.03858).
    """

    name = "cyclic"

    def __init__(
        self, *, n_workers: int, n_stragglers: int = 1, n_blocks: int | None = None, seed: int = 0
    ) -> None:
        check_stragglers(n_workers, n_stragglers)
        share = blocks_per_part(n_blocks, n_workers, "workers")
        if n_workers <= DRAW_WORKERS:
            matrix, worst = _best_of_all(n_workers, n_stragglers, seed)
            self._hardest = 1
        else:
            matrix, worst, self._hardest = _best_stride(n_workers, n_stragglers)
        if worst > MAX_AMPLIFICATION:
            raise ConfigError(
                f"code.n_stragglers: a cyclic code of {n_workers} workers that tolerates "
                f"{n_stragglers} amplifies rounding {worst:.0e} times, more than "
                f"{MAX_AMPLIFICATION:.0e}; take fewer stragglers or fractional-repetition"
            )
        self._n_awaited = n_workers - n_stragglers
        super().__init__(
            np.repeat(matrix, share, axis=1),
            np.arange(n_workers),
            n_workers=n_workers,
            n_blocks=n_workers * share,
            max_stragglers=n_stragglers,
        )

    def decoder(self, kind: str = "gradient") -> Decoder:
        """Return a decoder that is ready after n_workers - n_stragglers answers."""
        self.check_kind(kind)
        return CountingDecoder(self, self._n_awaited)

    def hard_sets(self, n_lost: int) -> npt.NDArray[np.intp]:
        """Add the runs, in the order of the waves, that amplify noise most."""
        waves = runs(self.n_workers, n_lost, self._hardest)
        return np.concatenate([super().hard_sets(n_lost), waves])


def _best_of_all(n: int, s: int, seed: int) -> tuple[Matrix, float]:
    """Return the encoding of least worst amplification, and that, over every straggler set."""
    sets = all_sets(n, s)
    rng = np.random.default_rng([seed, n, s])
    candidates = [_encoding(null) for null in (*_draws(n, s, rng), _waves(n, s, 1))]
    worst = [_rounded(amplifications(matrix, sets).max()) for matrix in candidates]
    best = int(np.argmin(worst))
    return candidates[best], worst[best]


def _best_stride(n: int, s: int) -> tuple[Matrix, float, int]:
    """Return an encoding from waves, its worst amplification, and the stride of the worst sets.

    With waves of stride g the worst sets are runs in the order of the waves: steps of the inverse
    of g. Of the strides whose worst is within twice the least we take the one that makes runs of
    consecutive workers (a lost node) most harmless.
    """
    found = []
    for stride in [g for g in range(1, n // 2 + 1) if gcd(g, n) == 1][: max(1, STRIDES // n)]:
        inverse = pow(stride, -1, n)
        try:
            matrix = _encoding(_waves(n, s, stride))
            worst = _rounded(amplifications(matrix, runs(n, s, inverse)).max())
            node = _rounded(amplifications(matrix, runs(n, s)).max())
        except np.linalg.LinAlgError:
            # Independent in theory, not in 16 digits.
            continue
        found.append((node, worst, inverse, matrix))
    if not found:
        return np.eye(n), inf, 1
    limit = 2 * min(worst for _, worst, _, _ in found)
    _, worst, inverse, matrix = min(f for f in found if f[1] <= limit)
    return matrix, worst, inverse


def _rounded(value: float) -> float:
    """Return six digits of ``value``: hosts whose last digits differ must make the same choice."""
    return float(f"{value:.5e}")


def _draws(n: int, s: int, rng: np.random.Generator) -> Iterator[Matrix]:
    for _ in range(DRAWS):
        null = rng.standard_normal((s, n))
        yield null - null.mean(axis=1, keepdims=True)


def _waves(n: int, s: int, stride: int) -> Matrix:
    """Return H from the s real waves nearest the highest frequency, (s, n).

    Any s columns of s consecutive powers of s distinct points on the circle are independent
    (Vandermonde), also if the exponents are halves of odd numbers, which makes the waves real when
    n - s is even. Then 1 is not orthogonal to them, but its projection w is near 1, and H diag(w)
    is as good.
    """
    frequency = np.arange(s) - (s - 1) / 2
    points = stride * np.arange(n) % n
    phase = 2 * np.pi / n * np.outer(frequency, points)
    waves = (-1.0) ** points * np.where((frequency >= 0)[:, None], np.cos(phase), np.sin(phase))
    basis = np.linalg.qr(waves.T)[0]
    null: Matrix = (basis * (1.0 - basis @ basis.sum(axis=0))[:, None]).T
    return null


def _encoding(null: Matrix) -> Matrix:
    """Return one row per worker, on s + 1 blocks from its own on, orthogonal to all rows of H."""
    s, n = null.shape
    support = (np.arange(n)[:, None] + np.arange(s + 1)) % n
    columns = null[:, support].transpose(1, 0, 2)
    rest = -np.linalg.solve(columns[:, :, 1:], columns[:, :, :1])[:, :, 0]
    rows = np.column_stack([np.ones(n), rest])
    rows *= np.sqrt(s + 1) / np.linalg.norm(rows, axis=1, keepdims=True)
    matrix = np.zeros((n, n))
    np.put_along_axis(matrix, support, rows, axis=1)
    return matrix


def amplifications(matrix: Matrix, sets: npt.NDArray[np.intp]) -> Matrix:
    """Return the norm of the decoding coefficients for each set of missing workers, (n_sets,).

    All solutions of ``a @ matrix = 1`` are the smallest one minus a combination of the rows of the
    left null space, and that combination follows from ``a = 0`` at the missing workers: one small
    system per set.
    """
    n, s = len(matrix), sets.shape[1]
    left, singular, right = np.linalg.svd(matrix)
    smallest = left[:, : n - s] @ (right[: n - s].sum(axis=1) / singular[: n - s])
    systems = left[:, n - s :][sets]
    mixed = np.linalg.solve(systems, smallest[sets][:, :, None])[:, :, 0]
    norms: Matrix = np.sqrt(smallest @ smallest + (mixed * mixed).sum(axis=1))
    return norms
