"""``mpicode data encode``: one coded file per worker, for the codes over the data."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError
from .data_output import count

if TYPE_CHECKING:
    from ..datasets.mixing import Field

# Where a field is asked for and no numbers: as in the table [field].
BITS, LARGEST_PARAMETER = 12, 16.0
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
    field = parser.add_argument_group("codes over a prime field")
    field.add_argument(
        "--data-bits", type=count, metavar="BITS", help="of fraction, for features (default 12)"
    )
    field.add_argument(
        "--parameter-bits",
        type=count,
        metavar="BITS",
        help="of fraction, for the model's parameters; labels have both (default 12)",
    )
    field.add_argument(
        "--largest-parameter",
        type=float,
        metavar="SIZE",
        help="magnitude that no parameter will exceed (default 16): a field too small for the "
        "gradient of least squares is refused, where labels are numbers and the code's degree is "
        "2 or more",
    )
    parser.add_argument("--force", action="store_true", help="replace a folder that is there")
    parser.add_argument("--json", action="store_true", help="print the facts as JSON")
    parser.set_defaults(command=run_encode)


def _parameters(changes: list[str]) -> dict[str, Any]:
    """Return the parameters of the code that ``--set`` gives; ``code.`` may be left out."""
    from ..tables import override

    full = [text if text.startswith("code.") else f"code.{text}" for text in changes]
    found: dict[str, Any] = override({"code": {}}, full)["code"]
    for key, flag in (("name", "--code"), ("n_workers", "--workers"), ("seed", "--seed")):
        if key in found:
            raise ConfigError(f"--set {key}={found[key]}: that is for {flag}")
    return found


def _field(code: Any, args: argparse.Namespace) -> Field | None:
    """Return the field that a code calculates in, None for floating numbers."""
    bits = args.data_bits, args.parameter_bits
    prime = getattr(code, "prime", None)
    if prime is None:
        if (*bits, args.largest_parameter) != (None, None, None):
            raise ConfigError(
                "--data-bits, --parameter-bits, --largest-parameter: want --set prime=P with them"
            )
        return None
    from ..codes.data.field import masks, quantise
    from ..codes.data.field_gradient import FieldGradient, squared
    from ..datasets import open_dataset
    from ..datasets.mixing import Field

    data, parameter = (BITS if given is None else given for given in bits)
    if data + parameter >= prime.bit_length():
        raise ConfigError(
            f"--data-bits {data}, --parameter-bits {parameter}: together they want a field of more "
            f"than {data + parameter} bits, {prime} has {prime.bit_length()}"
        )
    largest = LARGEST_PARAMETER if args.largest_parameter is None else args.largest_parameter
    with open_dataset(args.file) as dataset:
        room = None
        if dataset.task == "regression" and code.degree >= 2:
            problem = FieldGradient(
                squared, prime, data_bits=data, parameter_bits=parameter, largest_parameter=largest
            )
            room = problem.room(dataset.n_features)
    return Field(prime, data, data + parameter, quantise, masks, room)


def run_encode(args: argparse.Namespace) -> int:
    """Encode a dataset; the exit code is 0."""
    from ..codes import DataCode, make
    from ..datasets.coded_info import describe_coded, summary_coded
    from ..datasets.encode import encode_dataset

    given = _parameters(args.set)
    code: Any = make(args.code, n_workers=args.workers, seed=args.seed, **given)
    if not isinstance(code, DataCode):
        raise ConfigError(f"--code {args.code}: combines gradients, not data: nothing to encode")
    exact = code.threshold(code.kinds[0]) is not None
    encode_dataset(
        args.file,
        args.output,
        code,
        {"seed": args.seed, **given},
        order=args.order or ("none" if exact else "path"),
        order_seed=args.seed,
        mask_scale=getattr(code, "mask_scale", 1.0),
        field=_field(code, args),
        force=args.force,
    )
    facts = describe_coded(args.output)
    if args.json:
        import json

        print(json.dumps(facts, indent=2))
    else:
        print(summary_coded(facts), file=sys.stderr)
    return 0
