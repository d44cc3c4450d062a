"""The run file: written by the master while it trains, read by everybody afterwards."""

from ..outcomes import Outcome
from .export import export_npz
from .intervals import UNANSWERED, Intervals, intervals, starts_and_ends, waiting_avoided
from .reader import RunData, open_run, read_run
from .schema import ITERATION_COLUMNS, WORKER_COLUMNS
from .writer import RunWriter

__all__ = [
    "ITERATION_COLUMNS",
    "UNANSWERED",
    "WORKER_COLUMNS",
    "Intervals",
    "Outcome",
    "RunData",
    "RunWriter",
    "export_npz",
    "intervals",
    "open_run",
    "read_run",
    "starts_and_ends",
    "waiting_avoided",
]
