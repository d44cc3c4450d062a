"""``mpicode simulate``: what each code's waiting would be, under a virtual clock."""

from __future__ import annotations

import argparse
import json
import math
import sys
from typing import Any

from ..config import Config, Part
from .configuration import add_config_arguments, load


def add_parser(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "simulate",
        help="compare the waiting of codes under a virtual clock",
        description="Only the arrivals of a run, under a virtual clock: the delays are those of "
        "the configuration, the same for every code; computing takes [virtual] seconds_per_row. "
        "('mpicode run --simulate' does the mathematics as well.)",
    )
    add_config_arguments(parser)
    parser.add_argument(
        "--codes", nargs="+", metavar="NAME", help="codes to compare (default: the configured one)"
    )
    parser.add_argument("--json", action="store_true", help="print the figures to stdout as JSON")
    parser.set_defaults(command=command)


def command(options: argparse.Namespace) -> int:
    """Simulate each code and print a table."""
    import numpy as np

    from ..train.arrivals import simulate

    config = load(options)
    rows = []
    for name in options.codes or [config.code.name]:
        arrivals = simulate(_with_code(config, name))
        seconds = arrivals.seconds
        median, late = np.percentile(seconds, [50, 95]) if seconds.size else (np.nan, np.nan)
        rows.append(
            {
                "code": name,
                "load": arrivals.load,
                "iterations": len(seconds),
                "total_seconds": float(seconds.sum()),
                "median_seconds": float(median),
                "p95_seconds": float(late),
                "messages_used": float(arrivals.n_arrived.mean()) if seconds.size else 0.0,
                "mean_residual": _mean(arrivals.residual.tolist()),
            }
        )
    if options.json:
        print(json.dumps(rows, indent=2))
        return 0
    base = rows[0]["total_seconds"]
    head = ("code", "load", "total s", "median ms", "p95 ms", "messages", "residual", "speed-up")
    print(f"{head[0]:24s}" + "".join(f"{h:>11s}" for h in head[1:]), file=sys.stderr)
    for row in rows:
        print(
            f"{row['code']:24s}{row['load']:11.3f}{row['total_seconds']:11.3f}"
            f"{1e3 * row['median_seconds']:11.3f}{1e3 * row['p95_seconds']:11.3f}"
            f"{row['messages_used']:11.2f}{_number(row['mean_residual'])}"
            f"{base / max(row['total_seconds'], 1e-300):11.2f}",
            file=sys.stderr,
        )
    return 0


def _mean(residuals: list[float]) -> float | None:
    """Return the mean; None for codes over the data, which do not know what they miss."""
    mean = sum(residuals) / max(len(residuals), 1)
    return None if math.isnan(mean) else mean


def _number(value: float | None) -> str:
    return f"{'-':>11s}" if value is None else f"{value:11.3g}"


def _with_code(config: Config, name: str) -> Config:
    """Return the configuration with another code, which keeps the parameters that it knows.

    But for the number of blocks, which is another thing in codes over the data.
    """
    import dataclasses

    from ..codes import CODES
    from ..registry import parameters_of

    if name == config.code.name:
        return config
    known = set(parameters_of(CODES[name]))
    if CODES[name].family != CODES[config.code.name].family:
        known -= {"n_blocks"}
    kept = {key: value for key, value in config.code.parameters.items() if key in known}
    return dataclasses.replace(config, code=Part(name, kept))
