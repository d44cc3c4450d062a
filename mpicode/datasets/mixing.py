"""Combining blocks, and masks from the operating system's entropy, into coded blocks."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ..kernels import combine_segments, modular_combine

Array = npt.NDArray[Any]

# Masks are drawn so many at a time, to stay in the processor's cache.
DRAWN_AT_ONCE = 1 << 15


class Mixing(Protocol):
    """How numbers are combined and stored.

    blocks : dtype of the blocks handed to `mix`, and of what it fills
    facts  : what the index says of it, see `CodedIndex`
    """

    blocks: np.dtype[Any]
    facts: dict[str, Any]

    def enter(self, values: Array, which: str) -> Array:
        """Return features (``which`` is "X") or labels ("Y") as they are combined."""

    def mask(self, out: Array, which: str) -> None:
        """Fill ``out``, (size,) and contiguous, with numbers that nobody else knows."""

    def mix(self, vectors: list[Array], out: Array) -> None:
        """Write the combination for every worker, (n_workers, size)."""


class RealMixing:
    """Floating numbers, combined by a real or complex matrix, blurred by Gaussian masks.

    storage : (n_workers, n_blocks + n_masks)      dtype : float32 or float64, of the data
    scales  : standard deviation of the masks for "X" and "Y"

    What a real matrix combines stays of ``dtype``; complex numbers are of double precision.
    """

    def __init__(self, storage: Array, dtype: np.dtype[Any], scales: Mapping[str, float]) -> None:
        self._storage, self._scales = storage, scales
        self.blocks = np.dtype(np.complex128) if storage.dtype.kind == "c" else dtype
        self.facts = {
            "dtype": self.blocks.name,
            "prime": 0,
            "x_bits": 0,
            "y_bits": 0,
            "mask_x": float(scales["X"]),
            "mask_y": float(scales["Y"]),
        }

    def enter(self, values: Array, which: str) -> Array:
        """Return the values as they are."""
        return values

    def mask(self, out: Array, which: str) -> None:
        """Fill ``out`` with Gaussian numbers; of complex ones the two parts share the variance."""
        parts = (out.real, out.imag) if out.dtype.kind == "c" else (out,)
        scale = self._scales[which] / np.sqrt(len(parts))
        for part in parts:
            for at in range(0, len(part), DRAWN_AT_ONCE):
                piece = part[at : at + DRAWN_AT_ONCE]
                piece[...] = scale * gaussian(len(piece))

    def mix(self, vectors: list[Array], out: Array) -> None:
        """Write ``out = storage @ vectors``."""
        combine_segments(self._storage, vectors, out)


class Room(Protocol):
    """Counts how large a function of the rows can become, and refuses a field too small for it."""

    def add(self, X: Array, y: Array) -> None:
        """Take these rows into account."""

    def check(self) -> None:
        """Raise `ConfigError` where the field is too small."""


@dataclass(frozen=True)
class Field:
    """Arithmetic modulo ``prime``, and how numbers become residues.

    x_bits, y_bits : of fraction that features and labels are rounded to
    quantise       : (values, bits, prime) -> residues, `DataError` where one does not fit
    masks          : (shape, prime) -> uniform residues, of the operating system's entropy
    room           : of the function that the rows are encoded for, where that is known
    """

    prime: int
    x_bits: int
    y_bits: int
    quantise: Callable[[Array, int, int], Array]
    masks: Callable[[tuple[int, ...], int], Array]
    room: Room | None = None


class FieldMixing:
    """Residues modulo a prime, hidden by uniform masks.

    storage : (n_workers, n_blocks + n_masks), residues
    """

    def __init__(self, storage: Array, field: Field) -> None:
        self._storage, self._field = storage, field
        self.blocks = np.dtype(np.int64)
        self.facts = {
            "dtype": "uint32" if field.prime <= 2**32 else "int64",
            "prime": field.prime,
            "x_bits": field.x_bits,
            "y_bits": field.y_bits,
            "mask_x": 0.0,
            "mask_y": 0.0,
        }

    def enter(self, values: Array, which: str) -> Array:
        """Return the residues of rounded numbers."""
        field = self._field
        bits = field.x_bits if which == "X" else field.y_bits
        return field.quantise(values, bits, field.prime)

    def mask(self, out: Array, which: str) -> None:
        """Fill ``out`` with residues."""
        out[:] = self._field.masks(out.shape, self._field.prime)

    def mix(self, vectors: list[Array], out: Array) -> None:
        """Write ``out = storage @ vectors`` modulo the prime."""
        modular_combine(self._storage, vectors, self._field.prime, out)


def gaussian(n: int) -> npt.NDArray[np.float64]:
    """Return n standard normal numbers of the operating system's entropy (Box and Muller, 1958)."""
    half = (n + 1) // 2
    drawn = np.frombuffer(os.urandom(16 * half), np.uint64) >> np.uint64(11)
    uniform = (drawn.astype(np.float64) + 0.5) * 2.0**-53
    radius, angle = np.sqrt(-2 * np.log(uniform[:half])), 2 * np.pi * uniform[half:]
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[:n]
