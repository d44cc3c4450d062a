"""Decoding by the coefficients of the full set, whoever answered."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ConfigError
from .base import CountingDecoder, Decoder, GradientCode
from .decoder import EXACT
from .sets import Sets


class FixedDecoding(GradientCode):
    """Another code, decoded without looking at which messages are missing, only at how many.

    Let ``R0``, (n_segments, n_messages), be the smallest coefficients that decode the full set.
    With ``a`` of ``n`` messages the coefficients are those of the ``a``, times n / a. If each set
    of ``a`` is equally likely, the expected sum is the exact one, and the expected residual is

        (n - a) / (a (n - 1)) * (n sum_i |R0_i|^2 |b_i|^2 - n_segments n_blocks)

    with ``b_i`` the rows of the encoding. That is never less than the residual of least squares,
    which in return falls short of the sum on average. (Raviv, Tandon, Dimakis & Tamo, "Gradient
    coding from cyclic MDS codes and expander graphs", IEEE Trans. Inf. Theory 2020, decode their
    expander code so; Charles, Papailiopoulos & Ellenberg 2017 call it one-step decoding.)

    Raises `ConfigError` for a code whose full set is not exact: scaled up it would stay wrong.
    """

    name = "fixed"

    def __init__(self, code: GradientCode) -> None:
        everything = np.ones(code.n_messages, dtype=bool)
        self._inner = code
        self.varies = code.varies
        self._whole = GradientCode.solve(code, everything)
        super().__init__(
            code.encoding,
            code.owner,
            n_workers=code.n_workers,
            n_blocks=code.n_blocks,
            n_segments=code.n_segments,
        )
        share = self.decode(everything).residual / (code.n_segments * code.n_blocks)
        if share > EXACT:
            raise ConfigError(
                f"decoding.method: 'fixed' wants a code that is exact when all answer, but then "
                f"{code.name!r} misses a share of {share:.3g}; 'optimal' decodes it"
            )

    def at(self, iteration: int) -> GradientCode:
        """Return the fixed decoding of the code that holds in ``iteration``."""
        return FixedDecoding(self._inner.at(iteration)) if self.varies else self

    def factors(self, iteration: int) -> npt.NDArray[Any] | None:
        """Return the factors of the code itself."""
        return self._inner.factors(iteration)

    def solve(self, arrived: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
        """Return the full set's coefficients of what arrived, times n_messages over its number."""
        return self._whole * arrived * (self.n_messages / max(1, int(arrived.sum())))

    def decoder(self, kind: str = "gradient") -> Decoder:
        """Return a decoder that waits for as many messages as the code can count on."""
        inner = self._inner.decoder(kind)
        n_awaited: int | None = getattr(inner, "n_awaited", None)
        if n_awaited is None:
            owned = np.sort(np.bincount(self.owner, minlength=self.n_workers))[::-1]
            n_awaited = self.n_messages - int(owned[: self._inner.max_stragglers or 0].sum())
        return CountingDecoder(self, n_awaited)

    def hard_sets(self, n_lost: int) -> Sets:
        """Return the sets that are hard for the code itself, (n_sets, n_lost)."""
        return self._inner.hard_sets(n_lost)
