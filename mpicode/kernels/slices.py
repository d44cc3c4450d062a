"""Work over elements shared out to a few threads."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable

# A thread costs about as much to start as a core needs for this many elements.
SMALLEST = 32768


def in_slices(work: Callable[[int, int], object], size: int, threads: int) -> None:
    """Call ``work(start, stop)`` over slices that cover ``range(size)``, on a few threads.

    ``work`` must not raise and must let go of the interpreter lock for this to be of use. Slices
    begin at multiples of 512 elements, so no two threads write to one cache line.
    """
    parts = min(threads, size // SMALLEST)
    if parts <= 1:
        work(0, size)
        return
    bounds = [size * part // parts // 512 * 512 for part in range(parts)] + [size]
    helpers = [
        threading.Thread(target=work, args=(start, stop), daemon=True)
        for start, stop in itertools.pairwise(bounds[1:])
    ]
    for helper in helpers:
        helper.start()
    work(bounds[0], bounds[1])
    for helper in helpers:
        helper.join()
