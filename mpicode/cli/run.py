"""``mpicode run``: train as a configuration file says."""

from __future__ import annotations

import argparse
import math
import os
import sys
from typing import TYPE_CHECKING, Any, NoReturn

from ..config import Config
from ..errors import ConfigError, GaveUp, Stopped
from ..sweep import Sweep, numbered

if TYPE_CHECKING:
    from collections.abc import Callable

    from mpi4py.MPI import Intracomm

    from ..launch import Launcher
    from ..train import Result


def add_parser(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "run",
        help="train as a configuration file says",
        description="Train as a configuration file says. Outside MPI this starts mpirun itself; "
        "under mpirun or srun it joins the ranks it finds (rank 0 is the master). The runs of a "
        "[sweep] are done one after the other, or one of them by --element.",
    )
    add_config_arguments(parser)
    parser.add_argument("-o", "--output", metavar="RUN.h5", help="run file (default: NAME.h5 here)")
    parser.add_argument(
        "--simulate",
        action="store_true",
        help="in this process, under a virtual clock, without MPI",
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on from the newest checkpoint that is whole (NAME.checkpoints beside the run "
        "file, or checkpoint.path); begin where there is none",
    )
    parser.add_argument(
        "--interrupted-exit-code",
        type=exit_code,
        default=Stopped.exit_code,
        metavar="CODE",
        help="exit code of a run that a signal asked to save and end, so that a job script can "
        "tell it from one that gave up (default: %(default)s)",
    )
    parser.add_argument(
        "--grace",
        type=seconds,
        metavar="SECONDS",
        help="most time such a run may take to save, before the mpirun that was started here ends "
        "it by force (default: 20)",
    )
    parser.add_argument(
        "--list",
        action="store_true",
        help="check all runs that [sweep] describes, say what each changes, and run none",
    )
    parser.set_defaults(command=command)


def exit_code(text: str) -> int:
    """Read an exit code for a run that is to be told from others."""
    code = int(text)
    if not Stopped.exit_code <= code < 126:
        # those below mean other things, and from 126 on shells have meanings of their own
        raise argparse.ArgumentTypeError(f"must be from {Stopped.exit_code} to 125, got {code}")
    return code


def seconds(text: str) -> float:
    """Read a length of time."""
    value = float(text)
    if not 0.0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"must be above 0 and finite, got {text}")
    return value


def add_config_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what every command has that reads a configuration."""
    parser.add_argument("config", metavar="CONFIG.toml", help="configuration file")
    parser.add_argument("-n", "--workers", type=int, metavar="WORKERS", help="sets run.n_workers")
    parser.add_argument(
        "--set", action="append", default=[], metavar="TABLE.KEY=VALUE", help="change one key"
    )
    parser.add_argument(
        "--element", type=int, metavar="K", help="which run of the [sweep], from 0 on"
    )


def load_sweep(options: argparse.Namespace) -> Sweep:
    """Read the runs that the configuration describes, with what the command line changes."""
    overrides = list(options.set)
    if options.workers is not None:
        overrides.append(f"run.n_workers={options.workers}")
    return Sweep.load(options.config, overrides)


def load(options: argparse.Namespace) -> Config:
    """Read the configuration of the one run that is asked for."""
    return load_sweep(options).config(options.element)


def command(options: argparse.Namespace) -> int:
    """Run, here or by starting mpirun."""
    from pathlib import Path

    from ..launch import launcher

    by = launcher()
    # a problem of the user's own lies beside the configuration, on every rank
    sys.path.insert(0, str(Path(options.config).resolve().parent))
    if by is not None and not (options.simulate or options.list):
        return _joined(options, by)
    sweep = load_sweep(options)
    if options.list and options.element is not None:
        raise ConfigError("--list: tells of all elements, --element of one")
    if options.list or (options.element is None and not sweep.is_one_run):
        from . import elements

        return elements.show(sweep) if options.list else elements.run_all(sweep, options)
    return run_one(sweep.config(options.element), options)


def run_one(config: Config, options: argparse.Namespace) -> int:
    """Run, here or by starting mpirun; nobody has started us for it."""
    from .. import launch
    from ..supervise import SECONDS_TO_SAVE

    config = with_output(config, options)
    if options.simulate:
        return _simulated(config, options)
    done = _checked(config, options.resume)
    if done is not None:
        return _finish(done, options)
    return launch.launch(
        config.run.n_workers + 1,
        ["run", *_arguments(options)],
        survive=config.faults.survive,
        seconds_to_save=SECONDS_TO_SAVE if options.grace is None else options.grace,
    )


def _checked(config: Config, resume: bool) -> Result | None:
    """Raise for what is wrong, once and before anything is started.

    Returns the result of a run to resume that needs nothing more, None where there is a run to do.
    """
    from ..train.keeper import Keeper
    from ..train.setup import build

    setup = build(config)
    try:
        # what it has to say the master will say
        keeper = Keeper(setup, "real", resume, lambda line: None)
        keeper.close()
        return keeper.finished
    finally:
        setup.close()


def with_output(config: Config, options: argparse.Namespace) -> Config:
    """Return the configuration with the run file that the command line gives or implies."""
    from pathlib import Path

    if options.output is None and config.output.path is not None:
        return config
    path = Path(options.output or Path(options.config).with_suffix(".h5").name).resolve()
    if config.element.number is not None:
        path = numbered(path, config.element.number)
    return config.replace("output", path=str(path))


def _arguments(options: argparse.Namespace) -> list[str]:
    arguments = [options.config]
    if options.workers is not None:
        arguments += ["-n", str(options.workers)]
    for change in options.set:
        arguments += ["--set", change]
    if options.output is not None:
        arguments += ["-o", options.output]
    if options.element is not None:
        arguments += ["--element", str(options.element)]
    if options.resume:
        arguments.append("--resume")
    arguments += ["--interrupted-exit-code", str(options.interrupted_exit_code)]
    return arguments


def _simulated(config: Config, options: argparse.Namespace) -> int:
    from ..train import run
    from ..train.progress import Progress
    from .signals import StopRequest

    progress = Progress(config.run.iterations, config.run.n_workers)
    try:
        result = run(
            config,
            None,
            recorders=[progress],
            interrupted=StopRequest(),
            resume=options.resume,
            say=progress.say,
        )
    finally:
        progress.close()
    assert result is not None
    return _finish(result, options)


def _joined(options: argparse.Namespace, by: Launcher) -> int:
    """Be one of the ranks that somebody started."""
    from ..pool import mpi
    from .signals import ignore

    if by.rank > 0:
        ignore()
    comm = mpi.world()
    config, code = begun_together(comm, by, lambda: with_output(load(options), options))
    if config is None:
        return code
    code = _serve(config, comm) if comm.rank > 0 else _lead(config, comm, options)
    if mpi.survives():
        # a rank that dies while others are in MPI_Finalize makes them hang there: nobody goes there
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code


def begun_together(
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
        leave_spoilt()
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


def leave_spoilt() -> NoReturn:
    """Leave a job that has lost a rank before all were present; whoever started it tries again."""
    from ..watch import tell_start_spoilt

    tell_start_spoilt()
    os._exit(GaveUp.exit_code)


def _told_once(rank: int, wrong: int, error: ConfigError | None) -> int:
    """Have one rank say what is wrong; return the exit code.

    ``rank`` is the launcher's: where the worlds have one rank each, MPI calls all of them rank 0.
    """
    from . import report_error

    if error is not None and rank == wrong:
        report_error(ConfigError(f"rank {rank}: {error}") if rank else error)
    return ConfigError.exit_code


def _serve(config: Config, comm: Intracomm) -> int:
    """Be a worker of a run."""
    from ..train import run

    return served(lambda: run(config, comm), comm)


def served(serve: Callable[[], Any], comm: Intracomm) -> int:
    """Be a worker; an exception that could not be told to the master ends all ranks."""
    from .. import launch
    from ..pool import mpi
    from ..watch import status_of_job, wait_for_rank_0

    try:
        serve()
    except mpi.MasterLost as error:
        # there is nobody left to tell, nor perhaps to end mpirun's daemon on this host
        if status_of_job() is None:
            mpi.abort(error.exit_code)
        return error.exit_code
    except mpi.StartFailed:
        leave_spoilt()
    except BaseException as error:
        say_bug(comm.rank, error)
        if mpi.survives():
            mpi.die()
        mpi.abort(1)
    if mpi.survives():
        wait_for_rank_0()
    return launch.leave(0, comm.rank)


def say_bug(rank: int, error: BaseException) -> None:
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


def _lead(config: Config, comm: Intracomm, options: argparse.Namespace) -> int:
    """Be the master."""
    from .. import launch
    from ..errors import MpicodeError
    from ..pool import mpi
    from ..train import run
    from ..train.progress import Progress
    from ..watch import orphaned
    from . import report_error
    from .signals import StopRequest
    from .speech import speak_anyway

    if mpi.survives():
        speak_anyway()
    stop = StopRequest()
    progress = Progress(config.run.iterations, config.run.n_workers)
    silent: list[int] = []
    try:
        result = run(
            config,
            comm,
            recorders=[progress],
            interrupted=lambda: stop() or orphaned(),
            resume=options.resume,
            say=progress.say,
        )
        assert result is not None
        progress.close()
        silent = result.silent
        code = _finish(result, options)
    except mpi.StartFailed:
        leave_spoilt()
    except MpicodeError as error:
        progress.close()
        code = report_error(error)
        silent = list(error.silent)
    except (Exception, SystemExit) as error:
        progress.close()
        say_bug(comm.rank, error)
        code = 1
        silent = [-1]  # nothing is known of the others
    left = launch.leave(code, comm.rank)
    if silent:
        # somebody hangs or is stopped: MPI_Finalize would wait for it
        sys.stderr.flush()
        mpi.abort(code)
    return left


def _finish(result: Result, options: argparse.Namespace) -> int:
    """Print the closing summary; return the exit code."""
    from . import say_error
    from .summary import summary

    for line in summary(result):
        print(line, file=sys.stderr)
    if result.error is not None:
        say_error(result.error)
        if isinstance(result.error, Stopped):
            return int(options.interrupted_exit_code)
        return result.error.exit_code
    return 0
