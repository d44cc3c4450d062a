"""Dataset files: reading rows, writing, importing, making, checking. Nothing else reads data files."""

from .layout import Meta
from .reader import Dataset, open_dataset
from .writer import DatasetWriter, Shape

__all__ = ["Dataset", "DatasetWriter", "Meta", "Shape", "open_dataset"]
