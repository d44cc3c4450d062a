"""The way forward and back through a model of layers, and the mixes of segments it leads to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .base import Float
from .columns import Entering, rows_of
from .passed import Passed
from .slices import Mixing, Slices


class Chunk(NamedTuple):
    """What some of the rows left.

    rows   : which of them
    loss   : theirs, weighted
    layers : number, what enters it (n_rows, n_in), slopes of the loss in its outputs (n_rows,
             n_out), of each layer; what enters layer 0 is a view of the rows
    """

    rows: slice
    loss: float
    layers: Iterable[tuple[int, Entering, Float]]

    def own(self) -> Chunk:
        """Return it with copies: layers use their scratch memory again."""
        return self._replace(
            layers=[
                (number, np.array(enters) if number else enters, slopes.copy())
                for number, enters, slopes in self.layers
            ]
        )

    @property
    def n_bytes(self) -> int:
        """What its copies take."""
        return sum(
            slopes.nbytes + (enters.nbytes if number and isinstance(enters, np.ndarray) else 0)
            for number, enters, slopes in self.layers
        )


def add_mix(
    way: Iterable[Chunk],
    passed: Passed[Chunk] | None,
    slices: Slices,
    direction: npt.NDArray[np.float64],
    out: Float,
    mixed: Entering | None,
) -> float:
    """Add the mix of segments that the way leads to to ``out``; return the loss.

    direction : (n_segments,)      out : (length,)
    passed    : where the way is kept, and taken from if it is
    mixed     : what `Slices.mix` gives for all the rows, if that is at hand
    """
    mixing = Mixing(slices, direction, out)
    total = 0.0
    for chunk in way if passed is None else passed.along(way):
        total += chunk.loss
        for number, enters, slopes in chunk.layers:
            at_hand = None if number or mixed is None else rows_of(mixed, chunk.rows)
            mixing.add_layer(number, enters, slopes, at_hand)
    mixing.finish()
    return total
