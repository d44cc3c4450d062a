"""Assignments in which every worker may or may not hold each block, by chance."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..errors import ConfigError

Probability = npt.NDArray[np.float64]


def drawn(probability: Probability, seed: int) -> npt.NDArray[np.bool_]:
    """Draw which worker holds which block, independently, (n_workers, n_blocks).

    probability : (n_workers, n_blocks), with something above 0 in every row and column

    A block that nobody would hold is drawn again, given that somebody holds it. A worker that would
    hold nothing gets one block, drawn in proportion to its probabilities.
    """
    rng = np.random.default_rng([seed, *probability.shape])
    held = rng.random(probability.shape) < probability
    for block in np.flatnonzero(~held.any(axis=0)):
        column = probability[:, block]
        nobody_before = np.cumprod(np.append(1.0, 1.0 - column[:-1]))
        first = _pick(column * nobody_before, rng)
        held[first, block] = True
        held[first + 1 :, block] = rng.random(len(column) - first - 1) < column[first + 1 :]
    for worker in np.flatnonzero(~held.any(axis=1)):
        held[worker, _pick(probability[worker], rng)] = True
    return held


def _pick(weights: Probability, rng: np.random.Generator) -> int:
    """Return a random place, in proportion to the weights."""
    upto = np.cumsum(weights)
    return int(np.searchsorted(upto, rng.random() * upto[-1], side="right"))


def check_load(load: int, n_workers: int) -> None:
    """Raise `ConfigError` unless a worker can hold ``load`` of ``n_workers`` blocks."""
    if not 1 <= load <= n_workers:
        raise ConfigError(
            f"code.load: a worker cannot hold {load} of {n_workers} blocks; nearest valid: "
            f"{min(max(1, load), n_workers)}"
        )
