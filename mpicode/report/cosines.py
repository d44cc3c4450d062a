"""What the messages of a code have in common, as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .style import COLOURS, matplotlib_of_ours, new_figure, plain, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BINS = 50


def draw_cosines(
    cosines: NDArray[np.float64], bounds: dict[str, float], title: str, path: Path
) -> Path:
    """Draw the cosines of any two messages, and how many there are of each size.

    cosines : (n_messages, n_messages), magnitudes
    bounds  : numbers to mark among the sizes, by name

    Raises `ConfigError` where matplotlib is not installed, `DataError` where the file cannot be
    written.
    """
    with matplotlib_of_ours():
        return save(_figure(cosines, bounds, title), path)


def _figure(cosines: NDArray[np.float64], bounds: dict[str, float], title: str) -> Figure:
    figure = new_figure(4.9, width=11.0)
    left, right = figure.subplots(1, 2, width_ratios=[1.0, 1.15])
    image = left.imshow(cosines, cmap="Blues", vmin=0.0, vmax=1.0, interpolation="nearest")
    figure.colorbar(image, ax=left, label="cosine, magnitude")
    left.set(xlabel="message", ylabel="message")
    for axis in (left.xaxis, left.yaxis):
        axis.get_major_locator().set_params(integer=True)
    left.set_title("Any two messages", loc="left", fontsize=11)
    _histogram(right, cosines[np.triu_indices(len(cosines), 1)], bounds)
    figure.suptitle(title, x=0.01, horizontalalignment="left", fontsize=12)
    return figure


def _histogram(axes: Axes, sizes: NDArray[np.float64], bounds: dict[str, float]) -> None:
    axes.hist(sizes, bins=_BINS, range=(0.0, 1.0), color=COLOURS[0])
    for number, (name, bound) in enumerate(bounds.items()):
        axes.axvline(bound, color=COLOURS[1 + number], linewidth=1.5, label=f"{name} {bound:.3f}")
    axes.set(xlabel="cosine, magnitude", ylabel="pairs", xlim=(0.0, 1.0), yscale="symlog")
    axes.set_ylim(bottom=0.0)
    axes.set_title("How many pairs have which", loc="left", fontsize=11)
    plain(axes)
    if bounds:
        axes.legend(frameon=False, fontsize=9)
