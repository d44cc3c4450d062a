"""What an importer offers: the shape of the data, then its rows block by block."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy.typing as npt

from .labels import Labels


class Source(ABC):
    """A file (or two) to import, looked through once when it is made.

    ``dtype`` is what the values are stored as unless asked otherwise, ``scale`` the usual factor of
    the format or None, ``extra`` further datasets for the file, by name.
    """

    n_samples: int
    n_features: int
    sparse: bool
    labels: Labels
    dtype: str = "float64"
    scale: float | None = None
    n_dropped: int = 0

    @property
    @abstractmethod
    def n_bytes(self) -> int:
        """About what all rows take in memory; a function of the data alone."""

    @property
    def extra(self) -> dict[str, Any]:
        """What else the dataset file should say, by dataset name."""
        return {} if self.labels.names is None else {"classes": self.labels.names}

    @abstractmethod
    def blocks(self) -> Iterator[tuple[Any, npt.NDArray[Any]]]:
        """Yield ``(X, y)``: rows as an array or ``scipy.sparse.csr_array``, and their labels."""
