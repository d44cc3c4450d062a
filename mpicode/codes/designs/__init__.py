"""Which worker holds which block: designs of combinatorics and graphs as placements.

Each function returns an assignment, (n_blocks, n_workers) of 0 and 1, in which all blocks are held
by equally many workers and all workers hold equally many blocks.
"""

from .bipartite import bi_regular, coset
from .block_designs import bibd, known_bibds
from .placement import Design, placement
from .strongly_regular import known_strongly_regular, strongly_regular

__all__ = [
    "Design",
    "bi_regular",
    "bibd",
    "coset",
    "known_bibds",
    "known_strongly_regular",
    "placement",
    "strongly_regular",
]
