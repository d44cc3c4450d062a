"""What a gradient code is: two arrays, and everything that follows from them."""

from __future__ import annotations

from functools import cached_property
from math import hypot, sqrt
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from scipy import sparse

from ..errors import ConfigError
from .decoder import CountingDecoder, Decoder, Decoding
from .loads import parameters_for
from .per_set import PerSet
from .sets import Sets, hard_sets

__all__ = ["CountingDecoder", "Decoder", "Decoding", "GradientCode"]

# Directions of the messages weaker than this, relative to the strongest, are rounding of the
# encoding: codes that promise an exact sum have theirs above the inverse of their amplification.
WEAK = 1e-12


class GradientCode:
    """Workers hold plain blocks and send combinations of the pieces of their gradients.

    encoding : (n_messages, n_segments * n_blocks), any scipy sparse or dense matrix, kept as CSR;
               column ``u * n_blocks + j`` is piece (j, u), segment ``u`` of block ``j``'s gradient
    owner    : (n_messages,), the worker that computes each message
    max_stragglers : this many lost workers, any of them, still decode exactly; None where the
               code promises no exact sum

    A scheme builds the encoding and passes it on; it overrides `solve` and `decoder` only where it
    knows better than least squares.
    """

    name: ClassVar[str]
    family: ClassVar[str] = "gradient"
    kinds: ClassVar[tuple[str, ...]] = ("gradient",)
    varies: bool = False
    """Whether the coefficients change from iteration to iteration; see `at`."""
    light: ClassVar[bool] = False
    """Whether messages mix few segments, which should then be slices of every layer."""

    def __init__(
        self,
        encoding: Any,
        owner: npt.ArrayLike,
        *,
        n_workers: int,
        n_blocks: int,
        n_segments: int = 1,
        max_stragglers: int | None = None,
    ) -> None:
        self.encoding = sparse.csr_array(encoding)
        self.encoding.eliminate_zeros()
        self.encoding.sort_indices()
        self.owner = np.array(owner, dtype=np.intp)
        self.owner.flags.writeable = False
        self.n_workers = n_workers
        self.n_blocks = n_blocks
        self.n_segments = n_segments
        self.n_messages = self.owner.size
        self.max_stragglers = max_stragglers
        self.forget()
        self._check()

    def _check(self) -> None:
        wanted = (self.n_messages, self.n_segments * self.n_blocks)
        if self.encoding.shape != wanted:
            raise ConfigError(
                f"code {self.name!r}: encoding is {self.encoding.shape}, but {self.n_messages} "
                f"messages and {self.n_segments} x {self.n_blocks} pieces make {wanted}"
            )
        if not np.isfinite(self.encoding.data).all():
            raise ConfigError(f"code {self.name!r}: encoding holds a number that is not finite")
        outside = self.owner[(self.owner < 0) | (self.owner >= self.n_workers)]
        if outside.size:
            raise ConfigError(
                f"code {self.name!r}: a message belongs to worker {outside[0]}, "
                f"but there are {self.n_workers}"
            )

    def forget(self) -> None:
        """Forget the decodings computed so far: the coefficients are others now."""
        self._decodings = PerSet(self.n_messages, lambda mask: self.measure(self.solve(mask)))

    def messages(self, worker: int) -> npt.NDArray[np.intp]:
        """Return the numbers of the messages that ``worker`` computes, ascending."""
        if not 0 <= worker < self.n_workers:
            raise ConfigError(f"worker {worker} does not exist: there are {self.n_workers}")
        return np.flatnonzero(self.owner == worker)

    def blocks(self, worker: int) -> npt.NDArray[np.intp]:
        """Return the numbers of the blocks that ``worker`` must hold, ascending."""
        columns = self.encoding[self.messages(worker)].indices
        return np.unique(columns % self.n_blocks).astype(np.intp)

    def load(self, worker: int) -> float:
        """Return the share of all blocks that ``worker`` holds."""
        return self.blocks(worker).size / self.n_blocks

    def decode(self, arrived: npt.NDArray[np.bool_]) -> Decoding:
        """Return how to combine what arrived; for the same set, the same object.

        arrived : (n_messages,) bool
        """
        return self._decodings(arrived)

    def at(self, iteration: int) -> GradientCode:
        """Return the code that holds in ``iteration``; for iteration 0 this one."""
        return self

    def factors(self, iteration: int) -> npt.NDArray[Any] | None:
        """Return what the coefficients of ``at(iteration)`` are multiplied by, None for ones.

        (n_messages, n_segments): the same factor for all blocks of a message and segment.
        """
        return None

    def decoder(self, kind: str = "gradient") -> Decoder:
        """Return an empty decoder for the answers to requests of ``kind``."""
        self.check_kind(kind)
        return Decoder(self)

    def check_kind(self, kind: str) -> None:
        """Raise `ConfigError` unless the code serves requests of ``kind``."""
        if kind not in self.kinds:
            raise ConfigError(
                f"code.name: {self.name!r} serves {', '.join(self.kinds)}, not {kind!r}"
            )

    def solve(self, arrived: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
        """Return the coefficients of least residual, and of all these the smallest.

        arrived : (n_messages,) bool      returns (n_segments, n_messages), 0 where nothing arrived

        Solved by singular values on the rows that arrived. The normal equations would be cheaper
        and lose twice the digits (measured for `cyclic` with 24 workers, 6 of them lost: 4e-9
        instead of 1e-12), which would break the promise of an exact sum.
        """
        messages, targets = self.system
        coefficients = np.zeros((self.n_segments, self.n_messages), dtype=messages.dtype)
        rows = np.flatnonzero(arrived)
        if rows.size:
            coefficients[:, rows] = np.linalg.lstsq(messages[:, rows], targets, rcond=WEAK)[0].T
        return coefficients

    def hard_sets(self, n_lost: int) -> Sets:
        """Return sets of ``n_lost`` workers whose loss hurts, (n_sets, n_lost).

        Consecutive workers and all holders of a block; a scheme adds what it knows to be worse.
        """
        return hard_sets(self, n_lost)

    def facts(self) -> dict[str, Any]:
        """Return what this scheme alone has to say of itself: numbers and texts, by name."""
        return {}

    @classmethod
    def for_load(cls, n_workers: int, load: int, n_segments: int = 1) -> list[dict[str, Any]]:
        """Return the parameters (one set or several) with which schemes are compared at one load.

        load : blocks per worker where there are as many blocks as workers

        Derived from the names of the parameters, see `parameters_for`; a scheme overrides this
        where they do not tell. Raises `ConfigError` where the load cannot be had.
        """
        return parameters_for(cls, load, n_segments)

    @cached_property
    def system(self) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """The messages and what they should sum to: what decoding is solved from.

        (dimension, n_messages) and (dimension, n_segments): the encoding's transpose and the sums'
        pieces, rotated into the space the messages span where that is smaller than the number of
        pieces. So the dimension is at most n_messages.
        """
        messages = self.encoding.toarray().T
        targets = self._target.T
        if len(messages) <= self.n_messages:
            return messages, targets.astype(messages.dtype)
        basis, rotated = np.linalg.qr(messages)
        return rotated, basis.conj().T @ targets

    @cached_property
    def _target(self) -> npt.NDArray[np.float64]:
        """Which pieces make up each segment of the sum, (n_segments, n_segments * n_blocks)."""
        target: npt.NDArray[np.float64] = np.repeat(np.eye(self.n_segments), self.n_blocks, axis=1)
        return target

    def residual(self, coefficients: npt.NDArray[Any]) -> float:
        """Return ``||coefficients @ encoding - target||_F ** 2``.

        coefficients : (n_segments, n_messages), any; target : the sum of all blocks, per segment
        """
        missed = coefficients @ self.encoding - self._target
        return float(np.vdot(missed, missed).real)

    def measure(self, coefficients: npt.NDArray[Any]) -> Decoding:
        """Return what these coefficients, (n_segments, n_messages), are worth; read-only then."""
        coefficients.flags.writeable = False
        return Decoding(
            coefficients,
            residual=self.residual(coefficients),
            amplification=spectral_norm(coefficients),
        )


def spectral_norm(coefficients: npt.NDArray[Any]) -> float:
    """Return ``||coefficients||_2``, (n_segments, n_messages), by the fewer inner products."""
    squares = coefficients @ coefficients.conj().T
    if len(squares) == 1:
        return sqrt(float(squares[0, 0].real))
    if len(squares) == 2:
        (one, mixed), (_, two) = squares.tolist()
        half = (one - two).real / 2
        return sqrt((one + two).real / 2 + hypot(half, abs(mixed)))
    return sqrt(max(0.0, float(np.linalg.eigvalsh(squares)[-1])))
