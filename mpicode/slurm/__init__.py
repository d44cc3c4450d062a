"""Jobs for the SLURM scheduler: the text of their scripts, and talking to it."""

from .options import Options
from .scheduler import partitions, submit, wait
from .script import script

__all__ = ["Options", "partitions", "script", "submit", "wait"]
