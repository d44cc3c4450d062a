"""What a run came to, in a few numbers."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..results import RunData, waiting_avoided
from .labels import tables_of


@dataclass(frozen=True)
class Numbers:
    """A line of the comparison; a number is NaN, and a text empty, where the run does not tell."""

    run: str
    label: str
    code: str
    n_workers: int
    n_stragglers: int | None
    n_iterations: int
    loss: float
    test_accuracy: float
    seconds: float
    median_seconds: float
    p95_seconds: float
    share_waiting: float
    waiting_avoided_seconds: float
    bytes_received: int
    complete: bool
    outcome: str

    def to_json(self) -> dict[str, Any]:
        """Return the numbers for JSON, which knows no NaN and no infinity."""
        return {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in dataclasses.asdict(self).items()
        }


def numbers(name: str, run: RunData, label: str = "") -> Numbers:
    """Return what a run, called ``name`` by its file and ``label`` by what is its own, came to."""
    columns = run.iterations
    seconds = columns["seconds"][np.isfinite(columns["seconds"])]
    total = float(seconds.sum())
    code = _code(run.config)
    return Numbers(
        run=name,
        label=label,
        code=str(code.get("name", "")),
        n_workers=run.n_workers,
        n_stragglers=code.get("n_stragglers"),
        n_iterations=run.n_iterations,
        loss=_last(columns["loss"]),
        test_accuracy=_last(columns["test_accuracy"]),
        seconds=total,
        median_seconds=float(np.median(seconds)) if len(seconds) else math.nan,
        p95_seconds=float(np.quantile(seconds, 0.95)) if len(seconds) else math.nan,
        share_waiting=float(np.nansum(columns["wait"])) / total if total else math.nan,
        waiting_avoided_seconds=waiting_avoided(run),
        bytes_received=int(columns["bytes_received"].sum()),
        complete=run.complete,
        outcome=str(run.attrs.get("outcome", "")),
    )


def _last(column: NDArray[np.float64]) -> float:
    """Return the last number that was measured."""
    measured = column[~np.isnan(column)]
    return float(measured[-1]) if len(measured) else math.nan


def _code(config: str) -> dict[str, Any]:
    """Return the table ``code`` of a configuration; a run without one was uncoded."""
    tables = tables_of(config)
    code = tables.get("code", {"name": "uncoded"} if tables else {})
    return code if isinstance(code, dict) else {}
