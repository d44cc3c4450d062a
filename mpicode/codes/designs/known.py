"""Choosing among the designs that are known for a number of workers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ...errors import ConfigError

Assignment = npt.NDArray[np.int8]

# So far from the number asked for, nearest valid numbers are looked for.
REACH = 200


class Known(NamedTuple):
    """A design by its numbers, and how to build it.

    build() gives the assignment, (n_blocks, n_workers): 1 where a worker holds a block.
    """

    n_blocks: int
    load: int  # blocks per worker
    replication: int  # workers per block
    build: Callable[[], npt.NDArray[np.bool_]]


def choose(
    kind: str,
    known: Callable[[int], Iterable[Known]],
    n_workers: int,
    replication: int | None,
    load: int | None,
) -> Assignment:
    """Build the first design for ``n_workers`` that has the replication and load asked for.

    ``known(n)`` lists the designs of n workers, the preferred ones first; ``kind`` names them in
    the `ConfigError` that is raised when there is none, with the nearest numbers that have one.
    """

    def fits(design: Known) -> bool:
        return replication in (None, design.replication) and load in (None, design.load)

    designs = list(known(n_workers))
    for design in designs:
        if fits(design):
            return design.build().astype(np.int8)
    asked = ", ".join(
        f"{key} {value}"
        for key, value in (("replication", replication), ("load", load))
        if value is not None
    )
    elsewhere = _nearest(lambda n: any(map(fits, known(n))), n_workers)
    if designs:
        own = ", ".join(f"{d.replication} (load {d.load} of {d.n_blocks})" for d in designs)
        raise ConfigError(
            f"code.{'load' if replication is None else 'replication'}: no {kind} of {n_workers} "
            f"workers with {asked} is known; nearest valid: replication {own}"
            + (f", or n_workers {elsewhere}" if elsewhere else "")
        )
    if not elsewhere:
        asked, elsewhere = "", _nearest(lambda n: any(True for _ in known(n)), n_workers)
    raise ConfigError(
        f"run.n_workers: no {kind} of {n_workers} workers{asked and f' with {asked}'} is known; "
        f"nearest valid: {elsewhere}"
    )


def _nearest(valid: Callable[[int], bool], n: int) -> str:
    """Return the nearest valid numbers below and above ``n``, as far as there are any."""
    below = next((i for i in range(n - 1, max(0, n - REACH), -1) if valid(i)), None)
    above = next((i for i in range(n + 1, n + REACH) if valid(i)), None)
    return " or ".join(str(i) for i in (below, above) if i is not None)
