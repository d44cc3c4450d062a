"""Draw the runs: loss against time, waiting, and a timeline of each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..errors import DataError
from ..results import RunData
from .curves import loss_against_time, waiting
from .style import matplotlib_of_ours, save
from .timeline import timeline


def draw(runs: Mapping[str, RunData], folder: Path) -> list[Path]:
    """Draw ``runs`` (by their labels) into ``folder`` and return the files written.

    Raises `ConfigError` where matplotlib is not installed, `DataError` where the folder cannot be
    written to.
    """
    with matplotlib_of_ours():
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(f"{folder}: cannot be made: {error}") from None
        pictures = {"loss": loss_against_time(runs), "waiting": waiting(runs)}
        pictures |= {f"timeline-{label}": timeline(label, run) for label, run in runs.items()}
        return [save(figure, folder / f"{name}.png") for name, figure in pictures.items()]
