"""Training: one loop over coded gradients."""

from .embed import CodedWorkers
from .loop import Result
from .run import run

__all__ = ["CodedWorkers", "Result", "run"]
