"""Draw the runs: loss against time, waiting, and a timeline of each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..errors import ConfigError, DataError
from ..results import RunData
from .curves import loss_against_time, waiting
from .style import save
from .timeline import timeline


def draw(runs: Mapping[str, RunData], folder: Path) -> list[Path]:
    """Draw ``runs`` (by their labels) into ``folder`` and return the files written.

    Raises `ConfigError` where matplotlib is not installed, `DataError` where the folder cannot be
    written to.
    """
    try:
        import matplotlib as mpl
    except ImportError:
        raise ConfigError("pictures need matplotlib: pip install 'mpicode[analysis]'") from None
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{folder}: cannot be made: {error}") from None
    # A user's own matplotlibrc shall not make them illegible.
    with mpl.rc_context(mpl.rcParamsDefault):
        pictures = {"loss": loss_against_time(runs), "waiting": waiting(runs)}
        pictures |= {f"timeline-{label}": timeline(label, run) for label, run in runs.items()}
        return [save(figure, folder / f"{name}.png") for name, figure in pictures.items()]
