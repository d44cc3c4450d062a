"""Assignments in which every worker may or may not hold each block, by chance."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..errors import ConfigError


def drawn(probability: npt.NDArray[np.float64], seed: int) -> npt.NDArray[np.bool_]:
    """Draw which worker holds which block, independently, (n_workers, n_blocks).

    probability : (n_workers, n_blocks); each block must be possible for some worker

    A block that nobody would hold is drawn again until somebody does: that is the distribution
    given that all blocks are held. A worker that would hold nothing gets one block, drawn in
    proportion to its probabilities.
    """
    rng = np.random.default_rng([seed, *probability.shape])
    held = rng.random(probability.shape) < probability
    for block in np.flatnonzero(~held.any(axis=0)):
        while not held[:, block].any():
            held[:, block] = rng.random(len(held)) < probability[:, block]
    for worker in np.flatnonzero(~held.any(axis=1)):
        share = np.cumsum(probability[worker])
        held[worker, np.searchsorted(share, rng.random() * share[-1], side="right")] = True
    return held


def check_load(load: int, n_workers: int) -> None:
    """Raise `ConfigError` unless a worker can hold ``load`` of ``n_workers`` blocks."""
    if not 1 <= load <= n_workers:
        raise ConfigError(
            f"code.load: a worker cannot hold {load} of {n_workers} blocks; nearest valid: "
            f"{min(max(1, load), n_workers)}"
        )
