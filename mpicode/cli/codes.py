"""``mpicode codes``: which schemes there are, what one of them can stand, how they compare."""

from __future__ import annotations

import argparse
import inspect
import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

from ..errors import ConfigError
from .columns import columns

#: Options that make sense with ``--compare`` alone.
_COMPARING = ("load", "segments")


def add_parser(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "codes",
        help="list the coding schemes, say what one of them can stand, or compare all",
        description="Without a name: all schemes. With a name: what it is and its parameters; "
        "with -n also what it costs and what it loses with so many workers missing. With "
        "--compare and -n: all schemes that can be built at one load, side by side.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="a scheme; several to compare")
    parser.add_argument("-n", "--workers", type=int, metavar="WORKERS", help="number of workers")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="set a parameter of it, or of the failures (failures.KEY=VALUE)",
    )
    parser.add_argument(
        "--failures",
        metavar="NAME",
        help="who is lost: uniform, bernoulli, node, adversarial "
        "(default: any, and the worst that a search finds)",
    )
    parser.add_argument("--lost", type=int, metavar="COUNT", help="only so many lost workers")
    parser.add_argument("--seed", type=int, default=0, help="of the code and of the sets tried")
    parser.add_argument(
        "--sets", type=int, default=300, metavar="COUNT", help="sets tried per row (default 300)"
    )
    parser.add_argument("--compare", action="store_true", help="schemes at one load")
    parser.add_argument(
        "--load", type=int, metavar="SHARES", help="to compare at: copies of the data (default 3)"
    )
    parser.add_argument(
        "--segments", type=int, metavar="COUNT", help="to compare at, where a scheme has them"
    )
    parser.add_argument(
        "--parameters", type=int, metavar="COUNT", help="of the model: how long messages are"
    )
    parser.add_argument(
        "--plot",
        type=Path,
        metavar="FILE.png",
        help="draw what is compared, or what the messages of a scheme have in common",
    )
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    parser.set_defaults(command=command)


def command(args: argparse.Namespace) -> int:
    """Print what was asked for."""
    _check(args)
    facts: Any
    plot: Any = None
    if args.compare:
        from .codes_compare import compare, draw, table

        facts = compare(args)
        plot = partial(draw, facts)
        lines = table(facts)
    elif not args.names:
        facts = _all()
        lines = _list(facts)
    else:
        from .codes_one import describe, one

        found, plot = one(args)
        facts = scheme(*args.names) | found
        lines = describe(facts)
    if args.json:
        print(json.dumps(facts, indent=2))
    else:
        print("\n".join(lines), file=sys.stderr)
    if args.plot is not None:
        print(f"mpicode: {plot(args.plot)} written", file=sys.stderr)
    return 0


def _check(args: argparse.Namespace) -> None:
    """Refuse options that do not go together."""
    if args.compare:
        if args.workers is None:
            raise ConfigError("--compare: wants -n WORKERS with it")
    else:
        for option in _COMPARING:
            if getattr(args, option) is not None:
                raise ConfigError(f"--{option}: wants --compare with it")
        if len(args.names) > 1:
            raise ConfigError(f"{' '.join(args.names)}: several schemes want --compare")
        if args.workers is None and args.set:
            raise ConfigError("--set: wants a NAME and -n WORKERS with it")
        if args.plot is not None and (args.workers is None or not args.names):
            raise ConfigError("--plot: wants --compare, or a NAME, and -n WORKERS with it")
        if not args.names and args.workers is not None:
            raise ConfigError("-n: wants the NAME of a scheme with it")
    if args.workers is None:
        for option in ("failures", "lost"):
            if getattr(args, option) is not None:
                raise ConfigError(f"--{option}: wants a NAME and -n WORKERS with it")
    elif args.lost is not None and not 0 <= args.lost <= args.workers:
        raise ConfigError(f"--lost: wants 0 to {args.workers} workers, got {args.lost}")
    if args.parameters is not None and (args.compare or args.workers is None):
        raise ConfigError("--parameters: wants a NAME and -n WORKERS with it")
    if args.parameters is not None and args.parameters < 1:
        raise ConfigError(f"--parameters: wants at least 1, got {args.parameters}")
    if args.sets < 1:
        raise ConfigError(f"--sets: wants at least 1, got {args.sets}")


def _all() -> list[dict[str, Any]]:
    from ..codes import names

    return [scheme(name) for name in names()]


def scheme(name: str) -> dict[str, Any]:
    """Return what is known of a scheme before it is built."""
    from ..codes import CODES
    from ..registry import parameters_of

    cls = CODES[name]
    text = documentation(cls)
    required = inspect.Parameter.empty
    return {
        "name": name,
        "family": cls.family,
        "serves": list(cls.kinds),
        "summary": text.partition("\n")[0],
        "description": text,
        "parameters": {
            key: {"default": p.default} if p.default is not required else {}
            for key, p in parameters_of(cls).items()
            if key not in ("n_workers", "seed")
        },
    }


def documentation(cls: type) -> str:
    """Return what a class says of itself, and what those say that it hands parameters on to."""
    speakers = [cls]
    for base in cls.__mro__:
        constructor = vars(base).get("__init__")
        if constructor is None or base is object:
            continue
        if base is not cls:
            speakers.append(base)
        parameters = inspect.signature(constructor).parameters.values()
        if all(parameter.kind is not inspect.Parameter.VAR_KEYWORD for parameter in parameters):
            break
    return "\n\n".join(inspect.cleandoc(each.__doc__ or "") for each in speakers)


def _list(schemes: list[dict[str, Any]]) -> list[str]:
    rows = [
        (s["name"], s["family"], ", ".join(parameter_texts(s["parameters"])), s["summary"])
        for s in schemes
    ]
    return columns(("name", "family", "parameters", "what it is"), rows, left=4)


def parameter_texts(parameters: dict[str, dict[str, Any]]) -> list[str]:
    """Return each parameter, with its default where it has one."""
    texts = []
    for key, parameter in parameters.items():
        default = parameter.get("default")
        texts.append(key if default is None else f"{key}={json.dumps(default)}")
    return texts
