"""``mpicode data import``: a dataset file from CSV, svmlight, IDX, npy or npz."""

from __future__ import annotations

import argparse
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError
from .data_output import add_output, count, refuse_existing, report

if TYPE_CHECKING:
    from ..datasets.importers.source import Source

TASKS = ("regression", "binary", "multiclass")
DTYPES = ("float32", "float64", "int8", "uint8")
FORMATS = ("csv", "idx", "npy", "npz", "svmlight")


def add_import(commands: Any) -> None:
    """Add ``data import``."""
    parser = commands.add_parser(
        "import",
        help="make a dataset file from CSV, svmlight, IDX, npy or npz",
        description="The file is streamed: it may be larger than memory. It may be packed by gzip.",
    )
    parser.add_argument("source", type=Path, help="the file with the features")
    parser.add_argument("labels", type=Path, nargs="?", help="the labels (IDX, npy, sparse npz)")
    parser.add_argument("--format", choices=FORMATS, help="default: as the name says")
    parser.add_argument("--task", choices=TASKS, help="what the labels are (binary by --threshold)")
    parser.add_argument(
        "--classes", help="the labels in order, 'a,b,c', or their number, for 0 to N-1"
    )
    parser.add_argument(
        "--threshold", type=float, help="binary labels: 1 where the number is above"
    )
    parser.add_argument("--scale", type=_factor, help="multiply all values, such as 1/255")
    parser.add_argument(
        "--dtype", choices=DTYPES, help="how values are stored; default: as they come"
    )
    parser.add_argument(
        "--shuffle", type=count, metavar="SEED", help="put the rows in random order"
    )
    parser.add_argument("--source-name", default="", help="where the data come from, for the file")
    parser.add_argument("--license", default="", help="the licence of the data, for the file")
    parser.add_argument("--compress", action="store_true", help="pack by gzip: smaller, slower")
    csv = parser.add_argument_group("CSV")
    csv.add_argument(
        "--label", help="the column with the label: a name, or a number from 0 (-1: last)"
    )
    csv.add_argument(
        "--columns",
        help="features, 'a,b,c'; NAME:weekday (year, month, day, hour) is that part of a date, "
        "YEAR-MONTH-DAY:weekday of a date in three columns",
    )
    csv.add_argument(
        "--one-hot",
        nargs="?",
        const="",
        metavar="COLUMNS",
        help="categorical columns, 'a,b,c', all without a list: a 0/1 column for each value",
    )
    csv.add_argument(
        "--pairs",
        nargs="?",
        const="",
        metavar="COLUMNS",
        help="as --one-hot, and a 0/1 column for each pair of values that occurs",
    )
    csv.add_argument("--no-header", action="store_true", help="columns are called 0, 1, 2 ...")
    csv.add_argument("--delimiter", default=",")
    csv.add_argument("--drop-missing", action="store_true", help="leave out rows with empty cells")
    svmlight = parser.add_argument_group("svmlight")
    svmlight.add_argument("--zero-based", action=argparse.BooleanOptionalAction, default=None)
    svmlight.add_argument("--n-features", type=count, help="columns; default: the largest index")
    svmlight.add_argument("--dense", action="store_true", help="store zeros too")
    npz = parser.add_argument_group("npz")
    npz.add_argument("--x-key", default="X")
    npz.add_argument("--y-key", default="y")
    add_output(parser)
    parser.set_defaults(command=run_import)


def _factor(text: str) -> float:
    try:
        value = float(Fraction(text))
    except (ValueError, ZeroDivisionError):
        value = 0.0
    if value == 0.0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number or fraction other than 0")
    return value


def run_import(args: argparse.Namespace) -> int:
    """Import a file; the exit code is 0."""
    from ..datasets.convert import convert

    refuse_existing(args)
    source = _open_source(args)
    inputs = [args.source, *([args.labels] if args.labels else [])]
    convert(
        source,
        inputs,
        args.output,
        title=args.source_name,
        license=args.license,
        dtype=args.dtype,
        scale=args.scale,
        shuffle=args.shuffle,
        shards=args.shards,
        rows_per_shard=args.shard_rows,
        compress=args.compress,
        force=args.force,
    )
    dropped = f", {source.n_dropped:,} rows dropped" if source.n_dropped else ""
    return report(args.output, dropped)


def _list(text: str | None) -> list[str] | None:
    """Return 'a,b,c' as a list, an empty one for an empty text."""
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]


def _open_source(args: argparse.Namespace) -> Source:
    from ..datasets.importers import guess_format
    from ..datasets.importers.labels import Labels

    kind = args.format or guess_format(args.source)
    _refuse_foreign(args, kind)
    task = args.task or ("binary" if args.threshold is not None else None)
    if task is None:
        raise ConfigError(f"--task is missing; one of: {', '.join(TASKS)}")
    classes = _list(args.classes)
    if classes is not None and len(classes) == 1 and classes[0].isdigit():
        classes = [str(i) for i in range(int(classes[0]))]
    labels = Labels(task, classes=classes, threshold=args.threshold)
    if kind == "csv":
        return _open_csv(args, labels)
    if kind == "svmlight":
        from ..datasets.importers.svmlight import SvmlightSource

        return SvmlightSource(
            args.source,
            labels,
            zero_based=args.zero_based,
            n_features=args.n_features,
            dense=args.dense,
        )
    if kind == "idx":
        from ..datasets.importers.idx import idx_source

        return idx_source(args.source, args.labels, labels)
    from ..datasets.importers.npy import array_source

    paths = [args.source, *([args.labels] if args.labels else [])]
    return array_source(paths, labels, args.x_key, args.y_key)


def _open_csv(args: argparse.Namespace, labels: Any) -> Source:
    from ..datasets.importers.csv import CsvOptions, CsvSource

    if args.label is None:
        raise ConfigError("--label is missing: the column of the CSV with the label")
    if args.one_hot is not None and args.pairs is not None:
        raise ConfigError("--one-hot and --pairs: one of them, --pairs includes the other")
    options = CsvOptions(
        label=args.label,
        columns=_list(args.columns),
        one_hot=_list(args.one_hot if args.pairs is None else args.pairs),
        pairs=args.pairs is not None,
        header=not args.no_header,
        delimiter=args.delimiter,
        drop_missing=args.drop_missing,
    )
    return CsvSource(args.source, labels, options)


_OWN = {
    "csv": ("label", "columns", "one_hot", "pairs", "no_header", "drop_missing"),
    "svmlight": ("zero_based", "n_features", "dense"),
}


def _refuse_foreign(args: argparse.Namespace, kind: str) -> None:
    """Refuse options of another format instead of ignoring them."""
    for owner, names in _OWN.items():
        for name in names:
            if owner != kind and getattr(args, name) not in (None, False):
                flag = "--" + name.replace("_", "-")
                raise ConfigError(f"{flag} is for {owner}, but {args.source} is read as {kind}")
    takes = {"idx": (1,), "npy": (1,), "npz": (0, 1)}.get(kind, (0,))
    if int(args.labels is not None) not in takes:
        wanted = "wants a second file with the labels" if takes == (1,) else "holds its own labels"
        raise ConfigError(f"{args.source}: read as {kind}, {wanted}")
