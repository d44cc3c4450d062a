"""The configuration: typed records from and to TOML, and every default in one place.

Keys are the Python parameter names. The tables ``problem``, ``code``, ``optimizer`` and ``delays``
name a part and give its parameters, which are those of the part's constructor; they are checked
when the part is built. All other tables are the records of this package, a file for each topic.
Relative paths are relative to the configuration file.
"""

from .asynchronous import Asynchronous
from .data import Data, Field
from .decoding import Decoding
from .element import Element
from .faults import Faults, Wire
from .infer import Infer
from .output import Checkpoint, Output
from .parts import Part
from .run import Run
from .virtual import Virtual
from .whole import Config

__all__ = [
    "Asynchronous",
    "Checkpoint",
    "Config",
    "Data",
    "Decoding",
    "Element",
    "Faults",
    "Field",
    "Infer",
    "Output",
    "Part",
    "Run",
    "Virtual",
    "Wire",
]
