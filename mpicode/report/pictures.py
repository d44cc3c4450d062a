"""Draw the runs: loss, waiting, a timeline of each, and what they came to side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ..errors import DataError
from ..results import RunData
from .bars import side_by_side
from .curves import loss_against_iteration, loss_against_time, waiting
from .style import matplotlib_of_ours, save
from .timeline import timeline

# More timelines than that nobody looks at.
MOST_TIMELINES = 12


def draw(
    runs: Mapping[str, RunData], folder: Path, names: Sequence[str] | None = None
) -> list[Path]:
    """Draw ``runs`` (by their labels) into ``folder`` and return the files written.

    names : of the runs, for the files of their timelines; by default their labels. Of more than
            ``MOST_TIMELINES`` runs there are none

    Raises `ConfigError` where matplotlib is not installed, `DataError` where the folder cannot be
    written to.
    """
    with matplotlib_of_ours():
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(f"{folder}: cannot be made: {error}") from None
        pictures = {"loss": loss_against_time(runs), "waiting": waiting(runs)}
        if len(runs) > 1:
            pictures["iterations"] = loss_against_iteration(runs)
            pictures["comparison"] = side_by_side(runs)
        if len(runs) <= MOST_TIMELINES:
            for name, (label, run) in zip(names or runs, runs.items(), strict=True):
                pictures[f"timeline-{name}"] = timeline(label, run)
        return [save(figure, folder / f"{name}.png") for name, figure in pictures.items()]
