"""Rounds of any code, decoded message by message as light codewords are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from ...errors import ConfigError
from ..base import Decoder, Decoding, GradientCode
from ..sets import Sets
from . import DECODERS
from .base import KNOWN, LightDecoder, Matrix, is_finite


class LightDecoding(GradientCode):
    """Another code, whose messages a light decoder takes in one by one.

    method : the name of a light decoder

    Its rows are those of the encoding, so it estimates every piece; what counts is their sum over
    the blocks. "ortho" solves the same least squares as the code itself does, but as the messages
    land; the others trade exactness for less work, and what they miss shows in the residual.
    """

    name = "light"

    def __init__(self, code: GradientCode, method: str) -> None:
        if code.varies or code.encoding.dtype.kind == "c":
            kind = "change from iteration to iteration" if code.varies else "are complex"
            raise ConfigError(
                f"decoding.method: {method!r} wants real messages that stay the same, those of "
                f"{code.name!r} {kind}"
            )
        self._inner = code
        self._method = method
        self._rows: Matrix = code.encoding.toarray()
        empty = np.flatnonzero(~self._rows.any(axis=1))
        if empty.size:
            raise ConfigError(
                f"decoding.method: {method!r} wants no empty messages, {code.name!r} has "
                f"{empty.size} of {code.n_messages}"
            )
        super().__init__(
            code.encoding,
            code.owner,
            n_workers=code.n_workers,
            n_blocks=code.n_blocks,
            n_segments=code.n_segments,
        )
        everything = self.n_segments * self.n_blocks
        if self.decode(np.ones(self.n_messages, dtype=bool)).residual > (1 - KNOWN) * everything:
            raise ConfigError(
                f"decoding.method: {method!r} finds nothing in all {self.n_messages} messages of "
                f"{code.name!r} together"
            )

    def new_light(self, length: int) -> LightDecoder:
        """Return an empty light decoder for messages of this length."""
        return DECODERS.make(self._method, rows=self._rows, length=length)

    def whole(self, pieces: Matrix) -> Matrix:
        """Return the sum over all blocks, (n_segments, length), of all pieces."""
        shape = self.n_segments, self.n_blocks, pieces.shape[1]
        return np.asarray(pieces.reshape(shape).sum(axis=1))

    def solve(self, arrived: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
        """Return what the method makes of the messages, taken in by their numbers."""
        return self.follow(np.flatnonzero(arrived).tolist())

    def follow(self, messages: Iterable[int]) -> Matrix:
        """Return the coefficients of messages taken in in this order, (n_segments, n_messages)."""
        decoder = self.new_light(self.n_messages)
        for message in messages:
            unit = np.zeros(self.n_messages)
            unit[message] = 1.0
            decoder.add(message, unit)
        decoder.settle()
        return self.whole(decoder.estimate())

    def decoder(self, kind: str = "gradient") -> Decoder:
        """Return an empty decoder that takes messages in as they land."""
        self.check_kind(kind)
        return StreamingDecoder(self)

    def hard_sets(self, n_lost: int) -> Sets:
        """Return the sets that are hard for the code itself, (n_sets, n_lost)."""
        return self._inner.hard_sets(n_lost)


class StreamingDecoder(Decoder):
    """Takes the messages of one round into a light decoder at once.

    One with numbers that are not finite makes the estimate NaN until `reset`.
    """

    def __init__(self, code: LightDecoding) -> None:
        super().__init__(code)
        self._decoding = code
        self._light: LightDecoder | None = None
        self._is_finite = True

    def add(self, message: int, payload: npt.NDArray[Any], age: int = 0) -> bool:
        """See `Decoder`."""
        kept = super().add(message, payload, age)
        if kept:
            if self._light is None or self._light.length != payload.size:
                self._light = self._decoding.new_light(payload.size)
            if is_finite(payload):
                self._light.add(message, payload)
            else:
                self._is_finite = False
        return kept

    def estimate(self, out: npt.NDArray[Any]) -> Decoding:
        """See `Decoder`; the coefficients are those of the order of arrival."""
        self.check_out(out)
        if self._light is None or not self._arrivals:
            out[:] = 0.0
        elif self._is_finite:
            self._light.settle()
            out[:] = self._decoding.whole(self._light.estimate())
        else:
            out[:] = np.nan
        return self._decoding.measure(self._decoding.follow(self._arrivals))

    def reset(self) -> None:
        """See `Decoder`."""
        super().reset()
        self._is_finite = True
        if self._light is not None:
            self._light.reset()
