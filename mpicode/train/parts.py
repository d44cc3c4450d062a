"""What a message is made of: blocks that share one direction, and so one gradient pass."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..codes import GradientCode

# Columns that differ by no more, relative to their largest number, have one direction.
_ROUNDING = 1e-14


Columns = tuple[tuple[int, NDArray[Any]], ...]


class Part(NamedTuple):
    """Blocks whose coefficients are ``weight * direction``.

    direction : (n_segments,), in iteration 0 its largest number is 1 in modulus
    blocks    : the numbers of the blocks, ascending, and the real weight of each

    By linearity the weighted sum of these blocks' gradients is one ordinary gradient, of a weighted
    loss; its segments, folded by the direction, are the part.
    """

    direction: NDArray[Any]
    blocks: tuple[tuple[int, float], ...]


class Parts:
    """Gives, for the number of a message, the parts that it is the sum of.

    A code with one coefficient per worker and segment has one part per message, and so has a real
    code with one segment. Codes that vary keep their parts, with other directions.
    """

    def __init__(self, code: GradientCode) -> None:
        self._code = code
        self._columns: dict[int, Columns] = {}
        self._known: dict[int, tuple[Part, ...]] = {}

    def __call__(self, message: int, iteration: int) -> tuple[Part, ...]:
        """Return the parts in the order of their first blocks."""
        parts = self._known.get(message)
        if parts is None:
            parts = self._known[message] = _parts(self._constant_columns(message))
        factors = self._factors(message, iteration)
        if factors is not None:
            parts = tuple(part._replace(direction=part.direction * factors) for part in parts)
        return parts

    def columns(self, message: int, iteration: int) -> Columns:
        """Return the blocks of the message, ascending, with their coefficients (n_segments,)."""
        columns = self._constant_columns(message)
        factors = self._factors(message, iteration)
        if factors is not None:
            columns = tuple((block, column * factors) for block, column in columns)
        return columns

    def _factors(self, message: int, iteration: int) -> NDArray[Any] | None:
        if not self._code.varies:
            return None
        factors = self._code.factors(iteration)
        return None if factors is None else factors[message]

    def _constant_columns(self, message: int) -> Columns:
        columns = self._columns.get(message)
        if columns is None:
            row = self._code.encoding[[message]].toarray()
            pieces = row.reshape(self._code.n_segments, self._code.n_blocks)
            blocks = np.flatnonzero(pieces.any(axis=0)).tolist()
            columns = self._columns[message] = tuple((b, pieces[:, b].copy()) for b in blocks)
        return columns


def _parts(columns: Columns) -> tuple[Part, ...]:
    found: list[tuple[NDArray[Any], int, list[tuple[int, float]]]] = []
    for block, column in columns:
        for direction, top, blocks in found:
            weight = (column[top] / direction[top]).real
            if np.abs(column - weight * direction).max() <= _ROUNDING * np.abs(column).max():
                blocks.append((block, float(weight)))
                break
        else:
            top = int(np.argmax(np.abs(column)))
            # real codes keep their sign in the weight, so that one segment has the direction 1
            scale = abs(column[top]) if np.iscomplexobj(column) else column[top]
            found.append((column / scale, top, [(block, float(scale))]))
    return tuple(Part(direction, tuple(blocks)) for direction, _, blocks in found)
