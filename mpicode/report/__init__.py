"""Compare runs: their numbers in a table, their course in pictures."""

from .numbers import Numbers, labels, numbers
from .pictures import draw
from .table import table

__all__ = ["Numbers", "draw", "labels", "numbers", "table"]
