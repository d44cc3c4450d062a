"""What the messages of a gradient code say of the segments of the gradient."""

from __future__ import annotations

import numpy as np

from ...errors import ConfigError
from ..base import GradientCode
from .base import Matrix


def rows_of(code: GradientCode) -> Matrix:
    """Return A (n_messages, n_segments), with message i about ``A[i] @ segments`` of the gradient.

    The gradient is the sum over all blocks. Messages of some of the blocks stand for all of them:
    their row is the one that is right where all blocks have the same gradient, so the differences
    between blocks are noise in the codewords. With one block A is the encoding.
    """
    if code.encoding.dtype.kind == "c":
        raise ConfigError(f"code.name: {code.name!r} is complex, light decoders want a real code")
    pieces = code.encoding.toarray().reshape(code.n_messages, code.n_segments, code.n_blocks)
    return np.asarray(pieces.mean(axis=2))
