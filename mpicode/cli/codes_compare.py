"""All schemes at one load, side by side."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError
from .codes_one import costs, parse_settings
from .codes_trials import Trials, numbers
from .columns import columns

if TYPE_CHECKING:
    from ..codes import GradientCode

LOAD = 3


HEADS = (
    "scheme",
    "load",
    "message",
    "exact up to",
    "residual mean",
    "worst",
    "amplification mean",
    "worst",
)


def compare(args: argparse.Namespace) -> dict[str, Any]:
    """Build the schemes at the load and try each on the same lost workers."""
    from ..codes.comparison import at_load, mean_load

    own, of_failures = parse_settings(args.set)
    if own:
        raise ConfigError(f"--set {next(iter(own))}: --compare chooses the parameters of the codes")
    trials = Trials(args.failures, of_failures, args.sets, args.seed)
    if args.plot is not None and trials.severity in of_failures:
        raise ConfigError(f"--plot: draws against failures.{trials.severity}, so leave it open")
    load = LOAD if args.load is None else args.load
    n_segments = 1 if args.segments is None else args.segments
    built, refused = at_load(args.workers, load, n_segments, args.seed, args.names or None)
    shown = args.workers // 4 if args.lost is None else args.lost
    n_lost = {shown} if args.plot is None else {*range(args.workers // 2 + 1), shown}
    return {
        "n_workers": args.workers,
        "load": load,
        "n_segments": n_segments,
        "n_lost": shown,
        "n_sets": args.sets,
        "failures": args.failures,
        "schemes": [
            {
                "label": label,
                "name": code.name,
                **costs(code, parameters),
                "mean_load": mean_load(code),
                "exact_up_to": _exact_up_to(code, trials),
                "lost": trials.rows(code, sorted(n_lost)),
            }
            for label, parameters, code in built
        ],
        "not_built": refused,
    }


def _exact_up_to(code: GradientCode, trials: Trials) -> int | None:
    """Return how many lost workers, any of them, still decode exactly, as far as was found.

    That is the promise of a code that gives one; None where not even all answers give the sum.
    """
    from ..codes.decoder import EXACT
    from ..codes.tolerance import tolerance

    if code.max_stragglers is not None:
        return code.max_stragglers
    n_lost = 0
    # nothing is left of the sum when all are lost, so this ends
    while tolerance(code, n_lost, trials.count, trials.seed).worst_residual <= EXACT:
        n_lost += 1
    return n_lost - 1 if n_lost else None


def table(facts: dict[str, Any]) -> list[str]:
    """Return what was compared as lines of text, the least residual first."""
    shown = [(each, _row(each, facts["n_lost"])) for each in facts["schemes"]]
    shown.sort(key=lambda pair: (pair[1]["mean_residual"], pair[1]["mean_amplification"]))
    lost = f"{facts['n_lost']} lost" if not shown else f"{shown[0][1]['n_lost']:.3g} lost"
    who = "any, and the worst found" if facts["failures"] is None else facts["failures"]
    lines = [
        f"{_setting(facts)}; {lost}: {who}, up to {facts['n_sets']} sets",
        "",
        *columns(HEADS, [_cells(each, row) for each, row in shown], left=1),
    ]
    if any(each["max_stragglers"] is None for each, _ in shown):
        lines += ["", "exact up to: so many lost, any of them; in brackets as far as was found"]
    if facts["not_built"]:
        lines += ["", "not at this load:"]
        lines += [f"  {label}: {why}" for label, why in facts["not_built"].items()]
    return lines


def _setting(facts: dict[str, Any]) -> str:
    segments = "1 segment" if facts["n_segments"] == 1 else f"{facts['n_segments']} segments"
    n = facts["n_workers"]
    return f"{n} workers, each with {facts['load']} of {n} shares of the data, {segments}"


def _row(each: dict[str, Any], n_lost: int) -> dict[str, Any]:
    found: dict[str, Any] = min(each["lost"], key=lambda row: abs(row["n_lost"] - n_lost))
    return found


def _cells(each: dict[str, Any], row: dict[str, Any]) -> tuple[str, ...]:
    exact = "none" if each["exact_up_to"] is None else str(each["exact_up_to"])
    return (
        each["label"],
        f"{each['mean_load']:.3g}",
        f"{each['message_share'] * each['messages_per_worker']:.3g}",
        exact if each["max_stragglers"] is not None else f"({exact})",
        *numbers(row),
    )


def draw(facts: dict[str, Any], path: Path) -> Path:
    """Draw residual against the number of lost workers."""
    from ..report import Curve, draw_residuals

    curves = [
        Curve(
            each["label"],
            *(
                [row[key] for row in each["lost"]]
                for key in ("n_lost", "mean_residual", "worst_residual")
            ),
        )
        for each in facts["schemes"]
    ]
    title = f"What decoding misses: {_setting(facts)}"
    return draw_residuals(curves, facts["n_workers"], title, path)
