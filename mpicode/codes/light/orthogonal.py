"""The estimate of least norm, by rows made orthogonal one after the other."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.linalg import solve_triangular

from ...errors import ConfigError
from ...kernels import innovate
from .base import DEPENDENT, Float, Matrix, Segments, inside
from .correcting import Correcting
from .parity import Verdict, damaged, tolerance_of


class Parity(NamedTuple):
    """What a row that depends on others says: its codeword should follow from theirs.

    mismatch : norm of what it differs by, relative to the largest codeword
    limit    : above which that is no rounding
    """

    row: int
    mismatch: float
    limit: float


class Orthogonal(Correcting):
    """Solves for the estimate of least norm, exactly: the least squares of what arrived.

    threshold : rows of which a smaller part, relative to their length, is new would multiply noise
                by its inverse. They are put aside until `settle`; 0 to 1

    Any subset of the rows gives an estimate G' with ``<G', G> = |G'|^2``: a direction of descent.
    It does not depend on the order of the rows, save for which of them are put aside. A row's new
    part r is taken by Gram-Schmidt, twice, in k dimensions; G' lies in the span of the rows before,
    so ``c - a^T G'`` is the codeword of r, and G' grows by ``r / |r|^2`` times it.

    A row that depends on those before adds nothing; whether its codeword fits theirs is noted in
    ``parities``. `damaged` then looks for the codeword that is wrong, among all of them: so they
    are referenced, and their memory may be used again after `reset` only.
    """

    name = "ortho"
    keeps_codewords = True

    def __init__(self, *, rows: npt.ArrayLike, length: int, threshold: float = 0.05) -> None:
        super().__init__(rows=rows, length=length)
        if not 0.0 <= threshold < 1.0:
            raise ConfigError(f"decoder.threshold: must be at least 0, below 1, got {threshold}")
        self.threshold = threshold
        k = self.n_segments
        self._basis: Matrix = np.zeros((k, k))
        self._mixed: Matrix = np.zeros((k, k))  # the rows used, in that basis: lower triangular
        self._used: list[int] = []
        self._aside: list[int] = []
        self._codewords: dict[int, Float] = {}
        self.parities: list[Parity] = []

    def _weigh(self, row: int, staleness: int, variance: float) -> tuple[Matrix, Matrix]:
        return self.rows[row], self._gain(row, self.threshold)

    def _gain(self, row: int, threshold: float) -> Matrix:
        """Take the row into the basis if enough of it is new; return its gain, else zero."""
        new, mixed = self._new_part(row)
        square = float(new @ new)
        if square < max(threshold, DEPENDENT) ** 2 * self.squares[row]:
            return np.zeros(self.n_segments)
        size = np.sqrt(square)
        r = len(self._used)
        self._basis[r] = new / size
        self._mixed[r, :r], self._mixed[r, r] = mixed, size
        self._used.append(row)
        return np.asarray(new / square)

    def _new_part(self, row: int) -> tuple[Matrix, Matrix]:
        """Return what of a row is orthogonal to the basis, (k,), and the rest in it, (rank,)."""
        basis = self._basis[: len(self._used)]
        mixed = basis @ self.rows[row]
        new = self.rows[row] - mixed @ basis
        again = basis @ new
        return new - again @ basis, mixed + again

    def _add(self, row: int, codeword: Float, staleness: int, variance: float) -> Segments:
        touched = super()._add(row, codeword, staleness, variance)
        self._keep(row, codeword)
        return touched

    def _add_and_step(
        self,
        row: int,
        codeword: Float,
        x: Matrix,
        step_size: float,
        staleness: int,
        variance: float,
    ) -> None:
        super()._add_and_step(row, codeword, x, step_size, staleness, variance)
        self._keep(row, codeword)

    def _keep(self, row: int, codeword: Float) -> None:
        """Note what became of the row that was added last."""
        self._codewords[row] = codeword
        if self._used and self._used[-1] == row:
            return
        new, mixed = self._new_part(row)
        if float(new @ new) < DEPENDENT**2 * self.squares[row]:
            self.parities.append(self._parity(row, mixed))
        else:
            self._aside.append(row)

    def _parity(self, row: int, mixed: Matrix) -> Parity:
        """Return what a dependent row says; the squared mismatch is in ``unforeseen``."""
        r = len(self._used)
        largest = max(float(np.linalg.norm(each)) for each in self._codewords.values())
        combined = solve_triangular(self._mixed[:r, :r], mixed, lower=True, trans="T")
        limit = tolerance_of(self._codewords[row].dtype) * (1.0 + float(np.abs(combined).sum()))
        return Parity(row, float(np.sqrt(self.unforeseen)) / largest if largest else 0.0, limit)

    def settle(self) -> None:
        """Use the rows that were put aside, the strongest first: nothing better will come."""
        while self._aside:
            sizes = [float(np.linalg.norm(self._new_part(row)[0])) for row in self._aside]
            row = self._aside.pop(int(np.argmax(sizes)))
            codeword = self._codewords[row]
            self.unforeseen = innovate(self.rows[row], codeword, self._gain(row, 0.0), self.state)
            self._keep(row, codeword)

    @property
    def rank(self) -> int:
        """How many rows are used: the independent ones, without those put aside."""
        return len(self._used)

    def known(self) -> npt.NDArray[np.bool_]:
        """Return which segments what was used determines."""
        return inside(self._basis[: len(self._used)])

    @property
    def consistent(self) -> bool:
        """Whether all codewords of dependent rows were what the others say."""
        return all(parity.mismatch <= parity.limit for parity in self.parities)

    def damaged(self) -> Verdict:
        """Look for the codeword that does not fit the others; its row as `add` was given it."""
        rows = list(self._codewords)
        verdict = damaged(self.rows[rows], list(self._codewords.values()))
        return verdict if verdict.row is None else verdict._replace(row=rows[verdict.row])

    def reset(self) -> None:
        """Forget everything, and let go of the codewords."""
        super().reset()
        self._used.clear()
        self._aside.clear()
        self._codewords.clear()
        self.parities.clear()
