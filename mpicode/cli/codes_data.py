"""One data code: what it costs, and what it can stand."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError
from .columns import columns

if TYPE_CHECKING:
    from ..codes import DataCode

HEADS = ("lost", "sets", "decodable", "errors grow: mean", "worst")


def data_facts(
    args: argparse.Namespace, code: DataCode, parameters: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the numbers of the code, with so many workers lost."""
    from ..codes.data_tolerance import data_tolerance

    if args.failures is not None:
        raise ConfigError(
            f"--failures: {code.name!r} is a {code.family} code; wants a gradient code"
        )
    thresholds = {kind: code.threshold(kind) for kind in code.kinds}
    if args.lost is None:
        promised = getattr(code, "n_stragglers", code.n_workers // 4)
        n_lost = sorted({0, 1, promised // 2, promised, min(promised + 1, code.n_workers - 1)})
        n_lost = [number for number in n_lost if number < code.n_workers]
    else:
        n_lost = [args.lost]
    rows = [data_tolerance(code, number, args.sets, args.seed) for number in n_lost]
    return {
        "code": {
            "parameters": dict(parameters),
            "n_workers": code.n_workers,
            "n_blocks": code.n_blocks,
            "n_masks": code.n_masks,
            "load": code.load(0),
            "storage": code.n_workers / code.n_blocks,
            "thresholds": thresholds,
        },
        "lost": [row._asdict() for row in rows],
    }


def describe_data(facts: Mapping[str, Any]) -> list[str]:
    """Return the facts as lines of text."""
    code = facts["code"]
    masks = f" and {code['n_masks']} masks" if code["n_masks"] else ""
    wanted = ", ".join(f"{n} answers for {k}" for k, n in code["thresholds"].items() if n)
    lines = [
        f"{code['n_workers']} workers, {code['n_blocks']} blocks{masks}",
        f"load               {code['load']:.4g} of all rows on each worker",
        f"storage            {code['storage']:.4g} copies of the data, coded, on all workers",
        f"threshold          {wanted or 'none: any answers decode, approximately'}",
        "",
    ]
    return lines + columns(HEADS, [_cells(row) for row in facts["lost"]])


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    factors = (row["mean_lebesgue"], row["worst_lebesgue"])
    return (
        str(row["n_lost"]),
        str(row["n_sets"]),
        f"{row['decodable_share']:.1%}",
        *("-" if factor is None else f"{factor:.3g}" for factor in factors),
    )
