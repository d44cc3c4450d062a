"""``mpicode data``: import, make, encode, describe and check dataset files."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from ..errors import ConfigError, DataError
from .data_encode import add_encode
from .data_import import add_import
from .data_output import add_output, count, refuse_existing, report

KINDS = ("least-squares", "sparse-least-squares", "logistic")


def add_parser(subparsers: Any) -> None:
    """Add the command and its five subcommands."""
    data = subparsers.add_parser(
        "data", help="import, make, encode, describe and check dataset files"
    )
    commands = data.add_subparsers(title="commands", metavar="COMMAND", required=True)
    add_import(commands)
    _add_make(commands)
    add_encode(commands)
    info = commands.add_parser("info", help="say what a dataset file is; reads no rows")
    info.add_argument("file", type=Path, help="a dataset file, or a folder of coded files")
    info.add_argument("--json", action="store_true", help="print the facts as JSON")
    info.set_defaults(command=run_info)
    check = commands.add_parser("check", help="read every row and name what is wrong")
    check.add_argument("file", type=Path, help="a dataset file, or a folder of coded files")
    check.set_defaults(command=run_check)


def _add_make(commands: Any) -> None:
    parser = commands.add_parser("make", help="make a synthetic dataset with a known answer")
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--n-samples", type=count, required=True)
    parser.add_argument("--n-features", type=count, required=True)
    parser.add_argument("--noise", type=float, help="standard deviation of the noise in y")
    parser.add_argument("--seed", type=count, default=0)
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float64")
    add_output(parser)
    parser.set_defaults(command=run_make)


def run_make(args: argparse.Namespace) -> int:
    """Make a synthetic dataset; the exit code is 0."""
    from ..datasets.synthetic import make_dataset

    refuse_existing(args)
    rows = args.shard_rows
    if args.shards is not None:
        if not 1 <= args.shards <= args.n_samples:
            raise ConfigError(f"--shards {args.shards}: the data has {args.n_samples} rows")
        rows = -(-args.n_samples // args.shards)
    make_dataset(
        args.kind,
        args.output,
        n_samples=args.n_samples,
        n_features=args.n_features,
        noise=args.noise,
        seed=args.seed,
        dtype=args.dtype,
        rows_per_shard=rows,
        force=args.force,
    )
    return report(args.output)


def run_info(args: argparse.Namespace) -> int:
    """Print the facts of a dataset; the exit code is 0."""
    from ..datasets.coded import is_coded
    from ..datasets.coded_info import describe_coded, summary_coded
    from ..datasets.info import describe, summary

    coded = is_coded(args.file)
    facts = describe_coded(args.file) if coded else describe(args.file)
    if args.json:
        import json

        print(json.dumps(facts, indent=2))
    else:
        print(summary_coded(facts) if coded else summary(facts), file=sys.stderr)
    return 0


def run_check(args: argparse.Namespace) -> int:
    """Read all rows; raise `DataError` with the first problem, after the others were printed."""
    from ..datasets.check import check_dataset
    from ..datasets.coded import is_coded
    from ..datasets.coded_info import check_coded

    problems = (check_coded if is_coded(args.file) else check_dataset)(args.file)
    for problem in problems[1:]:
        print(problem, file=sys.stderr)
    if problems:
        more = f" (and {len(problems) - 1} more, above)" if len(problems) > 1 else ""
        raise DataError(problems[0] + more)
    print(f"{args.file}: every row is as it should be", file=sys.stderr)
    return 0
