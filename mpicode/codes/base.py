"""What a gradient code is: two arrays, and everything that follows from them."""

from __future__ import annotations

from collections import OrderedDict
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from scipy import sparse

from mpicode.errors import ConfigError

from .decoder import Decoder, Decoding

__all__ = ["Decoder", "Decoding", "GradientCode"]

# Decodings kept: enough for every pair of 40 lost workers, small beside one parameter vector.
CACHE_SIZE = 1024


class GradientCode:
    """Workers hold plain blocks and send combinations of the pieces of their gradients.

    encoding : (n_messages, n_segments * n_blocks) CSR; column ``u * n_blocks + j`` is piece (j, u),
               segment ``u`` of the gradient of block ``j``
    owner    : (n_messages,), the worker that computes each message

    A scheme builds these two and passes them on; it overrides `solve` and `decoder` only where it
    knows better than least squares. ``max_stragglers`` lost workers, any of them, still decode
    exactly; None where the code never promises that.
    """

    name: ClassVar[str]
    family: ClassVar[str] = "gradient"
    kinds: ClassVar[tuple[str, ...]] = ("gradient",)

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
        self.owner = np.array(owner, dtype=np.intp)
        self.owner.flags.writeable = False
        self.n_workers = n_workers
        self.n_blocks = n_blocks
        self.n_segments = n_segments
        self.n_messages = self.owner.size
        self.max_stragglers = max_stragglers
        self._decodings: OrderedDict[bytes, Decoding] = OrderedDict()

    def messages(self, worker: int) -> npt.NDArray[np.intp]:
        """Return the numbers of the messages that ``worker`` computes, ascending."""
        if not 0 <= worker < self.n_workers:
            raise ConfigError(f"worker {worker} does not exist: the code has {self.n_workers}")
        return np.flatnonzero(self.owner == worker)

    def blocks(self, worker: int) -> npt.NDArray[np.intp]:
        """Return the numbers of the blocks that ``worker`` must hold, ascending."""
        columns = self.encoding[self.messages(worker)].indices
        return np.unique(columns % self.n_blocks).astype(np.intp)

    def load(self, worker: int) -> float:
        """Return the share of all blocks that ``worker`` holds."""
        return self.blocks(worker).size / self.n_blocks

    def decode(self, arrived: npt.NDArray[np.bool_]) -> Decoding:
        """Return how to combine what arrived, (n_messages,) bool; the same object for the same set."""
        mask = np.asarray(arrived)
        if mask.dtype != np.bool_ or mask.shape != (self.n_messages,):
            raise ConfigError(
                f"arrived: wants ({self.n_messages},) bool, got {mask.shape} {mask.dtype}"
            )
        key = np.packbits(mask).tobytes()
        decoding = self._decodings.get(key)
        if decoding is None:
            decoding = self._decodings[key] = self._measure(self.solve(mask))
            if len(self._decodings) > CACHE_SIZE:
                self._decodings.popitem(last=False)
        else:
            self._decodings.move_to_end(key)
        return decoding

    def decoder(self, kind: str = "gradient") -> Decoder:
        """Return an empty decoder for the answers to requests of ``kind``."""
        if kind not in self.kinds:
            raise ConfigError(
                f"code.name: {self.name!r} answers {', '.join(self.kinds)}, not {kind!r}"
            )
        return self._decoder()

    def _decoder(self) -> Decoder:
        return Decoder(self)

    def solve(self, arrived: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
        """Return the (n_segments, n_messages) coefficients of least residual, and of these the smallest.

        arrived : (n_messages,) bool
        """
        matrix, target = self._system
        coefficients = np.zeros((self.n_segments, self.n_messages), dtype=matrix.dtype)
        rows = np.flatnonzero(arrived)
        if rows.size:
            coefficients[:, rows] = np.linalg.lstsq(matrix[:, rows], target, rcond=None)[0].T
        return coefficients

    @cached_property
    def _system(self) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        matrix = self.encoding.toarray().T
        if matrix.shape[0] <= self.n_messages:
            return matrix, self._target.T
        basis, triangle = np.linalg.qr(matrix)
        return triangle, basis.conj().T @ self._target.T

    @cached_property
    def _target(self) -> npt.NDArray[np.float64]:
        return np.kron(np.eye(self.n_segments), np.ones((1, self.n_blocks)))

    def _measure(self, coefficients: npt.NDArray[Any]) -> Decoding:
        missed = coefficients @ self.encoding - self._target
        coefficients.flags.writeable = False
        return Decoding(
            coefficients,
            residual=float(np.vdot(missed, missed).real),
            amplification=float(np.linalg.norm(coefficients, 2)),
        )
