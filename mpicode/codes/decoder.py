"""Decoding while messages arrive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mpicode import kernels
from mpicode.errors import ConfigError

if TYPE_CHECKING:
    from .base import GradientCode

Vector = npt.NDArray[Any]


class Decoding(NamedTuple):
    """How the messages that arrived are combined, and how good the result is.

    coefficients  : (n_segments, n_messages), 0 where nothing arrived; read-only
    residual      : ``||coefficients @ encoding - target||_F ** 2``, 0 when the sum is exact; the
                    decoded sum differs from the true one by at most ``sqrt(residual)`` times the
                    root of the summed squared norms of the blocks' gradients
    amplification : ``||coefficients||_2``, the most by which noise in the messages can grow
    """

    coefficients: npt.NDArray[Any]
    residual: float
    amplification: float


class Decoder:
    """Takes the messages of one round as they land.

    One object serves all rounds: `reset` makes it empty again. Payloads are kept by reference,
    never copied and never written to; whoever owns their memory may have it back after `reset`.
    """

    def __init__(self, code: GradientCode, n_awaited: int | None = None) -> None:
        self.code = code
        self.n_awaited = code.n_messages if n_awaited is None else n_awaited
        self.arrived = np.zeros(code.n_messages, dtype=bool)
        self.n_arrived = 0
        self.n_duplicates = 0
        self.n_stale = 0
        self._payloads: list[Vector | None] = [None] * code.n_messages

    def reset(self) -> None:
        """Forget all messages and counts: the next round begins."""
        self.arrived[:] = False
        self.n_arrived = self.n_duplicates = self.n_stale = 0
        self._payloads = [None] * self.code.n_messages

    def add(self, message: int, payload: Vector, age: int = 0) -> bool:
        """Take one message; return whether it was kept (the payload is then referenced).

        message : its number          payload : (length,), 1-D and contiguous
        age     : iterations since the parameters it was computed at. This decoder takes age 0
                  alone; older messages are counted in ``n_stale`` and left.

        The first copy of a message is used, later ones are counted in ``n_duplicates``.
        """
        if not 0 <= message < self.code.n_messages:
            raise ConfigError(
                f"message {message} does not exist: the code has {self.code.n_messages}"
            )
        if age:
            self.n_stale += 1
            return False
        if self.arrived[message]:
            self.n_duplicates += 1
            return False
        self.arrived[message] = True
        self.n_arrived += 1
        self._payloads[message] = payload
        return True

    def payloads(self) -> dict[int, Vector]:
        """Return the payloads held, by message number."""
        return {i: payload for i, payload in enumerate(self._payloads) if payload is not None}

    @property
    def ready(self) -> bool:
        """Whether what arrived is enough to stop waiting."""
        return self.n_arrived >= self.n_awaited

    def order(self, messages: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
        """Return the order in which ``messages`` are summed; by number unless a scheme says otherwise."""
        return messages

    def estimate(self, out: Vector) -> Decoding:
        """Write the best estimate from what arrived so far into ``out``.

        out : (n_segments, length), row ``u`` becomes segment ``u`` of the sum of all blocks.
        """
        decoding = self.code.decode(self.arrived)
        for row, target in zip(decoding.coefficients, out, strict=True):
            used = self.order(np.flatnonzero(row))
            if used.size:
                kernels.combine(row[used], [self._payloads[i] for i in used], target)
            else:
                target[:] = 0
        return decoding
