"""All runs of a sweep: checked before the first begins, then done one after the other."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from ..config import Config
from ..errors import ConfigError, DataError, GaveUp, MpicodeError
from ..sweep import Sweep
from . import report_error, say
from .configuration import with_output
from .run import run_one

# Exit codes, the worst first: a bug, data, a configuration, a run that gave up.
_SEVERITY = (1, DataError.exit_code, ConfigError.exit_code, GaveUp.exit_code)
_NOT_BY_SIGNAL = {0, 1, ConfigError.exit_code, DataError.exit_code}


def show(sweep: Sweep) -> int:
    """Say what each element changes; return 0 where all can be run."""
    for element in range(len(sweep)):
        checked(sweep, element)
        _tell(sweep, element)
    return 0


def run_all(sweep: Sweep, options: argparse.Namespace) -> int:
    """Run the elements in order; return the worst exit code.

    One that fails does not keep the others from running; one that is interrupted does.
    """
    configs = [with_output(checked(sweep, k), options) for k in range(len(sweep))]
    see_files_apart(dict(enumerate(configs)))
    codes = []
    for element, config in enumerate(configs):
        _tell(sweep, element)
        options.element = element
        before = _version(config)
        try:
            codes.append(run_one(config, options))
        except MpicodeError as error:
            codes.append(report_error(error))
        if _was_interrupted(config, codes[-1], before):
            say(f"{len(codes)} of {len(configs)} runs were begun; --resume goes on with them all")
            return codes[-1]
    return next((code for code in _SEVERITY if code in codes), max(codes))


def _tell(sweep: Sweep, element: int) -> None:
    number = f"run {element + 1} of {len(sweep)}"
    name = number if sweep.is_one_run else f"element {element}, {number}"
    say(f"{name}: {sweep.describe(element)}")


def see_files_apart(configs: Mapping[int, Config]) -> None:
    """Raise `ConfigError` where two elements, by their numbers, would write the same file."""
    for table in ("output", "checkpoint"):
        whose: dict[str, int] = {}
        for element, config in configs.items():
            path = getattr(config, table).path
            if path is not None and whose.setdefault(path, element) != element:
                raise ConfigError(
                    f"sweep: elements {whose[path]} and {element} have the same {table}.path, "
                    f"{path}"
                )


def _version(config: Config) -> tuple[int, int] | None:
    """Return what tells one version of a run file from another, None where there is none."""
    try:
        found = Path(config.output.path or "").stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def _was_interrupted(config: Config, code: int, before: tuple[int, int] | None) -> bool:
    """Return whether a signal ended the run that just ended: nobody wants the next one then."""
    from ..results import read_run

    if code in _NOT_BY_SIGNAL:
        return False
    if code > 128 or _version(config) in (before, None):
        return code > 128  # ended by force
    assert config.output.path is not None
    return bool(read_run(config.output.path).attrs["outcome"] == "interrupted")


def checked(sweep: Sweep, element: int) -> Config:
    """Return the configuration of an element after a check that goes as far as the run's own."""
    from ..train.setup import build

    config = sweep.config(None if sweep.is_one_run else element)
    with sweep.named(element):
        build(config).close()
    return config
