"""Run files and checkpoints: the master writes them while it trains, anybody reads them."""

from ..outcomes import Outcome
from .checkpoint import Checkpoint, read_checkpoint, to_bytes
from .checkpoint_folder import CheckpointFolder
from .export import export_npz
from .folder import read_runs
from .intervals import UNANSWERED, Intervals, intervals, lost, starts_and_ends, waiting_avoided
from .reader import RunData, open_run, read_run
from .schema import COLUMNS, ITERATION_COLUMNS, MISSING, WORKER_COLUMNS
from .takeover import recorded
from .writer import RunWriter

__all__ = [
    "COLUMNS",
    "ITERATION_COLUMNS",
    "MISSING",
    "UNANSWERED",
    "WORKER_COLUMNS",
    "Checkpoint",
    "CheckpointFolder",
    "Intervals",
    "Outcome",
    "RunData",
    "RunWriter",
    "export_npz",
    "intervals",
    "lost",
    "open_run",
    "read_checkpoint",
    "read_run",
    "read_runs",
    "recorded",
    "starts_and_ends",
    "to_bytes",
    "waiting_avoided",
]
