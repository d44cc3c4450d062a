"""Kalman's filter: codewords weighed by what is known, how old they are and how noisy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ...errors import ConfigError
from .base import KNOWN, Matrix
from .correcting import Correcting

# A row whose codeword is known beforehand, up to this share of its prior variance, is left.
_FORETOLD = 1e-12


class Kalman(Correcting):
    """Follows a gradient that drifts: each number of it a stationary process of variance 1.

    drift : q, 0 to 1: from one codeword to the next the gradient keeps sqrt(1 - q) of itself, and
            variance q is new
    noise : the variance of the noise in every codeword, relative to that of the gradient's numbers

    Without drift and noise this is the estimate of least norm (`Orthogonal`), with noise alone
    ``A^T (A A^T + noise)^-1 C``; with much drift the newest codeword counts most, as in `Kaczmarz`.
    A codeword that is s steps old is taken for ``(1 - q)^(s / 2)`` of what it would be now, with
    the variance that this leaves open. ``covariance`` (k, k) is that of the error, per column.
    """

    name = "kalman"
    accepts_stale = True

    def __init__(
        self, *, rows: npt.ArrayLike, length: int, drift: float = 0.01, noise: float = 0.0
    ) -> None:
        super().__init__(rows=rows, length=length)
        if not 0.0 <= drift <= 1.0:
            raise ConfigError(f"decoder.drift: must be between 0 and 1, got {drift}")
        if not (np.isfinite(noise) and noise >= 0.0):
            raise ConfigError(f"decoder.noise: must be zero or positive, got {noise}")
        self.drift = drift
        self.noise = noise
        self.covariance: Matrix = np.eye(self.n_segments)
        self._n_codewords = 0

    def _weigh(self, row: int, staleness: int, variance: float) -> tuple[Matrix, Matrix]:
        if self._n_codewords:
            self._drift()
        self._n_codewords += 1
        kept = (1.0 - self.drift) ** staleness
        measured = np.sqrt(kept) * self.rows[row]
        noise = self.noise + variance + (1.0 - kept) * self.squares[row]
        spread = self.covariance @ measured
        foreseen = float(measured @ spread)
        if foreseen + noise <= _FORETOLD * self.squares[row]:
            return measured, np.zeros(self.n_segments)
        gain = spread / (foreseen + noise)
        self.covariance -= np.outer(gain, spread)
        self.covariance += self.covariance.T
        self.covariance *= 0.5
        return measured, gain

    def _drift(self) -> None:
        """Let the time of one codeword pass."""
        if self.drift:
            self._shrink(float(np.sqrt(1.0 - self.drift)))
            self.covariance *= 1.0 - self.drift
            self.covariance.flat[:: self.n_segments + 1] += self.drift

    def known(self) -> npt.NDArray[np.bool_]:
        """Return for which segments no doubt is left."""
        return np.asarray(self.covariance.diagonal() < KNOWN)

    def memory(self) -> dict[str, Matrix]:
        """Return estimate and covariance."""
        return {**super().memory(), "covariance": self.covariance}

    def recall(self, memory: Mapping[str, Any]) -> None:
        """Go on from a `memory`."""
        super().recall(memory)
        self._n_codewords = 1

    def reset(self) -> None:
        """Forget everything."""
        super().reset()
        self.covariance[:] = np.eye(self.n_segments)
        self._n_codewords = 0
