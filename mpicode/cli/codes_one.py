"""One scheme: what it costs, and what it loses with so many workers missing."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError
from .codes import parameter_texts
from .codes_data import data_facts, describe_data
from .codes_rows import describe_rows, draw, padding
from .codes_trials import HEADS, Trials, cells
from .columns import columns

if TYPE_CHECKING:
    from ..codes import GradientCode

# Rows of the table at most, so that a code for 1,000 workers is described in a screen too.
ROWS = 14


def one(args: argparse.Namespace) -> tuple[dict[str, Any], Callable[[Path], Path] | None]:
    """Return the numbers of the code for so many workers, and what draws it.

    Nothing and None where the number of workers was not said.
    """
    if args.workers is None:
        return {}, None
    from ..codes import GradientCode, make

    parameters, of_failures = parse_settings(args.set)
    trials = Trials(args.failures, of_failures, args.sets, args.seed)
    (name,) = args.names
    code = make(name, n_workers=args.workers, seed=args.seed, **parameters)
    if not isinstance(code, GradientCode):
        for option in ("plot", "parameters"):
            if getattr(args, option) is not None:
                raise ConfigError(
                    f"--{option}: {name!r} is a {code.family} code; wants a gradient code"
                )
        return data_facts(args, code, parameters), None
    n_lost = _lost_numbers(code) if args.lost is None else [args.lost]
    own = code.facts()
    facts: dict[str, Any] = {"code": costs(code, parameters), **own}
    if args.parameters is not None:
        facts["code"] |= padding(code, args.parameters)
    if args.failures is not None:
        facts["failures"] = {"name": args.failures, "parameters": of_failures}
    facts |= {"severity": trials.severity, "lost": trials.rows(code, n_lost)}
    return facts, partial(draw, code, own.get("rows", {}))


def parse_settings(texts: list[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the parameters of the code and those of the failures.

    Keys are those of a configuration; ``code.`` may be left out.
    """
    from ..tables import override

    full = [t if t.startswith(("code.", "failures.")) else f"code.{t}" for t in texts]
    tables = override({"code": {}, "failures": {}}, full)
    return tables["code"], tables["failures"]


def costs(code: GradientCode, parameters: dict[str, Any]) -> dict[str, Any]:
    """Return what the code is made of, and what it makes workers hold and send."""
    width = 2 if code.encoding.dtype.kind == "c" else 1
    n_sent = max(code.messages(worker).size for worker in range(code.n_workers))
    return {
        "parameters": parameters,
        "n_workers": code.n_workers,
        "n_blocks": code.n_blocks,
        "n_segments": code.n_segments,
        "n_messages": code.n_messages,
        "max_stragglers": code.max_stragglers,
        "load": max(code.load(worker) for worker in range(code.n_workers)),
        "message_share": width / code.n_segments,
        "messages_per_worker": n_sent,
    }


def _lost_numbers(code: GradientCode) -> list[int]:
    """Return the numbers of lost workers to try: all up to a little more than promised, or some."""
    promised = code.n_workers // 4 if code.max_stragglers is None else code.max_stragglers
    last = min(code.n_workers, promised + 3)
    step = -(-last // ROWS)
    return sorted({*range(0, last + 1, max(1, step)), promised, min(promised + 1, last)})


def describe(facts: dict[str, Any]) -> list[str]:
    """Return the facts as lines of text."""
    parameters = ", ".join(parameter_texts(facts["parameters"])) or "none"
    lines = [f"{facts['name']} ({facts['family']} code; parameters: {parameters})", ""]
    lines += facts["description"].splitlines()
    if "code" not in facts:
        return lines
    if facts["family"] == "data":
        return [*lines, "", *describe_data(facts)]
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
    ]
    if "padding" in code:
        lines.append(
            f"on {code['n_parameters']} parameters  {code['message_length']} numbers in a message, "
            f"{code['padding']:.2%} padding"
        )
    if "rows" in facts:
        lines += describe_rows(facts["rows"])
    lines.append("")
    key = facts["severity"]
    if key == "n_lost":
        return lines + columns(HEADS, [cells(row) for row in facts["lost"]])
    rows = [(f"{row[key]:.4g}", *cells(row)) for row in facts["lost"]]
    return lines + columns((key, *HEADS), rows)
