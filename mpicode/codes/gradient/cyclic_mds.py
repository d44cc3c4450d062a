"""Cyclic MDS codes: Raviv, Tamo, Tandon & Dimakis, "Gradient Coding from Cyclic MDS Codes"."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..checks import blocks_per_part, check_stragglers
from .tight import TightCode


class CyclicMDS(TightCode):
    """Worker i holds the n_stragglers + 1 blocks from i on, with the same coefficients as all.

    n_stragglers : lost workers tolerated, any of them
    n_blocks     : blocks in all, a multiple of n_workers; default n_workers

    Row i of the encoding is row 0 moved on by i. Row 0 is the codeword of least weight of a cyclic
    code of dimension n - s: the coefficients of ``prod_{t in J} (x - w ** t)``, ``w = exp(2 pi i /
    n)``, J being s consecutive exponents without 0. Any n - s rows span the code (it is MDS), and
    the all-one vector is in it, since its spectrum is at exponent 0 alone (arXiv:1707.03858,
    section III). J is centred at n / 2. Where n and s have opposite parity it is its own mirror
    image and the code is real; otherwise it is complex, and messages take twice the bytes.
    """

    name = "cyclic-mds"

    def __init__(
        self, *, n_workers: int, n_stragglers: int = 1, n_blocks: int | None = None
    ) -> None:
        check_stragglers(n_workers, n_stragglers)
        super().__init__(
            _circulant(n_workers, n_stragglers),
            n_stragglers=n_stragglers,
            share=blocks_per_part(n_blocks, n_workers, "workers"),
            remedy="fewer stragglers, cyclic or fractional-repetition",
        )


def _circulant(n: int, s: int) -> npt.NDArray[Any]:
    """Return the encoding, (n, n).

    The product over consecutive powers of w is a Gaussian binomial sum (Gauss's q-binomial theorem
    with q = w), so each coefficient is a product of sines times a phase: accurate to the last
    digits, which expanding the product is not.
    """
    k = np.arange(s + 1)
    sines = np.sin(np.pi / n * k[1:])
    sizes = np.concatenate([[1.0], np.cumprod(sines[::-1] / sines)])
    row: npt.NDArray[Any] = np.zeros(n)
    row[: s + 1] = sizes
    if s and (n - s) % 2 == 0:
        # J is centred half a step below n / 2, which turns coefficient k by half a step k times.
        row = row * np.exp(-1j * np.pi / n * np.arange(n))
    return np.array([np.roll(row, i) for i in range(n)])
