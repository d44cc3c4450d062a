"""Where workers and blocks of a Lagrange code sit: on a circle, on a line, or in a field."""

from __future__ import annotations

from math import gcd
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ...errors import ConfigError

Points = Literal["roots-of-unity", "chebyshev", "integers"]
Array = npt.NDArray[Any]


def real_points(kind: Points, n_workers: int, n_blocks: int, n_masks: int) -> tuple[Array, Array]:
    """Return the points of the workers, in their order along the line, and those of the blocks.

    Those of the masks follow those of the blocks. On the circle and at the Chebyshev points no
    worker meets a block; integers are those of the paper, where it does unless there are masks.
    """
    n_points = n_blocks + n_masks
    if kind == "integers":
        workers, blocks = integer_points(n_workers, n_blocks, n_masks)
        return workers.astype(np.float64), blocks.astype(np.float64)
    # Multiplied by n_workers, the places of the blocks, as shares of the circle (half circle),
    # differ from whole numbers by multiples of step; an offset of half a step keeps them apart.
    step = gcd(n_workers, n_points)
    if kind == "roots-of-unity":
        shift = step / (2 * n_workers)
        return (
            np.exp(2j * np.pi * np.arange(n_workers) / n_workers),
            np.exp(2j * np.pi * (np.arange(n_points) + shift) / n_points),
        )
    meets = (n_workers - n_points) % (2 * step) == 0
    shift = step / (2 * n_workers) if meets else 0.0
    return (
        np.cos(np.pi * (np.arange(n_workers) + 0.5) / n_workers),
        np.cos(np.pi * (np.arange(n_points) + 0.5 + shift) / n_points),
    )


def integer_points(n_workers: int, n_blocks: int, n_masks: int) -> tuple[Array, Array]:
    """Return 0, 1, ... for the workers and 1, 2, ... for the blocks and masks.

    With masks no worker sits where a block or a mask does: it would hold it in clear.
    """
    n_points = n_blocks + n_masks
    workers = np.arange(n_workers)
    if n_masks:
        workers[1:] += n_points
    return workers, np.arange(1, n_points + 1)


def field_points(n_workers: int, n_blocks: int, n_masks: int, prime: int) -> tuple[Array, Array]:
    """Return `integer_points` where the field has so many elements, else raise `ConfigError`."""
    workers, blocks = integer_points(n_workers, n_blocks, n_masks)
    wanted = max(int(workers.max(initial=0)), int(blocks.max())) + 1
    if wanted > prime:
        raise ConfigError(
            f"code.prime: {n_workers} workers and {blocks.size} blocks and masks want at least "
            f"{wanted} elements, the field has {prime}"
        )
    return workers, blocks
