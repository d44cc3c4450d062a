"""``mpicode export``: a run file as npz."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any


def add_parser(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "export",
        help="write the parameters and columns of a run file as npz",
        description="Write the parameters and all columns of a run file to a file for numpy.load.",
    )
    parser.add_argument("run", metavar="RUN.h5", type=Path, help="run file")
    parser.add_argument(
        "-o", "--output", metavar="OUT.npz", type=Path, help="default: RUN.npz beside the run file"
    )
    parser.set_defaults(command=command)


def command(options: argparse.Namespace) -> int:
    """Export one run file."""
    from ..results import export_npz, read_run

    run = read_run(options.run)
    output = options.output or options.run.with_suffix(".npz")
    export_npz(run, output)
    if not run.complete:
        print(f"mpicode: {options.run} is of an unfinished run", file=sys.stderr)
    if run.parameters is None:
        print(f"mpicode: {options.run} holds no parameters", file=sys.stderr)
    print(f"mpicode: {output} written", file=sys.stderr)
    return 0
