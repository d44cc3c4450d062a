"""The job as a whole: its ranks, how it starts, what it does when a rank dies, how it ends."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Iterator
from typing import NoReturn

import numpy as np
from mpi4py import MPI

from ...errors import GaveUp
from ...watch import orphaned

# The longest name that a host can have by POSIX, and the byte behind it.
_HOST_BYTES = 256


class StartFailed(GaveUp):
    """A rank died before the master could do without it."""


class MasterLost(GaveUp):
    """Rank 0 has died; a worker can only leave."""


def world() -> MPI.Intracomm:
    """Return ``MPI.COMM_WORLD``."""
    return MPI.COMM_WORLD


def library_version() -> str:
    """Return the first line of what the MPI library says of itself."""
    return MPI.Get_library_version().splitlines()[0].strip("\x00 ")


def survives() -> bool:
    """Return whether this job goes on when a rank dies: ``mpirun --with-ft ulfm`` started it."""
    return os.environ.get("OMPI_MCA_mpi_ft_enable") == "1"  # noqa: SIM112


def abort(exit_code: int) -> None:
    """End every rank of the job at once."""
    if survives():
        # MPI_Abort would leave the others running: the launcher, our parent, is to end them
        if not orphaned():
            os.kill(os.getppid(), signal.SIGTERM)
        os._exit(exit_code)
    MPI.COMM_WORLD.Abort(exit_code)


def die() -> NoReturn:
    """End this rank in a way that a job which survives deaths takes notice of, unlike an exit."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("SIGKILL came back")


def hosts(comm: MPI.Intracomm) -> list[str]:
    """Return the name of the host that each rank of ``comm`` runs on; all ranks must call."""
    mine = np.zeros(_HOST_BYTES, dtype=np.uint8)
    name = socket.gethostname().encode()[:_HOST_BYTES]
    mine[: len(name)] = np.frombuffer(name, dtype=np.uint8)
    names = np.empty((comm.size, _HOST_BYTES), dtype=np.uint8)
    with starting():
        comm.Allgather(mine, names)
    return [row.tobytes().rstrip(b"\0").decode(errors="replace") for row in names]


def group(comm: MPI.Intracomm, n_workers: int) -> MPI.Intracomm | None:
    """Return a duplicate of ranks 0 to ``n_workers`` of ``comm``, None on surplus ranks.

    On rank 0, all others have their duplicate too when this returns: from then on the job can lose
    any of them. Raises `StartFailed` if one dies before that, in a job that goes on without it.
    """
    color = 0 if comm.rank <= n_workers else MPI.UNDEFINED
    with starting():
        part = comm.Split(color, key=comm.rank)
    if not isinstance(part, MPI.Intracomm) or part == MPI.COMM_NULL:
        return None
    if survives():
        # a worker whose barrier fails is here all the same, and that is all rank 0 wants to know
        try:
            with starting():
                part.Barrier()
        except StartFailed:
            if part.rank == 0:
                raise
    return part


@contextlib.contextmanager
def starting() -> Iterator[None]:
    """Turn the failure of a collective call into `StartFailed`, in a job that survives deaths."""
    try:
        yield
    except MPI.Exception as error:
        if not survives():
            raise
        raise StartFailed(f"a rank died while the job started: {error}") from None
