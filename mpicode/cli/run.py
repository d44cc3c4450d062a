"""``mpicode run``: train as a configuration file says."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError, Stopped
from .configuration import (
    add_config_arguments,
    add_simulate,
    changes_to_hand_on,
    load,
    load_sweep,
    with_output,
)
from .values import exit_code, seconds

if TYPE_CHECKING:
    from mpi4py.MPI import Intracomm

    from ..config import Config
    from ..train import Result
    from .signals import StopRequest


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
    add_simulate(parser)
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


def command(options: argparse.Namespace) -> int:
    """Run, here or by starting mpirun."""
    from ..launch import launcher

    by = launcher()
    # a problem of the user's own lies beside the configuration, on every rank
    sys.path.insert(0, str(Path(options.config).resolve().parent))
    if by is not None and not (options.simulate or options.list):
        from .joined import join

        return join(
            by,
            lambda: with_output(load(options), options),
            _serve,
            lambda config, comm, stop: _lead(config, comm, stop, options),
            options.interrupted_exit_code,
        )
    with _stop_request(options):
        return _alone(options)


def _stop_request(options: argparse.Namespace) -> contextlib.closing[StopRequest]:
    """Return a context that listens to signals in a process that nobody started for a run."""
    from .signals import StopRequest, leave_with

    return contextlib.closing(StopRequest(leave_with(options.interrupted_exit_code)))


def _alone(options: argparse.Namespace) -> int:
    """Run what is asked for; nobody has started us for it."""
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
        with _stop_request(options) as stop:
            return _trained(config, None, stop, options)[0]
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


def _arguments(options: argparse.Namespace) -> list[str]:
    arguments = [options.config, *changes_to_hand_on(options)]
    if options.output is not None:
        arguments += ["-o", options.output]
    if options.resume:
        arguments.append("--resume")
    arguments += ["--interrupted-exit-code", str(options.interrupted_exit_code)]
    return arguments


def _serve(config: Config, comm: Intracomm) -> None:
    """Be a worker."""
    from ..train import run

    run(config, comm)


def _lead(
    config: Config, comm: Intracomm, stop: StopRequest, options: argparse.Namespace
) -> tuple[int, list[int]]:
    """Be the master."""
    from ..watch import orphaned

    return _trained(config, comm, lambda: stop() or orphaned(), options)


def _trained(
    config: Config,
    comm: Intracomm | None,
    interrupted: Callable[[], bool],
    options: argparse.Namespace,
) -> tuple[int, list[int]]:
    """Train and say how it went; return the exit code and the workers that did not leave."""
    from ..train import run
    from ..train.progress import Progress
    from . import say_error

    try:
        with contextlib.closing(Progress(config.run.iterations, config.run.n_workers)) as progress:
            result = run(
                config,
                comm,
                recorders=[progress],
                interrupted=interrupted,
                resume=options.resume,
                say=progress.say,
            )
    except Stopped as error:
        say_error(error)
        return options.interrupted_exit_code, list(error.silent)
    assert result is not None
    return _finish(result, options), result.silent


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
