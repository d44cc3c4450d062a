"""The process behind bursts: a place is good for a while, then bad for a while."""

from __future__ import annotations

import numpy as np

from .base import check_positive, check_seed, uniforms

#: Mean number of refreshes in a window of time, and how many are drawn for it: a Poisson variable
#: of mean 16 exceeds 64 once in 1e19 windows.
_MEAN, _DRAWN = 16.0, 64


class TwoState:
    """Two-state Markov process in continuous time (Gilbert 1960, Elliott 1963), one per place.

    ``place`` is whatever goes bad as one: a worker, or a node. Sojourns are exponential with means
    ``good_seconds`` and ``bad_seconds``; the process starts in equilibrium, so the share of bad
    time is ``bad_seconds / (good_seconds + bad_seconds)`` from the first second on.

    It is drawn by uniformisation: a Poisson process of rate ``1/good_seconds + 1/bad_seconds`` says
    when the state is refreshed, and a refreshed state is bad with that share, whatever it was. Each
    window of time then has random numbers of its own, and the state at any second can be looked up
    without walking there from the start: any order of questions gets the same answers.
    """

    def __init__(self, *, good_seconds: float, bad_seconds: float, seed: int) -> None:
        good = check_positive("good_seconds", good_seconds)
        bad = check_positive("bad_seconds", bad_seconds)
        self._share = bad / (good + bad)
        self._between = 1.0 / (1.0 / good + 1.0 / bad)  # mean seconds from refresh to refresh
        self._seed = check_seed(seed)

    def is_bad(self, place: int, now: float) -> bool:
        """Tell whether ``place`` is in the bad state ``now`` >= 0 seconds into the run."""
        window, rest = divmod(now / self._between, _MEAN)
        for block in range(1 + int(window), 0, -1):
            u = uniforms(self._seed, place, block, 2 * _DRAWN)
            times = np.cumsum(-np.log1p(-u[:_DRAWN]))
            n_before = int(np.searchsorted(times, min(rest, _MEAN), side="right"))
            if n_before:
                return bool(u[_DRAWN + n_before - 1] < self._share)
            rest = _MEAN  # nothing happened in this window up to now: the last refresh is older
        return bool(uniforms(self._seed, place, 0, 1)[0] < self._share)
