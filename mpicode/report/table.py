"""The comparison as text."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from .numbers import Numbers

_Column = tuple[str, Callable[[Numbers], str]]
_OUTCOME_CHARACTERS = 40


def table(rows: Sequence[Numbers], width: int) -> str:
    """Return one line per run, or one column per run where that does not fit into ``width``."""
    cells = [[heading for heading, _ in _COLUMNS]]
    cells += [[text(row) for _, text in _COLUMNS] for row in rows]
    lines = _aligned(cells, text_columns={0, 1, len(_COLUMNS) - 1})
    if len(lines[0]) > width:
        turned = [list(column) for column in zip(*cells, strict=True)]
        narrow = _aligned(turned, text_columns={0})
        if len(narrow[0]) < len(lines[0]):
            lines = narrow
    return "\n".join(line.rstrip() for line in lines)


def _aligned(cells: list[list[str]], text_columns: set[int]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if column in text_columns else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in cells
    ]


def _number(value: float, form: str, factor: float = 1.0) -> str:
    return "-" if math.isnan(value) else format(value * factor, form)


def _bytes(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.4g} GB"


def _outcome(row: Numbers) -> str:
    text = "unfinished" if row.outcome == "running" else row.outcome
    if len(text) > _OUTCOME_CHARACTERS:
        text = text[: _OUTCOME_CHARACTERS - 3] + "..."
    return text


_COLUMNS: list[_Column] = [
    ("run", lambda row: row.run),
    ("code", lambda row: row.code or "-"),
    ("workers", lambda row: str(row.n_workers)),
    ("stragglers", lambda row: "-" if row.n_stragglers is None else str(row.n_stragglers)),
    ("iterations", lambda row: str(row.n_iterations)),
    ("loss", lambda row: _number(row.loss, ".5g")),
    ("test accuracy", lambda row: _number(row.test_accuracy, ".4f")),
    ("seconds", lambda row: _number(row.seconds, ".2f")),
    ("median ms", lambda row: _number(row.median_seconds, ".3g", 1e3)),
    ("p95 ms", lambda row: _number(row.p95_seconds, ".3g", 1e3)),
    ("waiting", lambda row: _number(row.share_waiting, ".0%")),
    ("avoided s", lambda row: _number(row.waiting_avoided_seconds, ".2f")),
    ("received", lambda row: _bytes(row.bytes_received)),
    ("outcome", _outcome),
]
