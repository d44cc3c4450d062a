"""What codes share of which any n - s answers give the exact sum and n - s - 1 do not."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ...errors import ConfigError
from ..base import CountingDecoder, Decoder, GradientCode
from ..sets import Sets, straggler_sets
from .completions import Completions, fixed_sets, worst_sets

# A decoding loses about 3e-16 times its amplification, so beyond this some set of lost workers
# would leave fewer than 8 correct digits.
MAX_AMPLIFICATION = 1e7


class TightCode(GradientCode):
    """One message per worker; the messages span n - s dimensions and any n - s of them are enough.

    encoding  : (n_workers, n_segments * natural number of blocks), of rank n - s; its rows are
                scaled to the norm of a repetition code's, so that amplifications compare
    share     : blocks that each natural block is split into
    remedy    : what to take instead, for the `ConfigError` raised if some set of n_stragglers lost
                workers is found for which the coefficients amplify rounding too much
    more_sets : random sets tried beyond the usual, or all if there are fewer: the worst sets of a
                random code are few and follow no pattern
    """

    def __init__(
        self,
        encoding: npt.NDArray[Any],
        *,
        n_stragglers: int,
        share: int,
        n_segments: int = 1,
        remedy: str,
        more_sets: int = 0,
    ) -> None:
        n_workers, n_pieces = encoding.shape
        scaled = scale_rows(encoding, n_segments)
        self.completions = Completions(scaled, n_segments, n_stragglers)
        super().__init__(
            np.repeat(scaled, share, axis=1),
            np.arange(n_workers),
            n_workers=n_workers,
            n_blocks=n_pieces // n_segments * share,
            n_segments=n_segments,
            max_stragglers=n_stragglers,
        )
        rng = np.random.default_rng([n_workers, n_stragglers, n_segments])
        sets = fixed_sets(n_workers, n_stragglers, n_stragglers + n_segments, rng)
        more = straggler_sets(n_workers, n_stragglers, more_sets, rng)
        sets = np.concatenate([super().hard_sets(n_stragglers), sets, more])
        worst, self._hardest = worst_sets(
            self.completions.amplifications, sets, n_workers, MAX_AMPLIFICATION
        )
        if not worst <= MAX_AMPLIFICATION:
            raise ConfigError(
                f"code.n_stragglers: {self.name!r} with {n_workers} workers of which "
                f"{n_stragglers} may be missing amplifies rounding {worst:.0e} times, more than "
                f"{MAX_AMPLIFICATION:.0e}; take {remedy}"
            )

    def solve(self, arrived: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
        """Complete the coefficients for all messages; least squares where too few arrived."""
        lost = np.flatnonzero(~arrived)
        if lost.size > self.completions.n_lost:
            return super().solve(arrived)
        return self.completions(lost)

    def decoder(self, kind: str = "gradient") -> Decoder:
        """Return a decoder that is ready after n_workers - n_stragglers answers."""
        self.check_kind(kind)
        return CountingDecoder(self, self.n_workers - self.completions.n_lost)

    def hard_sets(self, n_lost: int) -> Sets:
        """Add those found at construction to amplify most."""
        if n_lost != self.completions.n_lost:
            return super().hard_sets(n_lost)
        return np.concatenate([super().hard_sets(n_lost), self._hardest])


def scale_rows(encoding: npt.NDArray[Any], n_segments: int) -> npt.NDArray[Any]:
    """Return rows of norm ``sqrt(blocks held)``, as those of a repetition code have."""
    held = np.any(encoding.reshape(len(encoding), n_segments, -1), axis=1).sum(axis=1)
    norms = np.linalg.norm(encoding, axis=1)
    scaled: npt.NDArray[Any] = encoding * (np.sqrt(held) / norms)[:, None]
    return scaled
