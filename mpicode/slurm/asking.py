"""Talking to the scheduler: by its own commands, each with a time limit."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping

from ..errors import ConfigError, GaveUp


def ask(
    command: str,
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    errors_too: bool = False,
    seconds: float = 120.0,
) -> str:
    """Return what a command of the scheduler says, ``errors_too``: also on stderr.

    Raises `ConfigError` with its last line if it fails, `GaveUp` if it does not answer in time.
    """
    path = shutil.which(command)
    if path is None:
        raise ConfigError(
            f"no {command} on PATH: jobs are submitted where SLURM is; "
            "--print shows the script without it"
        )
    try:
        done = subprocess.run(
            [path, *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            stdin=subprocess.DEVNULL,
            env=environment,
            check=False,
        )
    except OSError as error:
        raise ConfigError(f"{path}: cannot be started: {error}") from None
    except subprocess.TimeoutExpired:
        raise GaveUp(f"{command} did not answer within {seconds:g} s") from None
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()
        why = said[-1] if said else f"it ended with {done.returncode}"
        raise ConfigError(f"{command} refuses: {why.removeprefix(f'{command}: error: ')}")
    return done.stdout + done.stderr if errors_too else done.stdout
