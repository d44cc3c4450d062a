"""When an iteration has enough: the rules of ``[decoding]``, of which the first to hold wins."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from ..codes import Decoder, GradientCode
from ..codes.decoder import EXACT
from ..codes.fixed import FixedDecoding
from ..codes.light.streaming import LightDecoding
from ..config import Decoding
from ..errors import ConfigError

# A code that promises no exact sum is looked at for one up to so many messages: beyond, looking
# costs more (10 us per message at 90, 40 us at 200) than the rare luck is worth.
MOST_TRACKED = 128


class StopRules:
    """Says after each message whether enough has arrived to decode ``code``.

    Enough is, whatever is configured, what gives the exact sum; besides ``n_answers`` messages,
    or what misses no more than ``max_residual``. Where neither these nor a deadline are given, the
    code's own decoder says when it has enough.

    code     : what decodes; not the code given, but one of the same messages, where the method is
               not the scheme's own
    deadline : seconds after which an iteration makes do with what it has, None: it does not

    Raises `ConfigError` for a rule that can never hold.
    """

    def __init__(self, code: GradientCode, decoding: Decoding | None = None) -> None:
        decoding = Decoding() if decoding is None else decoding
        self.code = code
        if decoding.method == "fixed":
            self.code = FixedDecoding(code)
        elif decoding.method != "optimal":
            self.code = LightDecoding(code, decoding.method)
        self.deadline = decoding.deadline
        # a residual chooses among the sets, which the scaling does not know of
        self.is_unbiased = decoding.method == "fixed" and decoding.max_residual is None
        self._n_answers = decoding.n_answers
        self._share = decoding.max_residual
        self._own = decoding.n_answers is decoding.max_residual is decoding.deadline is None
        if self._n_answers is not None and self._n_answers > code.n_messages:
            raise ConfigError(
                f"decoding.n_answers: {self._n_answers} messages, but {code.name!r} on "
                f"{code.n_workers} workers has {code.n_messages}"
            )
        if self._share is not None:
            self._share = max(self._share, EXACT)
            if self._least_share > self._share:
                raise ConfigError(
                    f"decoding.max_residual: {self._share:g}, but {code.name!r} misses "
                    f"{self._least_share:.3g} even when all answer"
                )

    def enough(self, decoder: Decoder) -> bool:
        """Return whether the iteration may end with what ``decoder`` has."""
        if self._own:
            return decoder.ready or (self.code.max_stragglers is None and self._is_exact(decoder))
        n_answers = decoder.n_arrived + decoder.n_duplicates
        return (
            n_answers == self.code.n_messages
            or (self._n_answers is not None and n_answers >= self._n_answers)
            or (self._share is not None and decoder.misses_at_most(self._share))
            or self._is_exact(decoder)
        )

    @property
    def is_exact(self) -> bool:
        """Whether no iteration ends without the exact sum."""
        return self._own and self.code.max_stragglers is not None

    @cached_property
    def n_lost(self) -> int:
        """Workers that an iteration does without, as far as rules and code tell beforehand."""
        code = self.code
        promised = code.max_stragglers or 0
        n_awaited = self._n_answers
        if n_awaited is None:
            n_awaited = getattr(code.decoder(), "n_awaited", None)
        if n_awaited is None:
            return promised
        return max(promised, (code.n_messages - n_awaited) * code.n_workers // code.n_messages)

    def _is_exact(self, decoder: Decoder) -> bool:
        code = self.code
        if code.max_stragglers is None and code.n_messages > MOST_TRACKED:
            return False
        return self._least_share <= EXACT and decoder.misses_at_most(EXACT)

    @cached_property
    def _least_share(self) -> float:
        """What the code misses when all answer, relative to no message at all."""
        if self.code.max_stragglers is not None:
            return 0.0
        everything = np.ones(self.code.n_messages, dtype=bool)
        return self.code.decode(everything).residual / (self.code.n_segments * self.code.n_blocks)
