"""What commands have in common that read a configuration: their options, and what becomes of them.

The configuration is read on every rank, so what the command line changes is handed on to each.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ..config.records import absolute
from ..sweep import Sweep, numbered

if TYPE_CHECKING:
    from ..config import Config


def add_config_arguments(parser: argparse.ArgumentParser, *, sweeps: bool = True) -> None:
    """Add what every command has that reads a configuration; ``sweeps``: it may be of several."""
    parser.add_argument("config", metavar="CONFIG.toml", help="configuration file")
    parser.add_argument("-n", "--workers", type=int, metavar="WORKERS", help="sets run.n_workers")
    parser.add_argument(
        "--set", action="append", default=[], metavar="TABLE.KEY=VALUE", help="change one key"
    )
    if sweeps:
        parser.add_argument(
            "--element", type=int, metavar="K", help="which run of the [sweep], from 0 on"
        )


def add_simulate(parser: argparse.ArgumentParser) -> None:
    """Add the option to do without MPI."""
    parser.add_argument(
        "--simulate",
        action="store_true",
        help="in this process, under a virtual clock, without MPI",
    )


def overrides(options: argparse.Namespace) -> list[str]:
    """Return the keys that the command line changes, ``TABLE.KEY=VALUE`` each."""
    changes = list(options.set)
    if options.workers is not None:
        changes.append(f"run.n_workers={options.workers}")
    return changes


def load_sweep(options: argparse.Namespace) -> Sweep:
    """Read the runs that the configuration describes, with what the command line changes."""
    return Sweep.load(options.config, overrides(options))


def load(options: argparse.Namespace) -> Config:
    """Read the configuration of the one run that is asked for."""
    return load_sweep(options).config(options.element)


def with_output(config: Config, options: argparse.Namespace) -> Config:
    """Return the configuration with the run file that the command line gives or implies."""
    if options.output is None and config.output.path is not None:
        return config
    path = Path(absolute("output.path", str(implied_output(options)), Path.cwd()))
    if config.element.number is not None:
        path = numbered(path, config.element.number)
    return config.replace("output", path=str(path))


def implied_output(options: argparse.Namespace) -> Path:
    """Return the run file where the configuration names none."""
    return Path(options.output or Path(options.config).with_suffix(".h5").name)


def changes_to_hand_on(options: argparse.Namespace) -> list[str]:
    """Return the arguments by which another process makes the same changes."""
    arguments = []
    if options.workers is not None:
        arguments += ["-n", str(options.workers)]
    for change in options.set:
        arguments += ["--set", change]
    if getattr(options, "element", None) is not None:
        arguments += ["--element", str(options.element)]
    return arguments
