"""Random diagonals: Munim & Ramamoorthy, "Communication-Efficient Approximate Gradient Coding"."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import ConfigError
from ..base import GradientCode
from ..design_code import Matrix, VectorCode


class MunimDiagonal(VectorCode):
    """Workers of a design weight each segment by a random number; short answers, approximate sum.

    epsilon : the numbers are uniform on [1 - epsilon, 1 + epsilon], of either sign; 0: signs alone
    redraw  : whether they are drawn anew for every iteration (by seed and iteration: nothing is
              sent); then ``encoding`` is that of iteration 0

    Construction 1 (equation 7) of the paper: with V (n_workers, n_segments) of such numbers,
    worker i adds up the gradients of its blocks and sends ``sum_u V[i, u] * segment u``: one
    ordinary gradient pass. On block designs with epsilon 0 the mean residual without s workers is
    at most ``m k - m load^2 (n - s) / (m load + (n - s - 1) overlap)`` (corollary 1), in blocks of
    the design.

    The paper redraws, and its proof that the expected sum is a multiple of the true one averages
    over V. With one V for a whole run the expectation over failures alone differs from that
    multiple: with two segments and a quarter of the workers missing by 0.3 (91 workers) to 0.5 (7)
    of its norm on block designs, by 0.3 on Clebsch's graph, 0.02 on a coset graph of load 5.

    On coset graphs the sum of all answers is exact if epsilon > 0 (with probability 1): a block's
    holders fall into sets of n_segments workers that hold the same blocks.
    """

    name = "munim-diagonal"

    def __init__(self, *, epsilon: float = 0.0, redraw: bool = True, **rest: Any) -> None:
        if not 0 <= epsilon < 1:
            raise ConfigError(f"code.epsilon: wants 0 <= epsilon < 1, got {epsilon}")
        self.epsilon = epsilon
        self.varies = redraw
        super().__init__(**rest)
        self._stream = [rest.get("seed", 0), self.n_workers, self.n_segments]
        self._latest: tuple[int, GradientCode] = 0, self

    def at(self, iteration: int) -> GradientCode:
        """Return the code with the numbers of ``iteration``; those of the last one are kept."""
        if not self.varies or iteration == 0:
            return self
        if self._latest[0] != iteration:
            self._latest = iteration, self.with_vectors(self._vectors(iteration))
        return self._latest[1]

    def factors(self, iteration: int) -> Matrix | None:
        """Return the numbers of ``iteration`` over those of iteration 0."""
        if not self.varies or iteration == 0:
            return None
        return self._vectors(iteration) / self.vectors

    def _vectors(self, iteration: int) -> Matrix:
        return self.draw(self.vectors.shape, np.random.default_rng([*self._stream, iteration]))

    def draw(self, shape: tuple[int, int], rng: np.random.Generator) -> Matrix:
        """Return random numbers of either sign, of this shape."""
        sign = rng.integers(2, size=shape) * 2 - 1
        size = rng.uniform(1 - self.epsilon, 1 + self.epsilon, size=shape)
        return np.asarray(sign * size)
