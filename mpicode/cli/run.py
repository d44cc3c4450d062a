"""``mpicode run``: train as a configuration file says."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from ..config import Config

if TYPE_CHECKING:
    from ..launch import Launcher
    from ..train import Result


def add_parser(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "run",
        help="train as a configuration file says",
        description="Train as a configuration file says. Outside MPI this starts mpirun itself; "
        "under mpirun or srun it joins the ranks it finds (rank 0 is the master).",
    )
    add_config_arguments(parser)
    parser.add_argument("-o", "--output", metavar="RUN.h5", help="run file (default: NAME.h5 here)")
    parser.add_argument(
        "--simulate", action="store_true", help="in this process, under a virtual clock, without MPI"
    )
    parser.set_defaults(command=command)


def add_config_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what every command has that reads a configuration."""
    parser.add_argument("config", metavar="CONFIG.toml", help="configuration file")
    parser.add_argument("-n", "--workers", type=int, metavar="WORKERS", help="sets run.n_workers")
    parser.add_argument(
        "--set", action="append", default=[], metavar="TABLE.KEY=VALUE", help="change one key"
    )


def load(options: argparse.Namespace) -> Config:
    """Read the configuration with what the command line changes."""
    overrides = list(options.set)
    if options.workers is not None:
        overrides.append(f"run.n_workers={options.workers}")
    return Config.load(options.config, overrides)


def command(options: argparse.Namespace) -> int:
    """Run, here or by starting mpirun."""
    from pathlib import Path

    from .. import launch

    by = launch.launcher()
    config = _with_output(load(options), options)
    # a problem of the user's own lies beside the configuration, on every rank
    sys.path.insert(0, str(Path(options.config).resolve().parent))
    if options.simulate:
        return _simulated(config)
    if by is not None:
        return _joined(config, by)
    from ..train.setup import build

    # what is wrong is said once, before anything is started
    build(config).close()
    return launch.launch(config.run.n_workers + 1, ["run", *_arguments(options)])


def _with_output(config: Config, options: argparse.Namespace) -> Config:
    from pathlib import Path

    if options.output is not None:
        return config.replace("output", path=str(Path(options.output).resolve()))
    if config.output.path is None:
        return config.replace("output", path=str(Path(options.config).with_suffix(".h5").name))
    return config


def _arguments(options: argparse.Namespace) -> list[str]:
    arguments = [options.config]
    if options.workers is not None:
        arguments += ["-n", str(options.workers)]
    for change in options.set:
        arguments += ["--set", change]
    if options.output is not None:
        arguments += ["-o", options.output]
    return arguments


def _simulated(config: Config) -> int:
    from ..train import run
    from ..train.progress import Progress
    from .signals import StopRequest

    progress = Progress(config.run.iterations, config.run.n_workers)
    result = run(config, None, recorders=[progress], interrupted=StopRequest())
    progress.close()
    assert result is not None
    return _finish(result)


def _joined(config: Config, by: Launcher) -> int:
    """Be one of the ranks that somebody started."""
    from .. import launch
    from ..errors import ConfigError, MpicodeError
    from ..pool import mpi
    from . import report_error
    from .signals import StopRequest, ignore

    comm = mpi.world()
    rank = comm.rank
    try:
        launch.check_world(comm.size, mpi.library_version())
        launch.check_size(comm.size, config.run.n_workers)
    except ConfigError as error:
        # every rank knows, and where the worlds have one rank each all are rank 0; one says so
        first = by.rank == 0
        return launch.leave(report_error(error) if first else error.exit_code, by.rank)
    if rank > 0:
        ignore()
    from ..train import run
    from ..train.progress import Progress

    if rank > 0:
        run(config, comm)
        return launch.leave(0, rank)
    stop = StopRequest()
    progress = Progress(config.run.iterations, config.run.n_workers)
    silent: list[int] = []
    try:
        result = run(config, comm, recorders=[progress], interrupted=stop)
        assert result is not None
        progress.close()
        silent = result.silent
        exit_code = _finish(result)
    except Exception as error:
        progress.close()
        exit_code = report_error(error)
        # after a bug nothing is known of the others
        silent = list(error.silent) if isinstance(error, MpicodeError) else [-1]
    left = launch.leave(exit_code, rank)
    if silent:
        # somebody hangs or is stopped: MPI_Finalize would wait for it
        sys.stderr.flush()
        mpi.abort(exit_code)
    return left


def _finish(result: Result) -> int:
    """Print the closing summary; return the exit code."""
    from . import say_error
    from .summary import summary

    for line in summary(result):
        print(line, file=sys.stderr)
    if result.error is not None:
        say_error(result.error)
        return result.error.exit_code
    return 0
