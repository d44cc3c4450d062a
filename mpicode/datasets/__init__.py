"""Dataset files: layout, reading, writing, import. Nothing else reads data files."""

from .filling import Shape
from .layout import Meta
from .reader import Dataset, open_dataset
from .writer import DatasetWriter

__all__ = ["Dataset", "DatasetWriter", "Meta", "Shape", "open_dataset"]
