"""``mpicode codes``: which schemes there are, and what one of them can stand."""

from __future__ import annotations

import argparse
import inspect
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError

if TYPE_CHECKING:
    from ..codes import GradientCode
    from ..codes.tolerance import Tolerance

# Rows of the table at most, so that a code for 1,000 workers is described in a screen too.
ROWS = 14


def add_parser(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "codes",
        help="list the coding schemes, or say what one of them can stand",
        description="Without a name: all schemes. With a name: what it is and its parameters; "
        "with -n also what it costs and what it loses with so many workers missing.",
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="a scheme")
    parser.add_argument("-n", "--workers", type=int, metavar="WORKERS", help="number of workers")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="set a parameter of it"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the code and of the sets tried")
    parser.add_argument(
        "--sets", type=int, default=300, metavar="COUNT", help="sets tried per row (default 300)"
    )
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    parser.set_defaults(command=command)


def command(args: argparse.Namespace) -> int:
    """Print what was asked for."""
    if args.workers is None and args.set:
        raise ConfigError("--set: wants a NAME and -n WORKERS with it")
    if args.name is None and args.workers is not None:
        raise ConfigError("-n: wants the NAME of a scheme with it")
    if args.sets < 1:
        raise ConfigError(f"--sets: wants at least 1, got {args.sets}")
    facts: Any = _all() if args.name is None else _one(args)
    if args.json:
        print(json.dumps(facts, indent=2))
    else:
        lines = _list(facts) if args.name is None else _describe(facts)
        print("\n".join(lines), file=sys.stderr)
    return 0


def _all() -> list[dict[str, Any]]:
    from ..codes import names

    return [_scheme(name) for name in names()]


def _scheme(name: str) -> dict[str, Any]:
    """Return what is known of a scheme before it is built."""
    from ..codes import CODES
    from ..registry import parameters_of

    cls = CODES[name]
    text = inspect.getdoc(cls) or ""
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


def _one(args: argparse.Namespace) -> dict[str, Any]:
    """Return what is known of one scheme, and with ``-n`` of the code for so many workers."""
    facts = _scheme(args.name)
    if args.workers is None:
        return facts
    from ..codes import make
    from ..codes.tolerance import tolerance
    from ..config import override

    # Keys are those of a configuration; the table may be left out, as there is but one here.
    full = [text if text.startswith("code.") else f"code.{text}" for text in args.set]
    parameters = override({"code": {}}, full)["code"]
    code = make(args.name, n_workers=args.workers, seed=args.seed, **parameters)
    rows = [tolerance(code, n_lost, args.sets, args.seed) for n_lost in _lost_numbers(code)]
    return facts | {"code": _costs(code, parameters), "lost": [row._asdict() for row in rows]}


def _costs(code: GradientCode, parameters: dict[str, Any]) -> dict[str, Any]:
    width = 2 if code.encoding.dtype.kind == "c" else 1
    return {
        "parameters": parameters,
        "n_workers": code.n_workers,
        "n_blocks": code.n_blocks,
        "n_segments": code.n_segments,
        "n_messages": code.n_messages,
        "max_stragglers": code.max_stragglers,
        "load": max(code.load(worker) for worker in range(code.n_workers)),
        "message_share": width / code.n_segments,
    }


def _lost_numbers(code: GradientCode) -> list[int]:
    """Return the numbers of lost workers to try: all up to a little more than promised, or some."""
    promised = code.n_workers // 4 if code.max_stragglers is None else code.max_stragglers
    last = min(code.n_workers, promised + 3)
    step = -(-last // ROWS)
    return sorted({*range(0, last + 1, max(1, step)), promised, min(promised + 1, last)})


def _list(schemes: list[dict[str, Any]]) -> list[str]:
    rows = [
        (s["name"], s["family"], ", ".join(_parameters(s["parameters"])), s["summary"])
        for s in schemes
    ]
    return _table(("name", "family", "parameters", "what it is"), rows, left=4)


def _parameters(parameters: dict[str, dict[str, Any]]) -> list[str]:
    texts = []
    for key, parameter in parameters.items():
        default = parameter.get("default")
        texts.append(key if default is None else f"{key}={json.dumps(default)}")
    return texts


def _describe(facts: dict[str, Any]) -> list[str]:
    parameters = ", ".join(_parameters(facts["parameters"])) or "none"
    lines = [f"{facts['name']} ({facts['family']} code; parameters: {parameters})", ""]
    lines += facts["description"].splitlines()
    if "code" not in facts:
        return lines
    code = facts["code"]
    promise = code["max_stragglers"]
    lines += [
        "",
        f"{code['n_workers']} workers, {code['n_blocks']} blocks, "
        f"{code['n_segments']} segment(s), {code['n_messages']} messages",
        f"load               {code['load']:.4g} of all blocks on the most loaded worker",
        f"message length     {code['message_share']:.4g} of the parameters",
        "tolerates          "
        + ("no exact sum is promised" if promise is None else f"any {promise} lost, exactly"),
        "",
    ]
    from ..codes.tolerance import Tolerance

    heads = ("lost", "sets", "exact", "residual mean", "worst", "amplification mean", "worst")
    return lines + _table(heads, [_row(Tolerance(**row)) for row in facts["lost"]])


def _row(row: Tolerance) -> tuple[str, ...]:
    residuals = (row.mean_residual, row.worst_residual)
    return (
        f"{row.n_lost:.3g}",
        str(row.n_sets),
        f"{row.exact_share:.1%}",
        *(f"{value:.3g}" for value in residuals),
        f"{row.mean_amplification:.3g}",
        f"{row.worst_amplification:.3g}",
    )


def _table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]], left: int = 0) -> list[str]:
    """Return the lines of a table whose first ``left`` columns begin at the left."""
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in (heads, *rows)
    ]
