"""The run file: written by the master while it trains, read by everybody afterwards."""

from .reader import RunData, open_run, read_run
from .schema import ITERATION_COLUMNS, WORKER_COLUMNS, Outcome
from .writer import RunWriter

__all__ = [
    "ITERATION_COLUMNS",
    "WORKER_COLUMNS",
    "Outcome",
    "RunData",
    "RunWriter",
    "open_run",
    "read_run",
]
