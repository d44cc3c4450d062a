"""Partial stragglers: Tandon, Lei, Dimakis & Karampatziakis, "Gradient Coding", ICML 2017."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from ...errors import ConfigError
from ..base import Decoder, GradientCode
from ..checks import blocks_per_part, check_stragglers
from ..sets import Sets
from .cyclic import Cyclic


class PartialStragglers(GradientCode):
    """Each worker sends the sum of blocks of its own, then a coded message for shared blocks.

    n_stragglers : workers whose second message may be missing, any of them, s
    load         : natural blocks per worker, P, at least s + 2: s + 1 of them are shared and
                   coded, P - s - 1 its own and uncoded; default s + 2
    n_blocks     : blocks in all, a multiple of n_workers * (P - s); default that
    seed         : of the code for the shared blocks, `cyclic`

    For workers that are slow but work. The sum is exact from every first message and any n - s of
    the second ones. A worker computes its first message first, so a straggler that is up to
    P / (P - s - 1) times slower than the rest does no harm: when the others have finished P blocks
    it has finished its own. In return each holds P of n (P - s) natural blocks instead of s + 1 of
    n. A lost worker is not made up for: its own blocks are nobody else's, max_stragglers is 0.
    """

    name = "partial-stragglers"

    def __init__(
        self,
        *,
        n_workers: int,
        n_stragglers: int = 1,
        load: int | None = None,
        n_blocks: int | None = None,
        seed: int = 0,
    ) -> None:
        check_stragglers(n_workers, n_stragglers)
        load = n_stragglers + 2 if load is None else load
        own = load - n_stragglers - 1
        if own < 1:
            raise ConfigError(
                f"code.load: {load} blocks per worker leave none uncoded beside the "
                f"{n_stragglers + 1} that tolerate {n_stragglers} stragglers; wants at least "
                f"{n_stragglers + 2}"
            )
        share = blocks_per_part(n_blocks, n_workers * (own + 1), "natural blocks")
        self._coded = Cyclic(n_workers=n_workers, n_stragglers=n_stragglers, seed=seed)
        uncoded = np.kron(np.eye(n_workers), np.ones((1, own)))
        encoding = sparse.block_diag([uncoded, self._coded.encoding.toarray()]).toarray()
        # Message 2 i is worker i's first, 2 i + 1 its second.
        order = np.arange(2 * n_workers).reshape(2, n_workers).T.ravel()
        super().__init__(
            np.repeat(encoding[order], share, axis=1),
            np.repeat(np.arange(n_workers), 2),
            n_workers=n_workers,
            n_blocks=n_workers * (own + 1) * share,
            max_stragglers=0,
        )
        self._n_coded = n_workers - n_stragglers

    def solve(self, arrived: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
        """Sum the first messages that arrived, and decode the second ones."""
        coefficients = np.zeros((1, self.n_messages))
        coefficients[0, 0::2] = arrived[0::2]
        coefficients[:, 1::2] = self._coded.solve(arrived[1::2])
        return coefficients

    def decoder(self, kind: str = "gradient") -> Decoder:
        """Return a decoder that counts first and second messages."""
        self.check_kind(kind)
        return TwoCountsDecoder(self, self._n_coded)

    def hard_sets(self, n_lost: int) -> Sets:
        """Add the sets that are hard for the second messages."""
        return np.concatenate([super().hard_sets(n_lost), self._coded.hard_sets(n_lost)])

    @classmethod
    def for_load(cls, n_workers: int, load: int, n_segments: int = 1) -> list[dict[str, Any]]:
        """Tolerate as many as two natural blocks per worker allow: (s + 2) / 2 is the load."""
        return [{"n_stragglers": 2 * load - 2, "load": 2 * load}]


class TwoCountsDecoder(Decoder):
    """Ready when all first messages have arrived, and a given number of second ones."""

    def __init__(self, code: GradientCode, n_coded: int) -> None:
        super().__init__(code)
        self._n_coded = n_coded

    @property
    def ready(self) -> bool:
        """Whether enough of both have arrived."""
        firsts, seconds = self.arrived[0::2], self.arrived[1::2]
        return bool(firsts.all()) and int(seconds.sum()) >= self._n_coded
