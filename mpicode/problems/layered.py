"""Problems made of layers, whose messages are mixed first and multiplied then."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from .base import Float, Integer, Number, Problem, Rows, quiet
from .columns import Entering, entering_of
from .passed import Passed
from .slices import Shape, SlicedLayers
from .ways import Chunk, add_mix


class LayeredProblem(Problem):
    """A problem whose segments take a slice of each layer, where there is room for that."""

    segments_in_one_pass = True

    @abstractmethod
    def _shapes(self) -> Iterable[Shape]:
        """Return where each layer has its parameters."""

    @abstractmethod
    def _way(self, x: Float, rows: Rows, weights: Float) -> Iterator[Chunk]:
        """Go forward and back; a chunk is to be used before the next is asked for."""

    @abstractmethod
    def _products(self) -> tuple[int, int]:
        """Return the multiplications for a row: of the way forward and back, of all of it."""

    @cached_property
    def _sliced(self) -> SlicedLayers:
        return SlicedLayers(self._shapes())

    def slices(self, n_segments: int) -> Integer | None:
        """See `Problem.slices`."""
        slices = self._sliced(n_segments)
        return self.layout(n_segments) if slices is None else slices.order

    def mix(self, rows: Rows, direction: npt.NDArray[np.float64]) -> Entering | None:
        """See `Problem.mix`."""
        slices = self._sliced(direction.size)
        return None if slices is None else slices.mix(entering_of(rows), direction)

    @quiet
    def coded_gradient(
        self,
        x: Float,
        rows: Rows,
        weights: Float,
        direction: npt.NDArray[np.float64],
        out: Float,
        mixed: Entering | None = None,
        passed: Passed[Any] | None = None,
    ) -> Number:
        """See `Problem.coded_gradient`: slopes times a mix of the columns that enter a layer."""
        slices = self._sliced(direction.size)
        if slices is None:
            return super().coded_gradient(x, rows, weights, direction, out, passed=passed)
        self.check_coded(x, rows, weights, direction, out)
        weights = np.ascontiguousarray(weights, np.float64)
        way = self._way(np.ascontiguousarray(x), rows, weights)
        return add_mix(way, passed, slices, direction, out, mixed)

    def coded_costs(self, n_segments: int) -> tuple[float, float]:
        """See `Problem.coded_costs`."""
        slices = self._sliced(n_segments)
        if slices is None:
            return super().coded_costs(n_segments)
        way, whole = self._products()
        return way / whole, slices.products / whole
