"""``mpicode report``: compare runs, by a table and by pictures."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path
from typing import Any


def add_parser(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "report",
        help="compare runs: a table, and pictures of loss, waiting and workers",
        description="Print a table that compares runs and draw loss against time, waiting time, "
        "and for each run a timeline of its workers. Unfinished run files (.part) are read too.",
    )
    parser.add_argument("runs", metavar="RUN.h5", nargs="+", type=Path, help="run files")
    parser.add_argument(
        "-o",
        "--output",
        metavar="FOLDER",
        type=Path,
        default=Path("report"),
        help="where the pictures go (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="the numbers as JSON on stdout")
    parser.set_defaults(command=command)


def command(options: argparse.Namespace) -> int:
    """Read the runs, print what they came to, draw them."""
    from ..report import draw, labels, numbers, table
    from ..results import read_run

    runs = dict(zip(labels(options.runs), map(read_run, options.runs), strict=True))
    compared = [numbers(label, run) for label, run in runs.items()]
    print(table(compared, shutil.get_terminal_size().columns), file=sys.stderr)
    for label, run in runs.items():
        if not run.complete:
            print(f"mpicode: {label} is not complete: {run.attrs['outcome']}", file=sys.stderr)
    if options.json:
        print(json.dumps([row.to_json() for row in compared], indent=2))
    for picture in draw(runs, options.output):
        print(f"mpicode: {picture} written", file=sys.stderr)
    return 0
