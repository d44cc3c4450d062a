"""Who was computing, late or ignored in each iteration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..outcomes import Outcome
from ..results import UNANSWERED, Intervals, RunData, intervals, lost, starts_and_ends
from .style import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# More iterations than that are shown twice: all of them coarsely, and this many from close by.
_CLOSE = 40
_PIXELS = 1200


class _State(NamedTuple):
    text: str
    colour: str
    outcomes: tuple[int, ...]


_STATES = (
    _State("answer used", "#009E73", (Outcome.USED,)),
    _State("late answer used", "#56B4E9", (Outcome.STALE_USED,)),
    _State("in time, not needed", "#0072B2", (Outcome.DUPLICATE,)),
    _State("late, ignored", "#D55E00", (Outcome.STALE_DROPPED,)),
    _State("late, withdrawn", "#CC79A7", (Outcome.DROPPED,)),
    _State("never answered", "#E69F00", (UNANSWERED,)),
    _State("corrupt", "#000000", (Outcome.CORRUPT,)),
)
_UNUSED = Outcome.STALE_DROPPED, Outcome.DROPPED, UNANSWERED
_IDLE = "#F2F2F2"
_LOST: dict[str, Any] = {
    "facecolor": "white",
    "edgecolor": "#8A8A8A",
    "hatch": "////",
    "linewidth": 0.8,
}
_RESTORED: dict[str, Any] = {"color": "#000000", "linestyle": "--", "linewidth": 1.6}


def timeline(label: str, run: RunData) -> Figure:
    """Draw one row per worker, time on x, coloured by what became of what it was busy with.

    From when a worker was lost its row is hatched; a line says when redundancy was restored.
    """
    busy = intervals(run)
    started, ended = starts_and_ends(run)
    n = run.n_iterations
    height = float(np.clip(0.28 * run.n_workers, 1.6, 4.5))
    if n <= _CLOSE:
        figure = new_figure(height + 1.5)
        _close(figure.add_subplot(), run, busy, 0, n)
    else:
        figure = new_figure(2 * height + 2.2)
        above, below = figure.subplots(2, 1)
        first = _busiest(busy, n)
        _coarse(above, run, busy)
        above.axvspan(started[first], ended[first + _CLOSE - 1], fill=False, edgecolor="black")
        _close(below, run, busy, first, first + _CLOSE)
    figure.suptitle(f"Workers of {label}", x=0.01, ha="left", fontsize=11)
    _legend(figure, run, busy)
    return figure


def _busiest(busy: Intervals, n: int) -> int:
    """Return the first of the ``_CLOSE`` iterations in which most answers were of no use."""
    unused = np.isin(busy.outcome, _UNUSED)
    count = np.bincount(busy.iteration[unused], minlength=n)
    inside = np.convolve(count, np.ones(_CLOSE, dtype=int), mode="valid")
    return int(np.argmax(inside))


def _close(axes: Axes, run: RunData, busy: Intervals, first: int, stop: int) -> None:
    """Draw the iterations from row ``first`` to before ``stop``, each interval a bar."""
    started, ended = starts_and_ends(run)
    _rows(axes, run.n_workers)
    if stop > first:
        low, high = started[first], ended[stop - 1]
        seen = busy.where((busy.ended >= low) & (busy.began <= high))
        for state in _STATES:
            mine = seen.where(np.isin(seen.outcome, state.outcomes))
            axes.barh(
                mine.worker,
                mine.ended - mine.began,
                left=mine.began,
                height=0.8,
                color=state.colour,
                linewidth=0,
            )
        axes.vlines(
            np.r_[started[first:stop], high],
            -0.5,
            run.n_workers - 0.5,
            color="0.25",
            linewidth=0.6,
        )
        _faults(axes, run, low, high)
        axes.set_xlim(low, high)
        numbers = run.iterations["iteration"]
        axes.set_title(
            f"iterations {numbers[first]} to {numbers[stop - 1]}, a line where each begins",
            loc="left",
            fontsize=9,
        )


def _coarse(axes: Axes, run: RunData, busy: Intervals) -> None:
    """Draw the whole run: each pixel the mean colour of what a worker did in that time."""
    from matplotlib.colors import to_rgb

    started, ended = starts_and_ends(run)
    edges = np.linspace(started[0], ended[-1], _PIXELS + 1)
    picture = np.zeros((run.n_workers, _PIXELS, 3))
    idle = np.ones((run.n_workers, _PIXELS))
    for state in _STATES:
        mine = busy.where(np.isin(busy.outcome, state.outcomes))
        share = _shares(mine, run.n_workers, edges)
        picture += share[:, :, None] * np.array(to_rgb(state.colour))
        idle -= share
    picture += np.clip(idle, 0, 1)[:, :, None] * np.array(to_rgb(_IDLE))
    _rows(axes, run.n_workers)
    axes.imshow(
        np.clip(picture, 0, 1),
        aspect="auto",
        interpolation="nearest",
        extent=(edges[0], edges[-1], run.n_workers - 0.5, -0.5),
    )
    _faults(axes, run, edges[0], edges[-1])
    axes.set_xlim(edges[0], edges[-1])
    axes.set_title(f"all {run.n_iterations} iterations, colours averaged", loc="left", fontsize=9)


def _faults(axes: Axes, run: RunData, low: float, high: float) -> None:
    """Draw between two times who was lost, and when the code was made anew without them."""
    for worker, seconds in lost(run).items():
        if seconds < high:
            left = max(seconds, low)
            axes.barh(worker, high - left, left=left, height=0.8, **_LOST)
    for seconds in _restored(run):
        if low <= seconds <= high:
            axes.axvline(seconds, **_RESTORED)


def _restored(run: RunData) -> list[float]:
    return [float(event["seconds"]) for event in run.events if event["kind"] == "reassigned"]


def _shares(busy: Intervals, n_workers: int, edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the busy share of each stretch between edges, (n_workers, n_edges - 1)."""
    shares = np.zeros((n_workers, len(edges) - 1))
    for worker in range(n_workers):
        mine = busy.where(busy.worker == worker)
        if len(mine.began):
            times = np.column_stack([mine.began, mine.ended]).ravel()
            length = np.cumsum(mine.ended - mine.began)
            done = np.column_stack([np.r_[0.0, length[:-1]], length]).ravel()
            shares[worker] = np.diff(np.interp(edges, times, done)) / np.diff(edges)
    return shares


def _rows(axes: Axes, n_workers: int) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_facecolor(_IDLE)
    axes.set_ylim(n_workers - 0.5, -0.5)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=16))
    axes.set_ylabel("worker")
    axes.set_xlabel("time since the start of the run (s)")
    axes.spines[["top", "right"]].set_visible(False)


def _legend(figure: Figure, run: RunData, busy: Intervals) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    present = set(busy.outcome.tolist())
    patches = [
        Patch(color=state.colour, label=state.text)
        for state in _STATES
        if present & set(state.outcomes)
    ]
    patches.append(Patch(facecolor=_IDLE, edgecolor="0.7", label="idle"))
    if lost(run):
        patches.append(Patch(label="lost", **_LOST))
    lines = [Line2D([], [], label="redundancy restored", **_RESTORED)] if _restored(run) else []
    figure.legend(handles=[*patches, *lines], loc="outside lower center", ncols=4, frameon=False)
