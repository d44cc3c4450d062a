"""Options and words that the ways of writing a dataset share."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..errors import ConfigError


def add_output(parser: argparse.ArgumentParser) -> None:
    """Add where to write, in how many files, and whether to replace."""
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="NAME.h5")
    shards = parser.add_mutually_exclusive_group()
    shards.add_argument("--shards", type=count, metavar="N", help="split into N files")
    shards.add_argument("--shard-rows", type=count, metavar="N", help="split into files of N rows")
    parser.add_argument("--force", action="store_true", help="replace an output that is there")


def count(text: str) -> int:
    """Return a number of things, 0 or more."""
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{value} is negative")
    return value


def refuse_existing(args: argparse.Namespace) -> None:
    """Look at the output before an hour of reading, not after."""
    if args.output.exists() and not args.force:
        raise ConfigError(f"{args.output}: is there already; --force replaces it")


def report(output: Path, more: str = "") -> int:
    """Say on stderr what was written; the exit code is 0."""
    from ..datasets import open_dataset

    with open_dataset(output) as dataset:
        shape = f"{dataset.n_samples:,} rows x {dataset.n_features:,} features"
        print(f"{output}: {shape}, {dataset.task}{more}", file=sys.stderr)
    return 0
