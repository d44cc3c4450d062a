"""The command line: one file per command; this one tells them apart and says what went wrong.

To add a command, write ``cli/NAME.py`` with ``add_parser(subparsers)``, which sets ``command`` to a
function from the parsed arguments to an exit code, and add NAME to ``COMMANDS``. Heavy imports go
inside that function: ``mpicode --help`` loads none of them.
"""

from __future__ import annotations

import argparse
import errno
import importlib
import os
import sys
import traceback
from collections.abc import Sequence

from .. import __version__
from ..errors import DataError, GaveUp, MpicodeError, WorkerFailed, said

_DEBUG = "MPICODE_DEBUG"
_CLOSED = (errno.ENAMETOOLONG, errno.EACCES, errno.EPERM)

COMMANDS = (
    "run",
    "infer",
    "data",
    "codes",
    "simulate",
    "report",
    "submit",
    "jobs",
    "export",
    "doctor",
)


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    top = argparse.ArgumentParser(
        prog="mpicode",
        description="Coded distributed gradient descent over MPI.",
        epilog="exit codes: 0 done, 2 wrong command line or configuration, 3 unreadable or invalid "
        "data, 4 gave up (the last good state is saved), 1 a bug",
    )
    top.add_argument("--version", action="version", version=f"mpicode {__version__}")
    top.add_argument("--debug", action="store_true", help="show the traceback of every error")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name in COMMANDS:
        importlib.import_module(f".{name}", __name__).add_parser(commands)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = parser().parse_args(arguments)
    if options.debug:
        os.environ[_DEBUG] = "1"
    try:
        return int(options.command(options))
    except BrokenPipeError:
        # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        return report_error(error)


def report_error(error: Exception) -> int:
    """Say what went wrong, in one line unless it is a bug, and return the exit code for it."""
    if isinstance(error, MemoryError):
        error = GaveUp(f"out of memory: {error}")
    if isinstance(error, OSError) and error.errno in _CLOSED and error.filename is not None:
        # said by any look at any path that was given: whether it is there, and what it is
        error = DataError(f"{error.filename}: {said(error)}")
    if not isinstance(error, MpicodeError) or os.environ.get(_DEBUG) == "1":
        traceback.print_exception(error)
    if isinstance(error, MpicodeError):
        say_error(error)
        return error.exit_code
    return 1


def say(text: str) -> None:
    """Print a line of its own on stderr."""
    print(f"mpicode: {text}", file=sys.stderr, flush=True)


def say_error(error: MpicodeError) -> None:
    """Print an error as one line, or with the traceback of the worker it came from."""
    text = str(error)
    if not isinstance(error, WorkerFailed):
        text = " ".join(text.split())
    print(f"mpicode: error: {text}", file=sys.stderr, flush=True)
