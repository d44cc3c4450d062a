"""Light codes on the partial derivatives: after Soto, Ilmer, Guan & Li, ICML 2022."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy import sparse

from ...errors import ConfigError
from ..base import GradientCode
from ..checks import check_stragglers
from ..decoder import EXACT
from ..packing import (
    coherence,
    frame_potential,
    least_potential,
    orthoplex_bound,
    survivors,
    welch_bound,
)
from ..packing.supports import Supports, balanced_supports
from ..packing.variants import Variant, default_weight, rows_of
from ..sets import Sets

Matrix = npt.NDArray[np.float64]
Grid = Literal["table", "joint"]

# Messages times pieces: least squares on so many numbers take seconds.
MOST_NUMBERS = 2**23

# Random survivors that `facts` tries, of each number.
SETS = 400


class Lwpd(GradientCode):
    """Many light messages, each a combination of a few segments; packed to share little.

    n_segments : messages are this many times shorter than the gradient, k
    n_messages : messages in all, n; default 2 k for each block, and more until the workers have
                 equally many
    weight     : segments in a message; default 4 up to 16 segments, then log(k) + 2
    variant    : "packed"; "systematic": every segment by itself, then packed ones; "degree-mix": a
                 quarter of one segment, a third of two; and to compare with "random-sign",
                 "gaussian", "identity" and "replicated"
    floor      : no coefficient is smaller than floor / sqrt(weight), 0 to 1
    n_blocks   : blocks of the data
    load       : blocks on a worker; default 3, or all if they are fewer
    grid       : "table": each message is of one block, and every block has rows of its own;
                 "joint": each is of all blocks of its worker

    Message i is ``sum_uj a_i[u] b_i[j] (segment u of block j)`` with unit rows a (``rows``,
    (n_messages, n_segments)) and b (``block_rows``, (n_messages, n_blocks)); the cosine of two
    messages is the product of those of their rows. All messages give the exact sum, mostly far
    fewer do, and whatever arrived says something; the less two of them have in common, the more.
    So the rows a of one block (``packed``, (n_rows, n_segments)) are packed by
    `mpicode.codes.packing`. How many may be lost is promised by "identity" and "replicated" alone.

    Of the paper we know the abstract: packing, floor, grid and variants are our own design.
    """

    name = "lwpd"
    light = True

    def __init__(
        self,
        *,
        n_workers: int,
        n_segments: int = 16,
        n_messages: int | None = None,
        weight: int | None = None,
        variant: Variant = "packed",
        floor: float = 0.5,
        n_blocks: int = 1,
        load: int | None = None,
        grid: Grid = "table",
        seed: int = 0,
    ) -> None:
        check_stragglers(n_workers, 0)
        for key, number in (("n_segments", n_segments), ("n_blocks", n_blocks)):
            if number < 1:
                raise ConfigError(f"code.{key}: wants at least 1, got {number}")
        held = _held(n_workers, n_blocks, min(3, n_blocks) if load is None else load, seed)
        n_parts = n_blocks if grid == "table" else 1
        if n_messages is None:
            n_messages = n_parts * _n_rows(variant, grid, n_segments, n_workers, held)
        elif n_messages < 1 or n_messages % n_parts:
            below = max(n_messages // n_parts * n_parts, n_parts)
            raise ConfigError(
                f"code.n_messages: {n_messages} messages cannot be shared evenly by {n_parts} "
                f"blocks; nearest valid: {below} or {below + n_parts}"
            )
        if n_messages * n_segments * n_blocks > MOST_NUMBERS:
            raise ConfigError(
                f"code.n_segments: {n_messages} messages of {n_segments} x {n_blocks} pieces are "
                f"more than the {MOST_NUMBERS} numbers that are decoded from; take fewer segments"
            )
        n_rows = n_messages // n_parts
        weight = default_weight(n_segments) if weight is None else weight
        rows = rows_of(variant, n_rows, n_segments, weight, floor, seed)
        # neighbours go to different workers, and so do the copies of a row
        turn = np.arange(n_rows)
        if variant == "replicated":
            turn = turn % n_segments + turn // n_segments
        if grid == "table":
            holders = [np.flatnonzero(column) for column in held.T]
            owner = np.concatenate([workers[turn % workers.size] for workers in holders])
            block_rows = np.repeat(np.eye(n_blocks), n_rows, axis=0)
        else:
            owner = turn % n_workers
            block_rows = held[owner] / np.sqrt(held[owner].sum(axis=1, keepdims=True))
        self.variant = variant
        self.weight = weight
        self.block_rows = block_rows
        self._copied = variant in ("identity", "replicated") and grid == "table"
        self._pack(rows, owner, n_workers)

    def _pack(self, rows: Matrix, owner: npt.NDArray[np.intp], n_workers: int) -> None:
        """Go by these rows of a block, (n_rows, n_segments)."""
        n_messages, n_blocks = self.block_rows.shape
        n_segments = rows.shape[1]
        self.packed = rows
        self.rows = np.tile(rows, (n_messages // len(rows), 1))
        tolerated = None
        if self._copied:
            tolerated = _fewest_holders(self.rows, self.block_rows, owner) - 1
        super().__init__(
            _products(self.rows, self.block_rows),
            owner,
            n_workers=n_workers,
            n_blocks=n_blocks,
            n_segments=n_segments,
            max_stragglers=tolerated,
        )
        missed = self.decode(np.ones(n_messages, dtype=bool)).residual
        if missed > EXACT * n_segments * n_blocks:
            raise ConfigError(
                f"code.n_messages: all {n_messages} messages together miss {missed:.3g} of the "
                f"{n_segments} x {n_blocks} pieces of the sum; take more messages or another load"
            )

    def repacked(self, rows: Matrix) -> Lwpd:
        """Return the code with other rows for each block, (n_rows, n_segments), of any weight.

        Blocks and owners of the messages stay; how many may be lost is promised no longer.
        """
        if rows.shape != self.packed.shape:
            raise ConfigError(f"rows: shape {rows.shape}, but those of {self.packed.shape} stood")
        made = Lwpd.__new__(Lwpd)
        made.variant, made.weight, made.block_rows = self.variant, self.weight, self.block_rows
        made._copied = False
        made._pack(rows, self.owner, self.n_workers)
        return made

    def hard_sets(self, n_lost: int) -> Sets:
        """Add the sets that hold all messages of a piece, or as many of them as may be."""
        sets = {
            tuple(np.sort(_first(owners, n_lost, self.n_workers)).tolist())
            for owners in _owners_of_pieces(self.rows, self.block_rows, self.owner)
        }
        own = np.array(sorted(sets), dtype=np.intp).reshape(len(sets), n_lost)
        return np.concatenate([super().hard_sets(n_lost), own])

    def facts(self) -> dict[str, Any]:
        """Return how the rows of a block stand to each other, as "rows".

        survivors : how random sets of them fare, from as many as there are segments on
        """
        n, k = self.packed.shape
        weights = (self.packed != 0).sum(axis=1)
        sizes = sorted({min(n, k + step * k // 4) for step in range(5)})
        found = [survivors(self.packed, size, SETS)._asdict() for size in sizes]
        for each in found:
            each["amplification"] = None if each["full"] == 0 else each["amplification"]
        return {
            "rows": {
                "n_rows": n,
                "n_segments": k,
                "least_weight": int(weights.min()),
                "most_weight": int(weights.max()),
                "coherence": coherence(self.packed),
                "welch_bound": welch_bound(n, k),
                "orthoplex_bound": orthoplex_bound(n, k),
                "frame_potential": frame_potential(self.packed),
                "least_potential": least_potential(n, k),
                "survivors": found,
            }
        }

    @classmethod
    def for_load(cls, n_workers: int, load: int, n_segments: int = 1) -> list[dict[str, Any]]:
        """Hold ``load`` of n_workers blocks, with a message for each: as `ye-abbe` sends."""
        shared = {"n_blocks": n_workers, "load": load, "n_segments": n_segments}
        return [shared | {"n_messages": load * n_workers}]


def _held(n_workers: int, n_blocks: int, load: int, seed: int) -> npt.NDArray[np.bool_]:
    """Return which worker holds which block, (n_workers, n_blocks): evenly, with little overlap."""
    if not 1 <= load <= n_blocks or load * n_workers < n_blocks:
        least = -(-n_blocks // n_workers)
        raise ConfigError(
            f"code.load: {n_workers} workers that hold {load} of {n_blocks} blocks each cannot be; "
            f"wants {least} to {n_blocks}"
        )
    rng = np.random.default_rng([seed, n_workers, n_blocks, load])
    supports: Supports = balanced_supports(np.full(n_workers, load), n_blocks, rng)
    held = np.zeros((n_workers, n_blocks), dtype=bool)
    for worker, blocks in enumerate(supports):
        held[worker, blocks] = True
    return held


def _n_rows(
    variant: Variant, grid: Grid, n_segments: int, n_workers: int, held: npt.NDArray[np.bool_]
) -> int:
    """Return how many rows there are for each block, or for all in the joint grid."""
    if variant in ("identity", "replicated"):
        return n_segments if variant == "identity" else 2 * n_segments
    whole = grid == "table" or bool(held.all())
    wanted = 2 * n_segments * (1 if whole else held.shape[1])
    evenly = int(held.sum()) // held.shape[1] if grid == "table" else n_workers
    return -(-wanted // evenly) * evenly


def _products(rows: Matrix, block_rows: Matrix) -> sparse.csr_array:
    """Return the encoding: coefficient ``a[u] * b[j]`` in column ``u * n_blocks + j``."""
    blocks = sparse.csr_array(block_rows)
    return sparse.csr_array(sparse.hstack([sparse.diags_array(a) @ blocks for a in rows.T]))


def _owners_of_pieces(
    rows: Matrix, block_rows: Matrix, owner: npt.NDArray[np.intp]
) -> list[npt.NDArray[np.intp]]:
    """Return the workers with messages that contain each piece."""
    return [
        np.unique(owner[(rows[:, u] != 0) & (block_rows[:, j] != 0)])
        for u in range(rows.shape[1])
        for j in range(block_rows.shape[1])
    ]


def _fewest_holders(rows: Matrix, block_rows: Matrix, owner: npt.NDArray[np.intp]) -> int:
    return min(owners.size for owners in _owners_of_pieces(rows, block_rows, owner))


def _first(owners: npt.NDArray[np.intp], count: int, n_workers: int) -> npt.NDArray[np.intp]:
    """Return ``count`` workers, these first."""
    others = np.setdiff1d(np.arange(n_workers), owners)
    return np.concatenate([owners, others])[:count]
