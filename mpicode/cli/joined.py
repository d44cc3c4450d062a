"""Being one of the ranks that somebody started: how they begin together, and how each leaves."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

from ..errors import ConfigError, GaveUp, MpicodeError, Stopped

if TYPE_CHECKING:
    from mpi4py.MPI import Intracomm

    from ..config import Config
    from ..launch import Launcher
    from .signals import StopRequest

    Serve = Callable[[Config, Intracomm], Any]
    Lead = Callable[[Config, Intracomm, StopRequest], tuple[int, list[int]]]


def join(
    by: Launcher,
    read: Callable[[], Config],
    serve: Serve,
    lead: Lead,
    interrupted_exit_code: int = Stopped.exit_code,
) -> int:
    """Do this rank's part and return the exit code, unless this process must not come back.

    by    : what started this rank
    read  : gives the configuration
    serve : does the part of a worker
    lead  : does the master's, and asks now and then whether to stop; gives the exit code and the
            workers that did not leave
    """
    from ..pool import mpi
    from .signals import StopRequest, ignore

    comm = mpi.world()
    if comm.rank > 0:
        ignore()
    else:
        stop = StopRequest(lambda: _leave_early(interrupted_exit_code), also_ignored=True)
    config, code = _begun_together(comm, by, read)
    if config is None:
        return code
    code = _served(serve, config, comm) if comm.rank > 0 else _led(lead, config, comm, stop)
    if mpi.survives():
        # a rank that dies while others are in MPI_Finalize makes them hang there: nobody goes there
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code


def _begun_together(
    comm: Intracomm, by: Launcher, read: Callable[[], Config]
) -> tuple[Config | None, int]:
    """Return the configuration, where all ranks could read theirs and are as many as it wants.

    Else None and the exit code; one rank then says what is wrong.
    """
    from .. import launch
    from ..pool import mpi

    config, error = None, None
    try:
        launch.check_world(comm.size, mpi.library_version())
        config = read()
        launch.check_size(comm.size, config.run.n_workers)
    except ConfigError as caught:
        error = caught
    try:
        wrong = _first_wrong(comm, error)
    except mpi.StartFailed:
        _leave_spoilt()
    if wrong is not None:
        return None, launch.leave(_told_once(by.rank, wrong, error), by.rank)
    return config, 0


def _first_wrong(comm: Intracomm, error: ConfigError | None) -> int | None:
    """Return the lowest rank whose start-up went wrong, None if all went well: all ranks agree."""
    import numpy as np

    from ..pool import mpi

    wrong = np.zeros(comm.size, np.int32)
    with mpi.starting():
        comm.Allgather(np.array([error is not None], np.int32), wrong)
    return int(wrong.argmax()) if wrong.any() else None


def _leave_spoilt() -> NoReturn:
    """Leave a job that has lost a rank before all were present; whoever started it tries again."""
    from ..watch import tell_start_spoilt

    tell_start_spoilt()
    os._exit(GaveUp.exit_code)


def _leave_early(code: int) -> NoReturn:
    """Have rank 0 end the job before anything has begun."""
    from .. import launch
    from ..pool import mpi
    from .signals import say_nothing_began

    say_nothing_began()
    launch.leave(code, 0)
    mpi.abort(code)
    os._exit(code)


def _told_once(rank: int, wrong: int, error: ConfigError | None) -> int:
    """Have one rank say what is wrong; return the exit code.

    ``rank`` is the launcher's: where the worlds have one rank each, MPI calls all of them rank 0.
    """
    from . import report_error

    if error is not None and rank == wrong:
        report_error(ConfigError(f"rank {rank}: {error}") if rank else error)
    return ConfigError.exit_code


def _served(serve: Serve, config: Config, comm: Intracomm) -> int:
    """Be a worker; an exception that could not be told to the master ends all ranks."""
    from .. import launch
    from ..pool import mpi
    from ..watch import status_of_job, wait_for_rank_0

    try:
        serve(config, comm)
    except mpi.MasterLost as error:
        # there is nobody left to tell, nor perhaps to end mpirun's daemon on this host
        if status_of_job() is None:
            mpi.abort(error.exit_code)
        return error.exit_code
    except mpi.StartFailed:
        _leave_spoilt()
    except BaseException as error:
        _say_bug(comm.rank, error)
        if mpi.survives():
            mpi.die()
        mpi.abort(1)
    if mpi.survives():
        wait_for_rank_0()
    return launch.leave(0, comm.rank)


def _led(lead: Lead, config: Config, comm: Intracomm, stop: StopRequest) -> int:
    """Be the master; where somebody cannot leave by himself, this ends all ranks."""
    from .. import launch
    from ..pool import mpi
    from . import report_error
    from .speech import speak_anyway

    if mpi.survives():
        speak_anyway()
    try:
        code, silent = lead(config, comm, stop)
    except mpi.StartFailed:
        _leave_spoilt()
    except MpicodeError as error:
        code, silent = report_error(error), list(error.silent)
    except (Exception, SystemExit) as error:
        _say_bug(comm.rank, error)
        code, silent = 1, [-1]  # nothing is known of the others
    left = launch.leave(code, comm.rank)
    if silent:
        # somebody hangs or is stopped: MPI_Finalize would wait for it
        sys.stderr.flush()
        mpi.abort(code)
    return left


def _say_bug(rank: int, error: BaseException) -> None:
    """Print an exception that is a bug, with who and where."""
    import socket
    import traceback

    who = f"worker {rank - 1} (rank {rank})" if rank else "master (rank 0)"
    trace = "".join(traceback.format_exception(error)).rstrip()
    print(
        f"mpicode: error: {who} on {socket.gethostname()} raised an exception:\n{trace}",
        file=sys.stderr,
        flush=True,
    )
