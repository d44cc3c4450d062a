"""Curves that compare runs: the loss against time, and how long iterations waited."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..results import RunData, starts_and_ends
from .style import legend_below, line_style, new_figure, plain, spread

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Circles of held-out values in a curve, at most about so many.
_CIRCLES = 25


def loss_against_time(runs: Mapping[str, RunData]) -> Figure:
    """Draw the training loss of each run against run time, and the held-out loss where measured."""
    return _loss(
        runs, "time", "time since the start of the run (s)", lambda run: starts_and_ends(run)[0]
    )


def loss_against_iteration(runs: Mapping[str, RunData]) -> Figure:
    """Draw the same losses against the number of the iteration: what time does not explain."""
    return _loss(runs, "iteration", "iteration", lambda run: run.iterations["iteration"])


def _loss(
    runs: Mapping[str, RunData],
    what: str,
    label: str,
    position: Callable[[RunData], NDArray[np.float64]],
) -> Figure:
    """Draw the losses; both are of the parameters that an iteration began with."""
    figure = new_figure(4.4, legend=list(runs))
    axes = figure.add_subplot()
    values = [np.empty(0)]
    tested = False
    for number, (name, run) in enumerate(runs.items()):
        style = line_style(number)
        started = position(run)
        loss = run.iterations["loss"]
        known = ~np.isnan(loss)  # with a data code it is found out now and then
        axes.plot(started[known], loss[known], label=name, linewidth=1.6, **style)
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
        values += [loss, run.iterations["test_loss"][measured]]
    spread(axes, "y", np.concatenate(values))
    axes.set_xlabel(label)
    axes.set_ylabel("loss")
    axes.set_title(
        f"Loss against {what}" + (" (line: training, circles: held out)" if tested else ""),
        loc="left",
        fontsize=11,
    )
    plain(axes)
    legend_below(figure, list(runs))
    return figure


def waiting(runs: Mapping[str, RunData]) -> Figure:
    """Draw for each run which share of its iterations waited at most how long."""
    waits = {label: run.iterations["wait"] * 1e3 for label, run in runs.items()}
    waits = {label: wait[np.isfinite(wait)] for label, wait in waits.items()}
    texts = {
        label: f"{label}: median {np.median(wait):.3g} ms, p95 {np.quantile(wait, 0.95):.3g} ms"
        for label, wait in waits.items()
        if len(wait)
    }
    figure = new_figure(4.4, legend=list(texts.values()))
    axes = figure.add_subplot()
    for number, label in enumerate(runs):
        if label in texts:
            axes.ecdf(waits[label], label=texts[label], linewidth=1.6, **line_style(number))
    spread(axes, "x", np.concatenate([np.empty(0), *waits.values()]))
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel("waiting for answers in an iteration (ms)")
    axes.set_ylabel("share of iterations that waited at most so long")
    axes.set_title("Waiting time", loc="left", fontsize=11)
    plain(axes)
    legend_below(figure, list(texts.values()))
    return figure
