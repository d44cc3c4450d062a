"""``mpicode infer``: a function of all rows, over the workers of a code over the data."""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config import Config
from ..errors import ConfigError, Stopped
from .configuration import (
    add_config_arguments,
    add_simulate,
    changes_to_hand_on,
    overrides,
    with_output,
)
from .signals import StopRequest, leave_with

if TYPE_CHECKING:
    from mpi4py.MPI import Intracomm

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
    add_config_arguments(parser, sweeps=False)
    parser.add_argument("-o", "--output", metavar="OUT.h5", help="file (default: NAME.h5 here)")
    add_simulate(parser)
    parser.set_defaults(command=command)


def command(options: argparse.Namespace) -> int:
    """Evaluate, here or by starting mpirun."""
    from .. import launch

    by = launch.launcher()
    # a function of the user's own lies beside the configuration, on every rank
    sys.path.insert(0, str(Path(options.config).resolve().parent))
    if by is not None and not options.simulate:
        from .joined import join

        return join(by, lambda: _load(options), _serve, _evaluated)
    with contextlib.closing(StopRequest(leave_with(Stopped.exit_code))) as stop:
        config = _load(options)
        if options.simulate:
            return _evaluated(config, None, stop)[0]
        _check(config)
        arguments = [options.config, *changes_to_hand_on(options)]
        if options.output is not None:
            arguments += ["-o", options.output]
        return launch.launch(
            config.run.n_workers + 1, ["infer", *arguments], survive=config.faults.survive
        )


def _load(options: argparse.Namespace) -> Config:
    config = with_output(Config.load(options.config, overrides(options)), options)
    if config.infer is not None and config.output.path == config.infer.parameters:
        raise ConfigError(f"output.path: {config.output.path} holds the parameters; -o another")
    return config


def _check(config: Config) -> None:
    """Raise for what is wrong, once and before anything is started."""
    from ..train.infer_setup import infer_setup

    infer_setup(config, None).close()


def _serve(config: Config, comm: Intracomm) -> None:
    """Be a worker."""
    from ..train import infer

    infer(config, comm)


def _evaluated(config: Config, comm: Intracomm | None, stop: StopRequest) -> tuple[int, list[int]]:
    """Evaluate and say what came of it; return the exit code and the workers that did not leave."""
    from ..train import infer

    result = infer(config, comm, interrupted=stop)
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
