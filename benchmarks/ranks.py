"""Benchmarks that are their own ranks: a file that starts mpirun and is what it starts."""

from __future__ import annotations

import traceback
from collections.abc import Callable


def is_rank(work: Callable[[], object]) -> bool:
    """Do ``work`` if a launcher started this process; return whether it did."""
    from mpicode import launch

    if launch.launcher() is None:
        return False
    run_rank(work)
    return True


def run_rank(work: Callable[[], object]) -> None:
    """Do ``work`` as one rank of several; an exception ends them all, or the others would wait."""
    try:
        work()
    except BaseException:
        from mpicode.pool import mpi

        traceback.print_exc()
        mpi.abort(1)
