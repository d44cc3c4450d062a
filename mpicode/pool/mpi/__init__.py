"""Rounds over MPI: the only package that imports ``mpi4py.MPI``, and the only one that knows ranks.

Worker ``i`` is rank ``i + 1`` of a duplicate of the caller's communicator. Requests, and
assignments before them, travel with one tag; notices one way and answers the other way share a
second one. Whoever starts a transfer owns its buffer until it has completed. Transfers that recur
are persistent: an iteration starts them, it does not describe them again; and each recurs in the
buffer it used before, since that is the one in the cache.
"""

from .job import (
    MasterLost,
    StartFailed,
    abort,
    die,
    group,
    hosts,
    library_version,
    starting,
    survives,
    world,
)
from .master import MPIMaster
from .worker import MPIWorker

__all__ = [
    "MPIMaster",
    "MPIWorker",
    "MasterLost",
    "StartFailed",
    "abort",
    "die",
    "group",
    "hosts",
    "library_version",
    "starting",
    "survives",
    "world",
]
