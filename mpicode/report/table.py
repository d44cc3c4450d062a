"""The comparison as text."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

from .numbers import Numbers

_Column = tuple[str, Callable[[Numbers], str]]
_OUTCOME_CHARACTERS = 40
_LABEL = "differs by"
_TEXTS = ("run", _LABEL, "code", "outcome")
# What is left out first where there is little room.
_DISPENSABLE = ("received", "avoided s", "stragglers", "workers", "p95 ms", "code", "iterations")


def table(rows: Sequence[Numbers], width: int) -> str:
    """Return one line per run, or one column per run where that does not fit into ``width``.

    Where neither fits, the lines have fewer columns.
    """
    forms = list(_forms(rows))
    fitting = (lines for lines in forms if len(lines[0]) <= width)
    lines = next(fitting, min(forms, key=lambda lines: len(lines[0])))
    return "\n".join(line.rstrip() for line in lines)


def _forms(rows: Sequence[Numbers]) -> Iterator[list[str]]:
    """Yield the table in all its forms, the best first."""
    columns = dict(_COLUMNS)
    if not any(row.label for row in rows):
        del columns[_LABEL]
    cells = [list(columns), *([text(row) for text in columns.values()] for row in rows)]
    yield _aligned(cells, {n for n, heading in enumerate(columns) if heading in _TEXTS})
    yield _aligned([list(column) for column in zip(*cells, strict=True)], {0})
    for heading in _DISPENSABLE:
        del columns[heading]
        cells = [list(columns), *([text(row) for text in columns.values()] for row in rows)]
        yield _aligned(cells, {n for n, name in enumerate(columns) if name in _TEXTS})


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
    (_LABEL, lambda row: row.label),
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
