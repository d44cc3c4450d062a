"""Which worker takes which place in a code, so that a lost node takes few copies of each block.

The workers of a node are lost together. A scheme's guarantee counts workers, whoever they are; but
beyond it, and for schemes without one, what a lost node costs depends on what its workers hold. Two
copies of a block on one node are worth one. All numbers here are integers: each rank must come to
the same places.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from .base import GradientCode


def spread(code: GradientCode, nodes: Sequence[Hashable]) -> list[int]:
    """Return which worker takes each place of the code: worker ``result[i]`` is the code's ``i``.

    nodes : n_workers, the node of each worker

    The places are taken in order. Each goes to the node that holds the fewest copies of its blocks
    so far, among those to the one with the most workers left, then to the first. With groups of
    replicas that is the greedy rule of Gale and Ryser: no two of a group are on one node wherever
    that can be had. Since ties go to the first node, groups lie on the same nodes again and again
    where they can, so that few *sets* of nodes can take a whole group (Cidon et al., "Copysets",
    USENIX ATC 2013). Where the order of the workers is as good, it stays.
    """
    numbers = {node: number for number, node in enumerate(dict.fromkeys(nodes))}
    if len(numbers) in (1, code.n_workers):
        return list(range(code.n_workers))
    node_of = np.array([numbers[node] for node in nodes])
    workers = [np.flatnonzero(node_of == number).tolist() for number in range(len(numbers))]
    held = [code.blocks(place) for place in range(code.n_workers)]
    as_numbered = np.zeros((len(numbers), code.n_blocks), dtype=np.int64)
    for node, blocks in zip(node_of, held, strict=True):
        as_numbered[node, blocks] += 1
    copies = np.zeros_like(as_numbered)
    left = np.array([len(each) for each in workers])
    chosen = []
    for blocks in held:
        shared = copies[:, blocks].sum(axis=1)
        node = np.lexsort((-left, shared, left == 0))[0]
        chosen.append(workers[node][-left[node]])
        left[node] -= 1
        copies[node, blocks] += 1
    return chosen if _pairs(copies) < _pairs(as_numbered) else list(range(code.n_workers))


def _pairs(copies: NDArray[np.int64]) -> int:
    """Return how many pairs of copies of a block are on one node; copies : (n_nodes, n_blocks)."""
    return int((copies * (copies - 1) // 2).sum())
