"""Which worker holds which block: designs of combinatorics and graphs as placements.

Each function returns an assignment, (n_blocks, n_workers) of 0 and 1, in which all blocks are held
by equally many workers and all workers hold equally many blocks.
"""

from .block_designs import bibd, known_bibds

__all__ = ["bibd", "known_bibds"]
