"""``mpicode data encode``: one coded file per worker, for the codes over the data."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from ..errors import ConfigError
from .data_output import count

ORDERS = ("none", "class", "path")


def add_encode(commands: Any) -> None:
    """Add ``data encode``."""
    parser = commands.add_parser(
        "encode",
        help="make one coded file per worker, for a code over the data",
        description="The rows are streamed: they may take more room than there is memory.",
    )
    parser.add_argument("file", type=Path, help="the dataset file")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--code", required=True, metavar="NAME", help="a code over the data")
    parser.add_argument("--workers", type=count, required=True, metavar="N")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a parameter of the code, such as n_blocks=8; may be repeated",
    )
    parser.add_argument(
        "--order",
        choices=ORDERS,
        help="which samples are coded together: as they come, of one class, or similar ones along "
        "a short path; default: path, none where the code is exact",
    )
    parser.add_argument("--seed", type=count, default=0, help="of the code and the order")
    parser.add_argument("--force", action="store_true", help="replace a folder that is there")
    parser.add_argument("--json", action="store_true", help="print the facts as JSON")
    parser.set_defaults(command=run_encode)


def _parameters(changes: list[str]) -> dict[str, Any]:
    """Return the parameters of the code that ``--set key=value`` gives."""
    from ..config import override

    for change in changes:
        if "." in change.partition("=")[0]:
            raise ConfigError(f"--set {change}: wants KEY=VALUE, a parameter of the code")
    found: dict[str, Any] = override({"code": {}}, [f"code.{change}" for change in changes])["code"]
    return found


def run_encode(args: argparse.Namespace) -> int:
    """Encode a dataset; the exit code is 0."""
    from ..codes import DataCode, make
    from ..datasets.coded_info import describe_coded, summary_coded
    from ..datasets.encode import encode_dataset

    given = _parameters(args.set)
    code: Any = make(args.code, n_workers=args.workers, seed=args.seed, **given)
    if not isinstance(code, DataCode):
        raise ConfigError(f"--code {args.code}: combines gradients, not data: nothing to encode")
    exact = code.threshold(code.kinds[0], 1) is not None
    encode_dataset(
        args.file,
        args.output,
        code,
        {"seed": args.seed, **given},
        order=args.order or ("none" if exact else "path"),
        order_seed=args.seed,
        mask_scale=getattr(code, "mask_scale", 1.0),
        force=args.force,
    )
    facts = describe_coded(args.output)
    if args.json:
        import json

        print(json.dumps(facts, indent=2))
    else:
        print(summary_coded(facts), file=sys.stderr)
    return 0
