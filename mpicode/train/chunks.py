"""Rows that come in chunks, one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..problems import Rows


def picked(chunks: Iterable[Rows], slots: NDArray[np.integer[Any]] | None) -> Iterator[Rows]:
    """Yield the rows of ``slots``, ascending numbers over all chunks; None: all rows."""
    before = 0
    for chunk in chunks:
        n_rows = len(chunk.y)
        if slots is None:
            yield chunk
        else:
            here = slots[(slots >= before) & (slots < before + n_rows)] - before
            if here.size:
                yield Rows(chunk.X[here], chunk.y[here])
        before += n_rows
