"""``mpicode report``: compare runs, by a table and by pictures."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..results import RunData


def add_parser(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "report",
        help="compare runs: a table, and pictures of loss, waiting and workers",
        description="Print a table that compares runs and draw loss against time and against "
        "iterations, waiting time, what they came to side by side, and for each run a timeline of "
        "its workers. The runs of a folder, or of a sweep, are called by what differs between "
        "their configurations. Unfinished run files (.part) are read too.",
    )
    parser.add_argument(
        "runs",
        metavar="RUN.h5",
        nargs="+",
        type=Path,
        help="run files, or folders: all run files in them",
    )
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
    from ..report import differences, draw, is_sweep, labels, numbers, table
    from ..report.pictures import MOST_TIMELINES

    runs = _read(options.runs)
    names = labels([run.path for run in runs])
    compared = len(runs) > 1 and (is_sweep(runs) or any(path.is_dir() for path in options.runs))
    own = differences(runs) if compared else []
    rows = [
        numbers(name, run, label)
        for name, run, label in zip(names, runs, own or [""] * len(runs), strict=True)
    ]
    print(table(rows, shutil.get_terminal_size().columns), file=sys.stderr)
    for name, run in zip(names, runs, strict=True):
        if not run.complete:
            _say(f"{name} is not complete: {run.attrs['outcome']}")
    if options.json:
        print(json.dumps([row.to_json() for row in rows], indent=2))
    drawn = dict(zip(own or names, runs, strict=True))
    for picture in draw(drawn, options.output, names):
        _say(f"{picture} written")
    if len(runs) > MOST_TIMELINES:
        _say(f"timelines are drawn for {MOST_TIMELINES} runs at most, these are {len(runs)}")
    return 0


def _read(paths: list[Path]) -> list[RunData]:
    """Return the runs of files and folders; `DataError` where there are none."""
    from ..errors import DataError
    from ..results import read_run, read_runs

    runs: list[RunData] = []
    for path in paths:
        if path.is_dir():
            found = read_runs(path, _say)
            if not found:
                raise DataError(f"{path}: there is no run file in this folder")
            runs += found
        else:
            runs.append(read_run(path))
    return runs


def _say(text: str) -> None:
    print(f"mpicode: {text}", file=sys.stderr)
