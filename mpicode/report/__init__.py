"""Compare runs, their numbers in a table and their course in pictures; and codes, in a picture."""

from .cosines import draw_cosines
from .headway import Headway, headway
from .labels import differences, is_sweep, labels
from .numbers import Numbers, numbers
from .pictures import draw
from .residuals import Curve, draw_residuals
from .table import table

__all__ = [
    "Curve",
    "Headway",
    "Numbers",
    "differences",
    "draw",
    "draw_cosines",
    "draw_residuals",
    "headway",
    "is_sweep",
    "labels",
    "numbers",
    "table",
]
