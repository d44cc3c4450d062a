"""How all pictures look: colours that everybody can tell apart, legends outside of the data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError, DataError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# The palette of Okabe and Ito, made for colour-blind readers, without its yellow: too pale a line.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
LINES = ("-", "--", ":", "-.")
_DPI = 150
_FAR = 5.0
_VERY_FAR = 1e4
_LEGEND_ROW = 0.22  # inches
_CHARACTERS_PER_INCH = 13


@contextmanager
def matplotlib_of_ours() -> Iterator[None]:
    """Draw with matplotlib's own defaults: a user's matplotlibrc shall not make pictures illegible.

    Raises `ConfigError` where matplotlib is not installed.
    """
    try:
        import matplotlib as mpl
    except ImportError:
        raise ConfigError("pictures need matplotlib: pip install 'mpicode[analysis]'") from None
    with mpl.rc_context(mpl.rcParamsDefault):
        yield


def new_figure(height: float, width: float = 9.0, legend: Sequence[str] = ()) -> Figure:
    """Return an empty figure, sizes in inches, with room below for `legend_below` of these."""
    from matplotlib.figure import Figure

    rows = -(-len(legend) // _legend_columns(legend, width)) if legend else 0
    return Figure(figsize=(width, height + _LEGEND_ROW * rows), layout="constrained")


def legend_below(figure: Figure, texts: Sequence[str]) -> None:
    """Put the legend below the picture, in as many columns as there is room for."""
    if texts:
        columns = _legend_columns(texts, figure.get_figwidth())
        figure.legend(loc="outside lower center", ncols=columns, frameon=False, fontsize=9)


def _legend_columns(texts: Sequence[str], width: float) -> int:
    longest = max(map(len, texts))
    return int(np.clip(_CHARACTERS_PER_INCH * width / (longest + 8), 1, min(len(texts), 4)))


def line_style(number: int) -> dict[str, Any]:
    """Return colour and dashes of the run with this number."""
    return {
        "color": COLOURS[number % len(COLOURS)],
        "linestyle": LINES[number // len(COLOURS) % len(LINES)],
    }


def plain(axes: Axes) -> None:
    """Leave a frame on two sides and a faint grid behind the data."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)


def spread(axes: Axes, which: Literal["x", "y"], values: NDArray[np.float64]) -> None:
    """Make an axis logarithmic where its values, all positive, lie far apart."""
    from matplotlib.ticker import LogFormatter

    class Plain(LogFormatter):
        """Names the same places, but by 0.4 and not by 4e-01."""

        def __call__(self, value: float, position: int | None = None) -> str:
            return f"{value:g}" if super().__call__(value, position) else ""

    values = values[np.isfinite(values)]
    if not len(values) or values.min() <= 0 or values.max() < _FAR * values.min():
        return
    axes.set(**{f"{which}scale": "log"})
    if values.max() < _VERY_FAR * values.min():
        # over a few powers of ten "30" reads better than "3 x 10^1"
        axis = axes.xaxis if which == "x" else axes.yaxis
        for set_formatter in (axis.set_major_formatter, axis.set_minor_formatter):
            set_formatter(Plain(labelOnlyBase=False, minor_thresholds=(2, 0.5)))


def save(figure: Figure, path: Path) -> Path:
    """Write the figure as PNG."""
    try:
        figure.savefig(path, dpi=_DPI)
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error}") from None
    return path
