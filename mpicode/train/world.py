"""The world a run finds itself in: one process, or hosts that may be out of reach."""

from __future__ import annotations

import sys

from ..config import Config
from ..errors import ConfigError
from ..pool.virtual import Costs

# A host out of reach for so many times `faults.silent_seconds` is given up, by both sides.
SILENCES_TO_GIVE_UP = 10


def refuse_world() -> None:
    """Raise `ConfigError` in a process that is one of several ranks."""
    mpi = sys.modules.get("mpi4py.MPI")
    size = mpi.COMM_WORLD.size if mpi is not None and mpi.Is_initialized() else 1
    if size > 1:
        raise ConfigError(
            f"comm: None runs the workers in this process, but this is 1 of {size} ranks; "
            "hand over a communicator, mpi4py.MPI.COMM_WORLD for all of them"
        )


def costs(config: Config) -> Costs:
    """Return the virtual clock's costs as configured."""
    virtual = config.virtual
    return Costs(
        virtual.seconds_per_row,
        virtual.latency_seconds,
        virtual.bytes_per_second,
        virtual.workers_per_node,
        virtual.cores_per_node,
        virtual.downlink_bytes_per_second,
    )
