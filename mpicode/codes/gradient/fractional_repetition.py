"""Fractional repetition: Tandon, Lei, Dimakis & Karampatziakis, "Gradient Coding", ICML 2017."""

from __future__ import annotations

from ..checks import check_stragglers
from ..repetition import PlainRepetition, check_groups


class FractionalRepetition(PlainRepetition):
    """Groups of n_stragglers + 1 workers hold the same blocks; one answer per group is enough.

    n_stragglers : lost workers tolerated, any of them; n_stragglers + 1 must divide n_workers
    n_blocks     : blocks in all, a multiple of the number of groups; default n_workers
    spread       : True: a group is every n_groups-th worker, so that a lost node of consecutive
                   ranks is not a lost group, which nothing makes up for; False: consecutive workers

    All members of a group send bit-identical messages and groups are summed in group order, so the
    decoded sum does not depend on who answered first.
    """

    name = "fractional-repetition"

    def __init__(
        self,
        *,
        n_workers: int,
        n_stragglers: int = 1,
        n_blocks: int | None = None,
        spread: bool = True,
    ) -> None:
        check_stragglers(n_workers, n_stragglers)
        check_groups(n_workers, "n_stragglers", n_stragglers, n_stragglers + 1)
        super().__init__(
            n_workers=n_workers,
            size=n_stragglers + 1,
            n_blocks=n_blocks,
            spread=spread,
            max_stragglers=n_stragglers,
        )
