"""Curves that compare runs: the loss against time, and how long iterations waited."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ..results import RunData, starts_and_ends
from .style import line_style, new_figure, plain, spread

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Circles of held-out values in a curve, at most about so many.
_CIRCLES = 25


def loss_against_time(runs: Mapping[str, RunData]) -> Figure:
    """Draw the training loss of each run against run time, and the held-out loss where measured."""
    figure = new_figure(5.0)
    axes = figure.add_subplot()
    values = [np.empty(0)]
    tested = False
    for number, (label, run) in enumerate(runs.items()):
        style = line_style(number)
        started, _ = starts_and_ends(run)
        # Both losses are of the parameters that the iteration began with.
        axes.plot(started, run.iterations["loss"], label=label, linewidth=1.6, **style)
        measured = ~np.isnan(run.iterations["test_loss"])
        tested |= bool(measured.any())
        axes.plot(
            started[measured],
            run.iterations["test_loss"][measured],
            linestyle="none",
            marker="o",
            markersize=4.5,
            markevery=max(1, int(measured.sum()) // _CIRCLES),
            markerfacecolor="white",
            markeredgecolor=style["color"],
        )
        values += [run.iterations["loss"], run.iterations["test_loss"][measured]]
    spread(axes, "y", np.concatenate(values))
    axes.set_xlabel("time since the start of the run (s)")
    axes.set_ylabel("loss")
    axes.set_title(
        "Loss against time" + (" (line: training, circles: held out)" if tested else ""),
        loc="left",
        fontsize=11,
    )
    plain(axes)
    figure.legend(loc="outside lower center", ncols=min(len(runs), 4), frameon=False)
    return figure


def waiting(runs: Mapping[str, RunData]) -> Figure:
    """Draw for each run which share of its iterations waited at most how long."""
    figure = new_figure(5.0)
    axes = figure.add_subplot()
    values = [np.empty(0)]
    for number, (label, run) in enumerate(runs.items()):
        wait = run.iterations["wait"]
        wait = wait[np.isfinite(wait)] * 1e3
        if not len(wait):
            continue
        median, tail = np.quantile(wait, [0.5, 0.95])
        text = f"{label}: median {median:.3g} ms, p95 {tail:.3g} ms"
        axes.ecdf(wait, label=text, linewidth=1.6, **line_style(number))
        values.append(wait)
    spread(axes, "x", np.concatenate(values))
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel("waiting for answers in an iteration (ms)")
    axes.set_ylabel("share of iterations that waited at most so long")
    axes.set_title("Waiting time", loc="left", fontsize=11)
    plain(axes)
    figure.legend(loc="outside lower center", ncols=1 if len(runs) < 4 else 2, frameon=False)
    return figure
