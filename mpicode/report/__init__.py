"""Compare runs, their numbers in a table and their course in pictures; and codes, in a picture."""

from .numbers import Numbers, labels, numbers
from .pictures import draw
from .residuals import Curve, draw_residuals
from .table import table

__all__ = ["Curve", "Numbers", "draw", "draw_residuals", "labels", "numbers", "table"]
