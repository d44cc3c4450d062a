"""What codes miss of the sum, against the number of lost workers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .style import line_style, matplotlib_of_ours, new_figure, plain, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARKERS = "osD^vPX*"
# Below this a residual counts as none and lies on the line that says "exact".
_NONE = 1e-16


class Curve(NamedTuple):
    """What one code misses; residuals are relative to that of no message at all."""

    label: str
    n_lost: Sequence[float]
    mean: Sequence[float]
    worst: Sequence[float]


def draw_residuals(curves: Sequence[Curve], n_workers: int, title: str, path: Path) -> Path:
    """Draw mean and worst residual of each code into ``path`` and return it.

    Raises `ConfigError` where matplotlib is not installed, `DataError` where the file cannot be
    written.
    """
    with matplotlib_of_ours():
        return save(_figure(curves, n_workers, title), path)


def _figure(curves: Sequence[Curve], n_workers: int, title: str) -> Figure:
    n_columns = 4
    rows_of_legend = -(-(len(curves) + 1) // n_columns)
    figure = new_figure(5.2 + 0.22 * rows_of_legend, width=11.0)
    left, right = figure.subplots(1, 2, sharex=True, sharey=True)
    values = np.concatenate([[1.0], *([*c.mean, *c.worst] for c in curves)])
    seen = values[values > _NONE]
    exact = 10.0 ** (np.floor(np.log10(seen.min())) - 0.6)
    for number, curve in enumerate(curves):
        style = line_style(number) | {"marker": MARKERS[number % len(MARKERS)]}
        worst = np.asarray(curve.worst)
        for axes, residuals in ((left, np.asarray(curve.mean)), (right, worst)):
            heights = np.where(residuals > _NONE, residuals, exact)
            # a sample that met none of the bad sets there are does not make the mean exact
            heights[(residuals <= _NONE) & (worst > _NONE)] = np.nan
            label = curve.label if axes is left else None
            axes.plot(curve.n_lost, heights, label=label, markersize=4, linewidth=1.5, **style)
    _uncoded(left, n_workers, label="uncoded, at load 1")
    _uncoded(right, n_workers, label=None)
    left.set_ylabel("residual, as a share of that of no message")
    figure.suptitle(title, x=0.01, horizontalalignment="left", fontsize=12)
    for axes, which in ((left, "Mean"), (right, "Worst that was found")):
        axes.set_title(which, loc="left", fontsize=11)
        axes.set_xlabel("lost workers")
        axes.set_yscale("log")
        _name_the_exact(axes, exact, seen.max())
        axes.xaxis.get_major_locator().set_params(integer=True)
        plain(axes)
    figure.legend(loc="outside lower center", ncols=n_columns, frameon=False, fontsize=9)
    return figure


def _uncoded(axes: Axes, n_workers: int, label: str | None) -> None:
    """Draw what is missed by adding up whoever answered, without any redundancy."""
    lost = np.arange(1, int(axes.get_xlim()[1]) + 1)
    axes.plot(lost, lost / n_workers, color="0.6", linewidth=4, zorder=0, alpha=0.6, label=label)


def _name_the_exact(axes: Axes, exact: float, highest: float) -> None:
    """Put the word where the axis, being logarithmic, cannot have its zero."""
    powers = 10.0 ** np.arange(np.ceil(np.log10(exact * 1.01)), np.log10(highest) + 1e-9)
    axes.set_ylim(exact / 1.6, 1.6 * highest)
    axes.set_yticks([exact, *powers], ["exact", *(f"{p:g}" for p in powers)])
    axes.minorticks_off()
