"""What a growing set of vectors can express."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

# A vector that is this close to the span, relative to its length, adds nothing but rounding.
DEPENDENT = 1e-12


class Span:
    """An orthonormal basis that grows by one vector at a time, and what of the targets it misses.

    targets : (dimension, n_targets)      missing : squared Frobenius norm of the part outside

    One addition costs O(dimension x rank), where decoding anew would cost rank times that.
    """

    def __init__(self, targets: npt.NDArray[Any]) -> None:
        dimension = len(targets)
        self._targets = targets
        self._basis = np.empty((dimension, dimension), dtype=targets.dtype)
        self.clear()

    def clear(self) -> None:
        """Begin again with no vectors."""
        self._rank = 0
        self._outside = self._targets.copy()
        self.missing = _squared(self._outside)

    def add(self, vector: npt.NDArray[Any]) -> None:
        """Widen the span by ``vector``, (dimension,)."""
        length = np.linalg.norm(vector)
        rest = vector
        # Twice is enough: the second pass removes what rounding left of the first.
        for _ in range(2):
            basis = self._basis[: self._rank]
            rest = rest - (basis.conj() @ rest) @ basis
        size = np.linalg.norm(rest)
        if size <= DEPENDENT * length or self._rank == len(self._basis):
            return
        direction = rest / size
        self._basis[self._rank] = direction
        self._rank += 1
        self._outside -= np.outer(direction, direction.conj() @ self._outside)
        self.missing = _squared(self._outside)


def _squared(values: npt.NDArray[Any]) -> float:
    return float(np.vdot(values, values).real)
