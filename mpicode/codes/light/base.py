"""What every decoder of light messages promises."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from ...errors import ConfigError, DataError
from ...kernels import accumulate, finite_square

Float = npt.NDArray[np.floating[Any]]
Matrix = npt.NDArray[np.float64]
Segments = npt.NDArray[np.intp]
Stepper = Callable[[int, Float, float, int], float]
"""Called with row, codeword, step size and staleness; see `LightDecoder.stepper`."""

# A part of a row relative to the row: less is rounding, so the row depends on others.
DEPENDENT = 1e-9
# How near to 1 is 1, for the share of a segment that lies in the span of the rows.
KNOWN = 1e-9


class LightDecoder(ABC):
    """Estimates the segments ``G`` (k, L) of a gradient from codewords ``c = a^T G``, one by one.

    rows   : A (n, k), one row ``a`` per message, of any length but zero
    length : L, of a codeword

    `add` takes the codeword of a row at once, for O(weight * L) where the method allows, into a
    state in double precision. The state belongs to the decoder; codewords are not written to.
    """

    name: ClassVar[str]
    # Whether codewords of older parameters may be added, and a row again and again. If not, all
    # codewords since `reset` are of one gradient.
    accepts_stale: ClassVar[bool] = False
    # Whether codewords are referenced until `reset`: their memory must not be used before.
    keeps_codewords: ClassVar[bool] = False

    def __init__(self, *, rows: npt.ArrayLike, length: int) -> None:
        self.rows: Matrix = np.array(rows, dtype=np.float64, order="C", ndmin=2)
        if self.rows.ndim != 2 or not self.rows.size:
            raise ConfigError(f"rows: wants (n_messages, n_segments), got {self.rows.shape}")
        if length < 1:
            raise ConfigError(f"length: a codeword has at least 1 number, got {length}")
        self.n_rows, self.n_segments = self.rows.shape
        self.length = length
        self.squares: Matrix = np.einsum("ij,ij->i", self.rows, self.rows)
        bad = ~(np.isfinite(self.squares) & (self.squares > 0))
        if bad.any():
            raise ConfigError(f"rows: row {int(np.argmax(bad))} is zero or not finite")
        self.supports = [np.flatnonzero(row) for row in self.rows]
        self.state: Matrix = np.zeros((self.n_segments, length))
        self.seen: npt.NDArray[np.bool_] = np.zeros(self.n_rows, dtype=bool)
        self.n_duplicates = 0
        self._nothing: Segments = np.empty(0, dtype=np.intp)
        self._spanned: tuple[bytes, Matrix] | None = None

    def add(self, row: int, codeword: Float, staleness: int = 0, variance: float = 0.0) -> Segments:
        """Take the codeword of ``row``; return the segments of the estimate that it changed.

        codeword  : (L,) float32 or float64, contiguous
        staleness : steps made since the parameters that it was computed at
        variance  : of the noise in it, relative to the variance of a number of the gradient; only
                    decoders that weigh codewords look at it

        A second codeword of a row is counted and left, where stale ones are not accepted. Raises
        `DataError` for a codeword of another shape, or one with numbers that are not finite.
        """
        self._check(row, codeword, staleness, variance)
        if self._is_duplicate(row):
            return self._nothing
        touched = self._add(row, codeword, staleness, variance)
        self.seen[row] = True
        return touched

    def add_and_step(
        self,
        row: int,
        codeword: Float,
        x: Matrix,
        step_size: float,
        staleness: int = 0,
        variance: float = 0.0,
    ) -> None:
        """`add`, then ``x -= step_size * estimate``: in one pass where the method allows.

        x : (k, M), M at most L; its columns belong to the first M of the estimate

        No step is made where the codeword is left.
        """
        self._check(row, codeword, staleness, variance)
        self._check_step(x, step_size)
        if not self._is_duplicate(row):
            self._add_and_step(row, codeword, x, step_size, staleness, variance)
            self.seen[row] = True

    def stepper(self, x: Matrix) -> Stepper:
        """Return `add_and_step` for messages that come one after the other, and fast.

        x : as there, always the same

        It returns the squared norm of the codeword; NaN where a number is not finite: then nothing
        is done. Nothing else is looked at: codewords are (L,), and rows, steps and ages are sound.
        """
        self._check_step(x, 0.0)

        def take(row: int, codeword: Float, step_size: float, staleness: int) -> float:
            square = finite_square(codeword)
            if not math.isnan(square) and not self._is_duplicate(row):
                self._add_and_step(row, codeword, x, step_size, staleness, 0.0)
                self.seen[row] = True
            return square

        return take

    @abstractmethod
    def _add(self, row: int, codeword: Float, staleness: int, variance: float) -> Segments:
        """`add`, of arguments that were checked."""

    def _add_and_step(
        self,
        row: int,
        codeword: Float,
        x: Matrix,
        step_size: float,
        staleness: int,
        variance: float,
    ) -> None:
        """`add_and_step`, of a codeword that was checked."""
        self._add(row, codeword, staleness, variance)
        for part, into in zip(self.estimate(), x, strict=True):
            accumulate(-step_size, part[: x.shape[1]], into)

    def _is_duplicate(self, row: int) -> bool:
        duplicate = bool(self.seen[row]) and not self.accepts_stale
        self.n_duplicates += duplicate
        return duplicate

    def estimate(self) -> Matrix:
        """Return the estimate of G, (k, L), valid until the next call of another method."""
        return self.state

    @property
    def rank(self) -> int:
        """How many independent rows there were since `reset`."""
        return len(self._span())

    def settle(self) -> None:  # noqa: B027 (most have nothing to do)
        """Use what was put aside, if anything was: nothing better will come."""

    @abstractmethod
    def known(self) -> npt.NDArray[np.bool_]:
        """Return for which segments the estimate is exact, (k,), if all codewords were."""

    def reset(self) -> None:
        """Forget everything."""
        self.state[:] = 0.0
        self.seen[:] = False
        self.n_duplicates = 0

    def memory(self) -> dict[str, Matrix]:
        """Return what the decoder goes on from, only to be read; for those that take stale ones."""
        return {"estimate": self.estimate()}

    def recall(self, memory: Mapping[str, Any]) -> None:
        """Go on from a `memory`; `DataError` if it is not one of this decoder and these rows."""
        own = self.memory()
        for key, array in own.items():
            found = np.asarray(memory.get(key))
            if found.shape != array.shape or found.dtype.kind != "f":
                told = f"{found.dtype} {found.shape}" if key in memory else "missing"
                raise DataError(f"decoder memory: {key!r} is {told}, wants floats {array.shape}")
        for key, array in own.items():
            array[...] = memory[key]

    def _span(self) -> Matrix:
        """Return an orthonormal basis of the rows seen, (rank, k)."""
        key = self.seen.tobytes()
        if self._spanned is None or self._spanned[0] != key:
            self._spanned = (key, span(self.rows[self.seen]))
        return self._spanned[1]

    def _check(self, row: int, codeword: Float, staleness: int, variance: float) -> None:
        if not 0 <= row < self.n_rows:
            raise ConfigError(f"row {row} does not exist: there are {self.n_rows}")
        if not isinstance(codeword, np.ndarray) or codeword.dtype not in (np.float32, np.float64):
            kind = codeword.dtype if isinstance(codeword, np.ndarray) else type(codeword).__name__
            raise DataError(f"codeword of row {row}: wants float32 or float64, got {kind}")
        if codeword.shape != (self.length,):
            raise DataError(
                f"codeword of row {row}: wants {self.length} numbers, has shape {codeword.shape}"
            )
        if not codeword.flags.c_contiguous:
            raise DataError(f"codeword of row {row}: is not contiguous")
        if staleness < 0 or (staleness and not self.accepts_stale):
            raise ConfigError(f"row {row}: staleness {staleness} is not for {self.name!r}")
        if not (np.isfinite(variance) and variance >= 0):
            raise ConfigError(f"row {row}: a variance of {variance}")
        if not is_finite(codeword):
            raise DataError(f"codeword of row {row}: holds numbers that are not finite")

    def _check_step(self, x: Matrix, step_size: float) -> None:
        fits = isinstance(x, np.ndarray) and x.dtype == np.float64 and x.ndim == 2
        if not (fits and len(x) == self.n_segments and x.shape[1] <= self.length):
            raise ConfigError(
                f"x: wants float64 ({self.n_segments}, at most {self.length}), "
                f"got {getattr(x, 'dtype', type(x).__name__)} {np.shape(x)}"
            )
        if not (x.flags.c_contiguous and x.flags.writeable):
            raise ConfigError("x: wants contiguous memory that may be written to")
        if not np.isfinite(step_size):
            raise ConfigError(f"step_size: must be finite, got {step_size}")


def is_finite(vector: Float) -> bool:
    """Return whether all numbers are finite, mostly at the cost of a sum of squares."""
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(np.dot(vector, vector))) or bool(np.isfinite(vector).all())


def span(rows: Matrix) -> Matrix:
    """Return an orthonormal basis of the row space of ``rows`` (m, k), (rank, k)."""
    if not len(rows):
        return np.empty((0, rows.shape[1]))
    scaled = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    _, values, basis = np.linalg.svd(scaled, full_matrices=False)
    return np.asarray(basis[values > DEPENDENT * values[0]], dtype=np.float64)


def inside(basis: Matrix) -> npt.NDArray[np.bool_]:
    """Return which unit vectors lie in the span of the orthonormal ``basis`` (r, k), (k,) bool."""
    return np.asarray(np.einsum("ij,ij->j", basis, basis) > 1.0 - KNOWN)
