"""Bipartite graphs of equal degrees on each side: random ones, and cosets of a cyclic group."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...errors import ConfigError
from .known import Assignment

# Switches per edge, after which nothing of the regular start is left.
SWITCHES = 10


def bi_regular(n_workers: int, load: int, replication: int, seed: int = 0) -> Assignment:
    """Return a random graph of n_workers * load / replication blocks, (n_blocks, n_workers).

    Each worker holds ``load`` blocks and each block has ``replication`` holders, all different.
    A regular start is mixed by switches: two edges exchange their blocks unless one of the new
    edges is there already.
    """
    _check(n_workers, load, replication)
    n_edges = n_workers * load
    n_blocks = n_edges // replication
    worker, block = np.divmod(np.arange(n_edges), load)[0], np.arange(n_edges) % n_blocks
    held = np.zeros((n_blocks, n_workers), dtype=np.int8)
    held[block, worker] = 1
    rng = np.random.default_rng([seed, n_workers, load, replication])
    for one, other in rng.integers(n_edges, size=(SWITCHES * n_edges, 2)).tolist():
        i, j = worker[one], worker[other]
        a, b = block[one], block[other]
        if not (held[b, i] or held[a, j]):
            held[a, i] = held[b, j] = 0
            held[b, i] = held[a, j] = 1
            block[one], block[other] = b, a
    return held


def _check(n_workers: int, load: int, replication: int) -> None:
    for key, value in (("load", load), ("replication", replication)):
        if value < 1:
            raise ConfigError(f"code.{key}: wants at least 1, got {value}")
    copies = n_workers * load
    if copies % replication or replication > n_workers:
        valid = [r for r in range(1, n_workers + 1) if copies % r == 0]
        below = [r for r in valid if r < replication][-1:]
        above = [r for r in valid if r > replication][:1]
        raise ConfigError(
            f"code.replication: {n_workers} workers with {load} blocks each make {copies} copies, "
            f"not {replication} of each block on different workers; nearest valid: "
            f"replication {' or '.join(map(str, below + above))}"
        )


def coset(n_workers: int, n_segments: int, generators: Sequence[int]) -> Assignment:
    """Return the coset graph of ``generators``, (n_workers / n_segments, n_workers).

    With k = n_workers / n_segments blocks, worker x holds block j if x - j mod k is a generator:
    the same circulant, n_segments times side by side (Munim & Ramamoorthy, section on coset
    bipartite graphs). So load is the number of generators, replication n_segments times that.
    """
    n_blocks = coset_blocks(n_workers, n_segments)
    step = (np.arange(n_workers) - np.arange(n_blocks)[:, None]) % n_blocks
    return np.isin(step, generators).astype(np.int8)


def coset_blocks(n_workers: int, n_segments: int) -> int:
    """Return the number of blocks of a coset graph; `ConfigError` if it is not whole."""
    if n_workers % n_segments:
        below = n_workers // n_segments * n_segments
        raise ConfigError(
            f"code.n_segments: a coset graph needs a multiple of n_segments = {n_segments} "
            f"workers, got {n_workers}; nearest valid: n_workers "
            + " or ".join(str(n) for n in (below, below + n_segments) if n)
        )
    return n_workers // n_segments
