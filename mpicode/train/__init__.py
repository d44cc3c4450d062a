"""Training: one loop over coded gradients."""

from .loop import Result
from .run import run

__all__ = ["Result", "run"]
