"""What runs came to, side by side: a bar for each run and number."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..results import RunData
from .numbers import Numbers, numbers
from .style import line_style, new_figure, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WAITING = "0.85"
_BAR = 0.62


def side_by_side(runs: Mapping[str, RunData]) -> Figure:
    """Draw total time, time per iteration, final loss and held-out accuracy of each run.

    A run that did not come to its end is marked, for its numbers are not final.
    """
    rows = [numbers(label, run) for label, run in runs.items()]
    tested = any(not math.isnan(row.test_accuracy) for row in rows)
    n_panels = 3 + tested
    figure = new_figure(1.3 + 0.34 * len(rows), width=3.2 + 2.4 * n_panels)
    panels = figure.subplots(1, n_panels, sharey=True, squeeze=False)[0]
    _total(panels[0], rows)
    _per_iteration(panels[1], rows)
    _bars(panels[2], [row.loss for row in rows], "final loss", ".4g")
    if tested:
        _bars(panels[3], [row.test_accuracy for row in rows], "held-out accuracy", ".3f")
    texts = [row.run if row.complete else f"{row.run} (unfinished)" for row in rows]
    panels[0].set_yticks(range(len(rows)), texts)
    panels[0].set_ylim(len(rows) - 0.4, -0.6)
    for axes in panels:
        plain(axes)
        axes.tick_params(axis="y", length=0)
        axes.grid(visible=False, axis="y")
        axes.locator_params(axis="x", nbins=4)
    return figure


def _total(axes: Axes, rows: Sequence[Numbers]) -> None:
    waited = [row.seconds * row.share_waiting for row in rows]
    _bars(axes, [row.seconds for row in rows], "total time (s), pale: waiting", ".3g")
    axes.barh(range(len(rows)), np.nan_to_num(waited), height=_BAR, color=_WAITING, alpha=0.75)


def _per_iteration(axes: Axes, rows: Sequence[Numbers]) -> None:
    median = [1e3 * row.median_seconds for row in rows]
    tail = [1e3 * row.p95_seconds for row in rows]
    _bars(axes, median, "median ms per iteration, line: p95", ".3g", furthest=tail)
    axes.hlines(range(len(rows)), median, tail, color="0.25", linewidth=1.2)


def _bars(
    axes: Axes,
    values: Sequence[float],
    title: str,
    form: str,
    furthest: Sequence[float] | None = None,
) -> None:
    """Draw a bar for each value, with the number behind it, or behind what reaches ``furthest``."""
    colours = [line_style(number)["color"] for number in range(len(values))]
    heights = np.nan_to_num(np.array(values, dtype=float), posinf=0.0, neginf=0.0)
    ends = heights if furthest is None else np.fmax(heights, furthest)
    axes.barh(range(len(values)), heights, height=_BAR, color=colours)
    for row, (end, value) in enumerate(zip(ends, values, strict=True)):
        text = "-" if math.isnan(value) else format(value, form)
        axes.annotate(
            text, (max(end, 0.0), row), (3, 0), textcoords="offset points", va="center", fontsize=8
        )
    top = float(ends.max(initial=0.0))
    axes.set_xlim(min(float(heights.min(initial=0.0)), 0.0), 1.28 * top if top > 0 else 1.0)
    axes.set_title(title, loc="left", fontsize=10)
