"""What benchmarks have in common that compare two things in one run."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np


def race(
    contestants: Mapping[str, Callable[[], Any]],
    repeats: int,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, np.ndarray]:
    """Return the seconds of each contestant in each repeat, (repeats,) by name.

    In a repeat each runs once, so that ratios can be taken within it.
    """
    seconds = {name: np.empty(repeats) for name in contestants}
    names = list(contestants)
    for contestant in contestants.values():
        contestant()
    for repeat in range(repeats):
        # another one begins each time, so that nobody always follows the same neighbour
        for name in names[repeat % len(names) :] + names[: repeat % len(names)]:
            began = clock()
            contestants[name]()
            seconds[name][repeat] = clock() - began
    return seconds


def spread(values: np.ndarray, digits: int = 2, unit: str = "") -> str:
    """Return the median with the quartiles behind it."""
    low, middle, high = np.percentile(values, [25, 50, 75])
    return f"{middle:.{digits}f}{unit} [{low:.{digits}f}, {high:.{digits}f}]"
