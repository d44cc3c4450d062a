"""The designs by the names they have in a configuration."""

from __future__ import annotations

from typing import Literal

from ...errors import ConfigError
from .bipartite import bi_regular, coset, coset_blocks
from .block_designs import bibd
from .generators import best_generators
from .known import Assignment
from .strongly_regular import strongly_regular

Design = Literal["bibd", "srg", "biregular", "coset"]


def placement(
    design: Design,
    n_workers: int,
    n_segments: int,
    replication: int | None,
    load: int | None,
    seed: int,
) -> Assignment:
    """Return the assignment of a design, (n_blocks, n_workers) of 0 and 1.

    Where replication and load are None, the design chooses: block designs and strongly regular
    graphs the least there is, the others n_segments + 1 holders of a block or, in coset graphs,
    where replication is a multiple of n_segments, twice n_segments. Raises `ConfigError` with the
    nearest valid numbers.
    """
    if design == "bibd":
        return bibd(n_workers, replication, load)
    if design == "srg":
        if None not in (replication, load) and replication != load:
            raise ConfigError(
                f"code.load: a worker of a strongly regular graph holds as many blocks as a block "
                f"has holders, but load is {load} and replication {replication}"
            )
        return strongly_regular(n_workers, replication if load is None else load)
    if design == "biregular":
        return _bi_regular(n_workers, n_segments, replication, load, seed)
    return _coset(n_workers, n_segments, replication, load)


def _bi_regular(n: int, m: int, replication: int | None, load: int | None, seed: int) -> Assignment:
    if replication is None:
        replication = min(n, m + 1) if load is None else load
        _check_load(replication, n)
    return bi_regular(n, replication if load is None else load, replication, seed)


def _coset(n: int, m: int, replication: int | None, load: int | None) -> Assignment:
    n_blocks = coset_blocks(n, m)
    if load is None:
        load = min(2, n_blocks) if replication is None else replication // m
    if replication not in (None, load * m):
        raise ConfigError(
            f"code.replication: a coset graph has load x n_segments holders of a block, not "
            f"{replication} with load {load} and {m} segments; nearest valid: {load * m}"
            + (f" or {load * m + m}" if load < n_blocks else "")
        )
    _check_load(load, n_blocks)
    return coset(n, m, best_generators(n_blocks, load))


def _check_load(load: int, n_blocks: int) -> None:
    if not 1 <= load <= n_blocks:
        raise ConfigError(
            f"code.load: a worker cannot hold {load} of {n_blocks} blocks; nearest valid: "
            f"{min(max(load, 1), n_blocks)}"
        )
