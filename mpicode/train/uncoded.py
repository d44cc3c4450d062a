"""What the injected delays alone would have cost a run that waits for every worker."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..pool.delays import Delay

_MOST_LOOKS = 20_000


def uncoded_delay(delay: Delay, n_workers: int, started: NDArray[np.float64]) -> float:
    """Return, in seconds, the sum over iterations of the longest delay of any worker.

    started : (n_iterations,) run time at which each iteration began

    Exact for delays that are independent from request to request; for those that run in time, it
    takes the delays at the times this run met them. Of very long runs every k-th iteration is
    looked at.
    """
    every = max(1, len(started) * n_workers // _MOST_LOOKS)
    longest = [
        max(
            delay.seconds(worker, iteration, float(started[iteration]), 1.0 / n_workers)
            for worker in range(n_workers)
        )
        for iteration in range(0, len(started), every)
    ]
    return float(np.sum(longest)) * len(started) / max(len(longest), 1)
