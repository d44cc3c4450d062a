"""``mpicode infer``: a function of all rows, over the workers of a code over the data."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config import Config
from ..errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from mpi4py.MPI import Intracomm

    from ..launch import Launcher
    from ..train import Inference


def add_parser(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "infer",
        help="evaluate a model or a function on all rows, some workers missing",
        description="Evaluate what the table [infer] of a configuration file says on all rows of "
        "data.path, over the workers of a code over the data. Outside MPI this starts mpirun "
        "itself; under mpirun or srun it joins the ranks it finds (rank 0 is the master).",
    )
    parser.add_argument("config", metavar="CONFIG.toml", help="configuration file")
    parser.add_argument("-n", "--workers", type=int, metavar="WORKERS", help="sets run.n_workers")
    parser.add_argument(
        "--set", action="append", default=[], metavar="TABLE.KEY=VALUE", help="change one key"
    )
    parser.add_argument("-o", "--output", metavar="OUT.h5", help="file (default: NAME.h5 here)")
    parser.add_argument(
        "--simulate",
        action="store_true",
        help="in this process, under a virtual clock, without MPI",
    )
    parser.set_defaults(command=command)


def command(options: argparse.Namespace) -> int:
    """Evaluate, here or by starting mpirun."""
    from .. import launch

    by = launch.launcher()
    # a function of the user's own lies beside the configuration, on every rank
    sys.path.insert(0, str(Path(options.config).resolve().parent))
    if by is not None and not options.simulate:
        return _joined(options, by)
    config = _load(options)
    if options.simulate:
        from ..train import infer

        return _tell(config, lambda stop: infer(config, interrupted=stop))[0]
    _check(config)
    return launch.launch(
        config.run.n_workers + 1, ["infer", *_arguments(options)], survive=config.faults.survive
    )


def _load(options: argparse.Namespace) -> Config:
    overrides = list(options.set)
    if options.workers is not None:
        overrides.append(f"run.n_workers={options.workers}")
    config = Config.load(options.config, overrides)
    path = options.output
    if path is None and config.output.path is None:
        path = Path(options.config).with_suffix(".h5").name
    if path is not None:
        config = config.replace("output", path=str(Path(path).resolve()))
    if config.infer is not None and config.output.path == config.infer.parameters:
        raise ConfigError(f"output.path: {config.output.path} holds the parameters; -o another")
    return config


def _check(config: Config) -> None:
    """Raise for what is wrong, once and before anything is started."""
    from ..train.infer_setup import infer_setup

    infer_setup(config, None).close()


def _arguments(options: argparse.Namespace) -> list[str]:
    arguments = [options.config]
    if options.workers is not None:
        arguments += ["-n", str(options.workers)]
    for change in options.set:
        arguments += ["--set", change]
    if options.output is not None:
        arguments += ["-o", options.output]
    return arguments


def _joined(options: argparse.Namespace, by: Launcher) -> int:
    """Be one of the ranks that somebody started."""
    from ..pool import mpi
    from .run import begun_together, served
    from .signals import ignore
    from .speech import speak_anyway

    if by.rank > 0:
        ignore()
    comm = mpi.world()
    config, code = begun_together(comm, by, lambda: _load(options))
    if config is None:
        return code
    from ..train import infer

    if comm.rank > 0:
        code = served(lambda: infer(config, comm), comm)
    else:
        if mpi.survives():
            speak_anyway()
        code = _lead(config, comm)
    if mpi.survives():
        # a rank that dies while others are in MPI_Finalize makes them hang there: nobody goes there
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code


def _lead(config: Config, comm: Intracomm) -> int:
    """Be the master."""
    from .. import launch
    from ..pool import mpi
    from ..train import infer
    from .run import leave_spoilt, say_bug

    def evaluate(stop: Callable[[], bool]) -> Inference | None:
        try:
            return infer(config, comm, interrupted=stop)
        except mpi.StartFailed:
            leave_spoilt()

    try:
        exit_code, silent = _tell(config, evaluate)
    except (Exception, SystemExit) as error:
        say_bug(comm.rank, error)
        exit_code, silent = 1, [-1]  # nothing is known of the others
    left = launch.leave(exit_code, comm.rank)
    if silent:
        # somebody hangs or is stopped: MPI_Finalize would wait for it
        sys.stderr.flush()
        mpi.abort(exit_code)
    return left


def _tell(
    config: Config, evaluate: Callable[[Callable[[], bool]], Inference | None]
) -> tuple[int, list[int]]:
    """Evaluate and say what came of it; return the exit code and who did not leave."""
    from ..errors import MpicodeError
    from . import report_error
    from .signals import StopRequest

    try:
        result = evaluate(StopRequest())
    except MpicodeError as error:
        return report_error(error), list(error.silent)
    assert result is not None
    for line in summary(result):
        print(line, file=sys.stderr)
    return 0, result.silent


def summary(result: Inference) -> list[str]:
    """Return the lines that sum up an inference."""
    import numpy as np

    n, *shape = result.values.shape
    outputs = "x".join(map(str, shape)) or "1"
    n_rounds, n_workers = result.arrived.shape
    used = result.arrived.sum(axis=1)
    lines = [f"mpicode: note: {note}" for note in result.notes]
    lines.append(f"mpicode: {n} values of {outputs} numbers in {n_rounds} rounds")
    answers = f"  {used.min()} to {used.max()} of {n_workers} answers used"
    if np.isnan(result.lebesgue).all():
        lines.append(f"{answers}, decoding is exact over the field")
        lines.append(f"  rounded rows shift no value by more than {result.error.max():.3g}, rms")
    else:
        lines.append(f"{answers}, Lebesgue constant up to {np.max(result.lebesgue):.3g}")
        lines.append(
            "  estimated mean squared error: decoder (generalisation) "
            f"{result.generalization:.3g}, encoder (training term, at the inputs) "
            f"{result.training:.3g}"
        )
    found = result.comparison
    parts = [f"{key} {found[key]:.4f}" for key in ("accuracy", "rmse") if key in found]
    if parts:
        lines.append(f"  beside the labels: {', '.join(parts)}")
    if "checked" in found:
        parts = [f"agreement {found['agreement']:.4f}"] if "agreement" in found else []
        parts.append(f"deviation {found['deviation']:.3g}")
        lines.append(f"  beside {found['checked']:.0f} uncoded: {', '.join(parts)}")
    lines.append(f"  {result.wait.sum():.3f} s waiting, {result.decode.sum():.3f} s decoding")
    if result.path is not None:
        lines.append(f"  file: {result.path}")
    return lines
