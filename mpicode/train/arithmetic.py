"""In what numbers a data code's answers come, and how they become the sum over the blocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..codes import DataCode
from ..codes.data.field_gradient import FieldGradient
from ..errors import GaveUp, MpicodeError
from ..kernels import combine_segments

Bool = NDArray[np.bool_]
Vectors = Sequence[NDArray[Any] | None]


def finds_corrupt(code: DataCode) -> bool:
    """Return whether decoding says whose answers are wrong."""
    return code.threshold("gradient") is not None and getattr(code, "n_corrupt", 0) > 0


class Sum(NamedTuple):
    """What answers decode to.

    gradient : (n_parameters,), valid until the next one      loss : NaN where there is none
    corrupt  : (n_workers,), whose answers are wrong; None where the code finds nobody
    residual : see `mpicode.codes.Decoded`; NaN where nothing is compared
    weight   : Euclidean norm of the weights of the answers; NaN where they are not one set of them
    """

    gradient: NDArray[np.float64]
    loss: float
    corrupt: Bool | None
    residual: float
    weight: float

    @property
    def is_finite(self) -> bool:
        """Whether the gradient is."""
        return bool(np.isfinite(self.gradient).all())


class Arithmetic(Protocol):
    """What `CodedData` and the workers agree on.

    ``counts_places``: the sum is over all places, those that hold no sample included, each with the
    weight of `Slots`; else it is over the samples.
    """

    counts_places: bool
    request_dtype: np.dtype[Any]
    answer_dtype: np.dtype[Any]
    answer_length: int

    def request(self, x: ArrayLike) -> ArrayLike:
        """Return the parameters as workers are sent them."""

    def decode(self, vectors: Vectors, arrived: Bool) -> Sum:
        """Return the sum over the blocks; raises `NotDecodable`."""


class Floating:
    """Floating numbers: answers are a gradient and a loss, complex where coded blocks are."""

    counts_places = True

    def __init__(self, code: DataCode, n_parameters: int, dtype: np.dtype[Any]) -> None:
        self.request_dtype = dtype
        self.answer_dtype: np.dtype[Any] = (
            np.dtype(np.complex128) if code.storage.dtype.kind == "c" else dtype
        )
        self.answer_length = n_parameters + 1
        self._code = code
        self._finds_corrupt = finds_corrupt(code)
        self._sum = np.zeros((1, n_parameters + 1))

    def request(self, x: ArrayLike) -> ArrayLike:
        """Return the parameters as they are."""
        return x

    def decode(self, vectors: Vectors, arrived: Bool) -> Sum:
        """Return the sum over the blocks; see `Arithmetic`."""
        corrupt, residual, weight = None, np.nan, np.nan
        if self._finds_corrupt:
            decoded = self._code.decode(vectors, arrived)
            corrupt, residual = decoded.corrupt, decoded.residual
            decoded.values.sum(axis=0, out=self._sum[0])
        else:
            weights = self._code.sum_weights(arrived)
            combine_segments(weights[np.newaxis], vectors, self._sum)
            weight = float(np.linalg.norm(weights))
        return Sum(self._sum[0, :-1], float(self._sum[0, -1]), corrupt, residual, weight)


class OverField:
    """Whole numbers modulo a prime: exact, and a gradient without a loss.

    per_row : what each row counts

    Rows of zeros add nothing, so that places without a sample need not be looked at.
    """

    counts_places = False

    def __init__(
        self, code: DataCode, problem: FieldGradient, n_parameters: int, per_row: float
    ) -> None:
        self.request_dtype = self.answer_dtype = np.dtype(np.int64)
        self.answer_length = n_parameters
        self._code = code
        self._problem = problem
        self._per_row = per_row

    def request(self, x: ArrayLike) -> ArrayLike:
        """Return the parameters as residues; raises `GaveUp` where one is too large."""
        try:
            residues: NDArray[np.int64] = self._problem.parameters(np.asarray(x, dtype=np.float64))
        except MpicodeError as error:
            raise GaveUp(str(error)) from None
        return residues

    def decode(self, vectors: Vectors, arrived: Bool) -> Sum:
        """Return the sum over the blocks; see `Arithmetic`."""
        decoded = self._code.decode(vectors, arrived)
        gradient = self._problem.total(decoded.values)
        gradient *= self._per_row
        corrupt = decoded.corrupt if finds_corrupt(self._code) else None
        return Sum(gradient, np.nan, corrupt, decoded.residual, np.nan)
