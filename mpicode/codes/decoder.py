"""Decoding while messages arrive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..errors import ConfigError
from ..kernels import combine_segments
from .span import Span

if TYPE_CHECKING:
    from .base import GradientCode

# A sum is called exact when its residual is at most this, relative to that of no message at all:
# 1e-9 of the blocks' root sum of squares. The rounding of coefficients that amplify as much as is
# allowed of an exact code, 1e7 times, leaves a tenth of it.
EXACT = 1e-18

# Only when the span says it is about this near is the decoding itself asked: the span of nearly
# dependent messages is less accurate than the decoding.
NEAR = 1e-12


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
    """Takes the messages of one round as they land; ready when they determine the sum.

    One object serves all rounds: `reset` makes it empty again. Payloads are kept by reference,
    never copied and never written to; their memory may be used again after `reset`.
    """

    def __init__(self, code: GradientCode) -> None:
        self.code = code
        self.arrived = np.zeros(code.n_messages, dtype=bool)
        self.n_duplicates = 0
        self.n_stale = 0
        self._payloads: list[npt.NDArray[Any] | None] = [None] * code.n_messages
        self._arrivals: list[int] = []
        self._span: Span | None = None
        self._n_spanned = 0
        self._fewest_known: dict[float, int] = {}

    @property
    def n_arrived(self) -> int:
        """The number of messages kept."""
        return len(self._arrivals)

    def reset(self) -> None:
        """Forget all messages and counts: the next round begins."""
        for message in self._arrivals:
            self._payloads[message] = None
        self._arrivals.clear()
        self.arrived[:] = False
        self.n_duplicates = self.n_stale = self._n_spanned = 0
        if self._span is not None:
            self._span.clear()

    def add(self, message: int, payload: npt.NDArray[Any], age: int = 0) -> bool:
        """Take one message; return whether it was kept, so that its payload is now referenced.

        message : its number          payload : (length,), contiguous
        age     : iterations since the parameters it was computed at. This decoder takes age 0
                  alone; older messages are counted in ``n_stale`` and left.

        The first copy of a message is used, later ones are counted in ``n_duplicates``.
        """
        if not 0 <= message < len(self._payloads):
            raise ConfigError(
                f"message {message} does not exist: code {self.code.name!r} "
                f"has messages 0 to {len(self._payloads) - 1}"
            )
        if age:
            self.n_stale += 1
            return False
        if self._payloads[message] is not None:
            self.n_duplicates += 1
            return False
        self._payloads[message] = payload
        self._arrivals.append(message)
        self.arrived[message] = True
        return True

    @property
    def ready(self) -> bool:
        """Whether what arrived gives the exact sum, or nothing more can come."""
        return len(self._arrivals) == len(self._payloads) or self.misses_at_most(EXACT)

    def misses_at_most(self, share: float) -> bool:
        """Whether the decoding of what arrived has at most so large a residual.

        share : relative to the residual of no message at all; `EXACT` asks for the exact sum

        Asking after every message costs little: the decoding itself is asked only when some
        coefficients are known to do.
        """
        if len(self._arrivals) < self._fewest(share):
            return False
        messages, targets = self.code.system
        if self._span is None:
            self._span = Span(targets)
        for message in self._arrivals[self._n_spanned :]:
            self._span.add(messages[:, message])
        self._n_spanned = len(self._arrivals)
        everything = self.code.n_segments * self.code.n_blocks
        return (
            self._span.missing <= (share + NEAR) * everything
            and self.code.decode(self.arrived).residual <= share * everything
        )

    def _fewest(self, share: float) -> int:
        """Return the number of messages below which the residual is larger, whichever they are.

        A block misses as many segments, at least, as it lacks messages that hold it.
        """
        known = self._fewest_known.get(share)
        if known is None:
            encoding, n_blocks = self.code.encoding, self.code.n_blocks
            rows = np.repeat(np.arange(self.code.n_messages), np.diff(encoding.indptr))
            held = np.unique(rows * n_blocks + encoding.indices % n_blocks) // n_blocks
            most = np.sort(np.bincount(held, minlength=self.code.n_messages))[::-1].cumsum()
            wanted = (1.0 - share - NEAR) * self.code.n_segments * n_blocks
            known = self._fewest_known[share] = int(np.searchsorted(most, wanted)) + 1
        return known

    def order(self, messages: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
        """Return ``messages`` in the order in which they are summed: by number."""
        return messages

    def estimate(self, out: npt.NDArray[Any]) -> Decoding:
        """Write the best estimate from what arrived so far into ``out``; allowed at any time.

        out : (n_segments, length); row ``u`` becomes segment ``u`` of the sum of all blocks. Of
              complex messages a float64 ``out`` takes the real part, which is the sum of real ones
        """
        self.check_out(out)
        decoding = self.code.decode(self.arrived)
        used = self.order(np.flatnonzero(decoding.coefficients.any(axis=0)))
        payloads = [self._payloads[i] for i in used.tolist()]
        combine_segments(decoding.coefficients[:, used], payloads, out)
        return decoding

    def check_out(self, out: npt.NDArray[Any]) -> None:
        """Raise `ConfigError` where an estimate cannot be written into ``out``."""
        if out.ndim != 2 or len(out) != self.code.n_segments:
            raise ConfigError(
                f"out: wants ({self.code.n_segments}, length) for code {self.code.name!r}, "
                f"got {out.shape}"
            )


class CountingDecoder(Decoder):
    """Ready when a given number of messages have arrived, whichever they are."""

    def __init__(self, code: GradientCode, n_awaited: int) -> None:
        super().__init__(code)
        self.n_awaited = n_awaited

    @property
    def ready(self) -> bool:
        """Whether enough messages arrived."""
        return len(self._arrivals) >= self.n_awaited
