"""Combining blocks, and masks from the operating system's entropy, into coded blocks."""

from __future__ import annotations

import os
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ..kernels import combine_segments

Array = npt.NDArray[Any]

# Masks are drawn so many at a time, to stay in the processor's cache.
DRAWN_AT_ONCE = 1 << 15


class Mixing(Protocol):
    """How numbers are stored and combined.

    dtype  : of coded numbers in the files
    blocks : dtype of blocks handed to `mix`, and of what it fills
    """

    dtype: str
    blocks: np.dtype[Any]

    def enter(self, values: Array, which: str) -> Array:
        """Return features (``which`` is "X") or labels ("Y") as they are combined."""

    def mask(self, out: Array, which: str) -> None:
        """Fill ``out`` with a fresh mask that nobody else has."""

    def mix(self, vectors: list[Array], out: Array) -> None:
        """Write the combination for every worker: out (n_workers, size)."""


class RealMixing:
    """Real numbers, combined by a real or complex matrix, hidden by Gaussian masks.

    storage : (n_workers, n_blocks + n_masks)      dtype : float32 or float64, of the data
    scales  : standard deviation of the masks for "X" and "Y"
    """

    def __init__(self, storage: Array, dtype: np.dtype[Any], scales: dict[str, float]) -> None:
        self.storage = storage
        self.scales = scales
        is_complex = storage.dtype.kind == "c"
        self.blocks = np.dtype(np.complex128) if is_complex else dtype
        self.dtype = {"float32": "complex64", "float64": "complex128"}[dtype.name]
        if not is_complex:
            self.dtype = dtype.name

    def enter(self, values: Array, which: str) -> Array:
        """Return the values as they are."""
        return values

    def mask(self, out: Array, which: str) -> None:
        """Fill ``out``, contiguous, with Gaussian numbers; complex ones of that variance."""
        flat = out.reshape(-1)
        parts = (flat.real, flat.imag) if out.dtype.kind == "c" else (flat,)
        scale = self.scales[which] / np.sqrt(len(parts))
        for part in parts:
            for at in range(0, len(part), DRAWN_AT_ONCE):
                piece = part[at : at + DRAWN_AT_ONCE]
                piece[...] = scale * gaussian(len(piece))

    def mix(self, vectors: list[Array], out: Array) -> None:
        """Write ``out = storage @ vectors``."""
        combine_segments(self.storage, vectors, out)


def gaussian(n: int) -> npt.NDArray[np.float64]:
    """Return n standard normal numbers of the operating system's entropy (Box and Muller, 1958)."""
    half = (n + 1) // 2
    drawn = np.frombuffer(os.urandom(16 * half), np.uint64) >> np.uint64(11)
    uniform = (drawn.astype(np.float64) + 0.5) * 2.0**-53
    radius, angle = np.sqrt(-2 * np.log(uniform[:half])), 2 * np.pi * uniform[half:]
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[:n]
