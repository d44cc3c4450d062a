"""Learning-theoretic coded computing: smoothing splines there and back.

Moradi, Tahmasebi and Maddah-Ali, "Coded Computing for Resilient Distributed Computing: A
Learning-Theoretic Framework", NeurIPS 2024 (arXiv:2406.00300); with corrupt workers
arXiv:2502.08058.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from ...errors import ConfigError
from ..data_code import Answers
from .approximate import ApproximateCode, Matrix
from .points import Points, Vector
from .smoothing import against_corrupt, capped, cross_validated, inner_products
from .spline import smoothing_spline

# Smoothing above this is a straight line to the last digit, and n times as much is still finite.
LARGEST = 1e300


class LeTCC(ApproximateCode):
    """Blocks and answers joined by natural cubic smoothing splines; any answers decode.

    n_blocks          : blocks the data is cut into, K, of which a worker computes on one; default
                        half as many as workers
    n_stragglers      : how many answers the master does without, S; any number of them decodes, the
                        fewer the more roughly
    n_corrupt         : wrong answers, A, among them; nobody is found out, but the decoding spline
                        is smoothed so much that they shift it little
    encoder_smoothing : penalty of the encoding spline, lambda_e: of the integral of its squared
                        second derivative beside the mean of its squared errors; 0 interpolates
    decoder_smoothing : the same of the decoding spline, lambda_d: a number; "lebesgue", for each
                        value the least that keeps errors of answers from growing more than 4 times,
                        for exact answers; "gcv", at least so much as cross-validation of the
                        answers says, for noisy ones (the weights of a sum, wanted before the
                        answers are there, keep to "lebesgue")
    points            : where workers sit: Chebyshev points of the "first" kind, or of the "second",
                        ends included
    permute           : whether consecutive workers get places far apart, so that a lost node leaves
                        no gap
    seed              : of these places

    Straight lines are reproduced exactly. The mean squared error is at most of the order S^3 / N^3
    for functions with two bounded derivatives, N^(-3/5) with noise of unit variance, and
    N^(6/5 (a - 1)) with N^a corrupt answers.
    """

    name = "letcc"

    def __init__(
        self,
        *,
        n_workers: int,
        n_blocks: int | None = None,
        n_stragglers: int = 1,
        n_corrupt: int = 0,
        encoder_smoothing: float = 0.0,
        decoder_smoothing: float | Literal["lebesgue", "gcv"] = "lebesgue",
        points: Points = "first",
        permute: bool = True,
        seed: int = 0,
    ) -> None:
        _check_smoothing("encoder_smoothing", encoder_smoothing)
        if not isinstance(decoder_smoothing, str):
            _check_smoothing("decoder_smoothing", decoder_smoothing)
        self.encoder_smoothing = encoder_smoothing
        self.decoder_smoothing = decoder_smoothing
        super().__init__(
            n_workers=n_workers,
            n_blocks=n_blocks,
            n_stragglers=n_stragglers,
            points=points,
            permute=permute,
            seed=seed,
        )
        if not 0 <= n_corrupt < n_workers:
            raise ConfigError(
                f"code.n_corrupt: {n_corrupt} of {n_workers} workers cannot be wrong; "
                f"wants 0 to {n_workers - 1}"
            )
        self.n_corrupt = n_corrupt
        self._least = against_corrupt(n_corrupt, n_workers)

    def encoder(self, knots: Vector, at: Vector) -> Matrix:
        """Return the weights of the blocks in the coded blocks."""
        return smoothing_spline(knots, at, knots.size * self.encoder_smoothing)

    def curve(self, knots: Vector, at: Vector, penalty: float = 0.0) -> Matrix:
        """Return the weights of the answers in values taken ``at``, smoothed by the rule."""
        if isinstance(self.decoder_smoothing, str):
            return capped(knots, at, max(penalty, self._least))
        return smoothing_spline(knots, at, knots.size * self.decoder_smoothing)

    def penalty(self, answers: Answers, arrived: npt.NDArray[np.bool_]) -> float:
        """Return the penalty that cross-validation of the answers gives, where it is asked for."""
        if self.decoder_smoothing != "gcv":
            return 0.0
        workers = self.along(arrived)
        vectors = self.given(answers, arrived)
        if workers.size < 3:
            return 0.0  # a line, or less, goes through them whatever the penalty
        gram = inner_products([v for v in (vectors[w] for w in workers) if v is not None])
        if not np.isfinite(gram).all():
            return 0.0  # nothing can be said of such answers, and the values will show it
        return cross_validated(self.worker_points[workers], gram)


def _check_smoothing(key: str, value: float) -> None:
    if not 0 <= value <= LARGEST:
        raise ConfigError(f"code.{key}: must lie in [0, {LARGEST:g}], got {value}")
