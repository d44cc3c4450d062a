"""The run file: written by the master while it trains, read by everybody afterwards."""

from ..outcomes import Outcome
from .export import export_npz
from .reader import RunData, open_run, read_run
from .schema import ITERATION_COLUMNS, WORKER_COLUMNS
from .waiting import rows_of, starts_and_ends, waiting_avoided
from .writer import RunWriter

__all__ = [
    "ITERATION_COLUMNS",
    "WORKER_COLUMNS",
    "Outcome",
    "RunData",
    "RunWriter",
    "export_npz",
    "open_run",
    "read_run",
    "rows_of",
    "starts_and_ends",
    "waiting_avoided",
]
