"""Faults of a worker's work and of its answers."""

from __future__ import annotations

from typing import Any, Literal

from numpy.typing import NDArray

from ...errors import ConfigError
from ..wire import HEADER_BYTES, Frame
from .base import Fault, Moment, check_iterations, check_seconds


class InjectedError(RuntimeError):
    """The exception that ``exception`` raises."""


class Raise(Fault):
    """An exception, as a bug in the user's problem would raise."""

    name = "exception"
    once = True

    def __init__(self, *, at: Moment = "compute", **rest: Any) -> None:
        self.at = at
        super().__init__(**rest)

    def strike(self) -> None:
        """Raise it."""
        raise InjectedError(f"injected by {self.key}")


class Slow(Fault):
    """The worker sleeps for ``seconds`` before it computes, in ``iterations`` iterations."""

    name = "slow"

    def __init__(self, *, seconds: float, iterations: int = 1, **rest: Any) -> None:
        super().__init__(**rest)
        self.seconds = check_seconds(self.key, seconds)
        self.lasting = check_iterations(self.key, iterations)


class Drop(Fault):
    """The worker's answers come without what was asked for, in ``iterations`` iterations."""

    name = "drop"
    at = "send"

    def __init__(self, *, iterations: int = 1, **rest: Any) -> None:
        super().__init__(**rest)
        self.lasting = check_iterations(self.key, iterations)


class Corrupt(Fault):
    """The worker's answers are damaged on the way, in ``iterations`` iterations.

    damage : ``"payload"`` flips ``bits`` bits of the numbers, ``"nan"`` makes one number NaN,
             ``"header"`` flips ``bits`` bits of the header
    """

    name = "corrupt"
    at = "send"

    def __init__(
        self,
        *,
        damage: Literal["payload", "nan", "header"] = "payload",
        bits: int = 1,
        iterations: int = 1,
        **rest: Any,
    ) -> None:
        super().__init__(**rest)
        self.lasting = check_iterations(self.key, iterations)
        if bits < 1:
            raise ConfigError(f"{self.key}.bits: must be at least 1, got {bits}")
        if damage == "nan" and bits != 1:
            raise ConfigError(f"{self.key}.bits: {bits}, but damage 'nan' flips none")
        self._damage, self._bits = damage, bits

    def spoil(self, frame: Frame, worker: int, iteration: int) -> None:
        """Damage the answer in ``frame``."""
        size = frame.values.dtype.itemsize
        draws = self.draw(worker, iteration, self._bits)
        if self._damage == "nan":
            start = HEADER_BYTES + size * int(draws[0] * len(frame.values))
            frame.view[start : start + size] = b"\xff" * size
            return
        start, n_bytes = 0, HEADER_BYTES
        if self._damage == "payload":
            start, n_bytes = HEADER_BYTES, size * len(frame.values)
        # distinct bits: what is flipped twice is whole again
        for bit in {int(draw * 8 * n_bytes) for draw in draws}:
            frame.view[start + bit // 8] ^= 1 << bit % 8


class Lie(Fault):
    """The worker answers something else than it computed, in ``iterations`` iterations.

    how : ``"reverse"`` sends the numbers in reverse order, ``"zero"`` sends zeros, ``"same"`` sends
          the first number everywhere

    The message is whole, checksum and all: only a code can find out.
    """

    name = "lie"
    at = "send"

    def __init__(
        self,
        *,
        how: Literal["reverse", "zero", "same"] = "reverse",
        iterations: int = 1,
        **rest: Any,
    ) -> None:
        super().__init__(**rest)
        self.lasting = check_iterations(self.key, iterations)
        self._how = how

    def tell(self, values: NDArray[Any]) -> None:
        """Replace the numbers of an answer, before it is put together."""
        if self._how == "reverse":
            values[:] = values[::-1].copy()
        else:
            values[:] = values[0] if self._how == "same" else 0
