"""What one gradient gave and took, whatever code it came by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray


class Interrupted(Exception):
    """The run was told to stop while it waited for answers."""


class OutOfTime(Exception):
    """The run's time was over before enough answers came."""


@dataclass
class Round:
    """What one call gave and took; times in seconds.

    ``gradient`` is (n_parameters,), valid until the next call; ``arrived`` and ``corrupt``, whose
    answers were found to be wrong, are (n_workers,) bool.
    ``gradient`` and ``loss`` have been divided by ``shrinkage``; residual and amplification are
    those of the decoding before that. Where nothing arrived the gradient is 0 and the loss NaN.

    With a data code ``loss`` is an estimate, decoded as the gradient is, and ``lebesgue`` is the
    Lebesgue constant of the set that arrived; else that is NaN.
    """

    gradient: NDArray[np.float64]
    loss: float
    residual: float
    amplification: float
    shrinkage: float
    n_arrived: int
    arrived: NDArray[np.bool_]
    corrupt: NDArray[np.bool_]
    post: float
    wait: float
    decode: float
    lebesgue: float = np.nan


class Gradient(Protocol):
    """Calls the workers for the gradient at ``x``, (n_parameters,)."""

    def __call__(self, x: ArrayLike, iteration: int, until: float | None = None) -> Round:
        """Return it.

        Raises `NotDecodable` where those who can still answer are too few; `OutOfTime` where not
        enough has come by ``until`` (run time, s), `Interrupted` when told to stop waiting.
        """
