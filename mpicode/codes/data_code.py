"""What a data code is: one array, and what follows from it where the function is linear."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from ..errors import ConfigError, NotDecodable
from ..kernels import combine_segments
from .per_set import PerSet

# What is missed of a block, as a share of it, below which it counts as recovered.
TOLERANCE = 1e-8

Answers = Sequence[npt.NDArray[Any] | None] | npt.NDArray[Any]


class Decoded(NamedTuple):
    """What a set of answers says.

    values    : (n_blocks, length), the function's value at each block
    corrupt   : (n_workers,) bool, whose answers are wrong
    certified : whether so many answers agree that, with no more wrong ones than the code was made
                for, nothing else can be true
    residual  : largest difference between an answer taken for right and what the others make of
                it, relative to the answers; 0 where none is left over to compare
    """

    values: npt.NDArray[Any]
    corrupt: npt.NDArray[np.bool_]
    certified: bool
    residual: float


class DataCode:
    """Workers hold combinations of the blocks themselves and evaluate a function on theirs.

    storage : (n_workers, n_blocks + n_masks); coded block of worker ``i`` is
              ``sum_j storage[i, j] * block_j``, the last ``n_masks`` blocks being random masks

    A scheme builds ``storage`` and passes it on. `decode_matrix` here is that of linear functions;
    a scheme for other functions overrides `solve`, with its own rule for which sets are enough, and
    `threshold`, if their number decides. One that finds wrong answers overrides `decode`.
    """

    name: ClassVar[str]
    family: ClassVar[str] = "data"
    kinds: ClassVar[tuple[str, ...]] = ("map",)

    def __init__(self, storage: npt.ArrayLike, *, n_masks: int = 0) -> None:
        self.storage = np.array(storage)
        self.storage.flags.writeable = False
        if self.storage.ndim != 2 or not 0 <= n_masks < self.storage.shape[1]:
            raise ConfigError(
                f"code {self.name!r}: storage is {self.storage.shape}, of which {n_masks} masks"
            )
        if not np.isfinite(self.storage).all():
            raise ConfigError(f"code {self.name!r}: storage holds a number that is not finite")
        self.n_masks = n_masks
        self.n_workers: int = self.storage.shape[0]
        self.n_blocks: int = self.storage.shape[1] - n_masks
        self._matrices: PerSet[npt.NDArray[Any]] = PerSet(self.n_workers, self.solve)

    def load(self, worker: int) -> float:
        """Return the share of all blocks that ``worker`` computes on: one coded block of them."""
        return 1 / self.n_blocks

    def decode_matrix(self, arrived: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
        """Return how the answers that arrived are combined into the value of each block.

        arrived : (n_workers,) bool      returns (n_blocks, n_workers), 0 where nothing arrived

        The same read-only object for the same set. Raises `NotDecodable` if the set is not enough.
        """
        return self._matrices(arrived)

    def threshold(self, kind: str, degree: int | None = None) -> int | None:
        """Return how many answers, from whomever, are enough; None where no number says so.

        kind   : what is asked, one of ``kinds``
        degree : of the polynomial function, where it is one; None for what the code was made for
        """
        return None

    def check_count(self, arrived: npt.NDArray[np.bool_], degree: int | None = None) -> None:
        """Raise `NotDecodable` where too few arrived to tell the values, and who is wrong.

        arrived : (n_workers,) bool      degree : as for `threshold`

        For a code that finds nobody out, `decode_matrix` says all there is to say.
        """

    def decode(
        self, answers: Answers, arrived: npt.NDArray[np.bool_], degree: int | None = None
    ) -> Decoded:
        """Return the function's value at each block.

        answers : (n_workers, length), or a sequence of vectors; those absent are not looked at and
                  may be None
        arrived : (n_workers,) bool
        degree  : of the polynomial function, as for `threshold`

        Real numbers: float64 values, the real part where coded blocks are complex, since a function
        with real coefficients is real at real blocks. Raises `NotDecodable` as `decode_matrix`.
        """
        matrix = self.decode_matrix(arrived)
        vectors = self.given(answers, arrived)
        length = next((v.size for v in vectors if v is not None), 0)
        values = np.empty((self.n_blocks, length))
        combine_segments(matrix, vectors, values)
        return Decoded(values, np.zeros(self.n_workers, dtype=bool), False, 0.0)

    def given(
        self, answers: Answers, arrived: npt.NDArray[np.bool_]
    ) -> list[npt.NDArray[Any] | None]:
        """Return the answers, None where nothing arrived; `ConfigError` where a vector is missing.

        All have one length, or `ConfigError` names the workers that differ.
        """
        if len(answers) != self.n_workers:
            raise ConfigError(f"answers: {len(answers)} of them for {self.n_workers} workers")
        vectors = [answers[w] if here else None for w, here in enumerate(arrived.tolist())]
        first: tuple[int, npt.NDArray[Any]] | None = None
        for worker in np.flatnonzero(arrived).tolist():
            vector = vectors[worker]
            if vector is None or vector.ndim != 1:
                found = "none" if vector is None else f"shape {vector.shape}"
                raise ConfigError(f"answers: wants a vector of worker {worker}, got {found}")
            if first is None:
                first = worker, vector
            elif vector.size != first[1].size:
                raise ConfigError(
                    f"answers: {vector.size} numbers of worker {worker}, "
                    f"but {first[1].size} of worker {first[0]}"
                )
        return vectors

    def sum_weights(self, arrived: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
        """Return how the answers are combined into the sum of all blocks' values, (n_workers,)."""
        weights: npt.NDArray[Any] = self.decode_matrix(arrived).sum(axis=0)
        return weights

    def lebesgue(self, arrived: npt.NDArray[np.bool_]) -> float:
        """Return the largest error of a value where every answer is wrong by 1 at most."""
        return float(np.abs(self.decode_matrix(arrived)).sum(axis=1).max())

    def solve(self, arrived: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
        """Compute `decode_matrix` by least squares, whose coefficients are the smallest of all."""
        workers = np.flatnonzero(arrived)
        wanted = np.eye(self.n_blocks, self.storage.shape[1])
        matrix = np.zeros((self.n_blocks, self.n_workers), dtype=self.storage.dtype)
        rows = self.storage[workers]
        matrix[:, workers] = np.linalg.lstsq(rows.T, wanted.T, rcond=None)[0].T
        missed = np.abs(matrix @ self.storage - wanted).max(initial=0.0)
        if not missed <= TOLERANCE:
            raise NotDecodable(
                f"code {self.name!r}: {workers.size} of {self.n_workers} answers leave a share of "
                f"{missed:.2g} of a block unknown, wants {TOLERANCE:g}"
            )
        matrix.flags.writeable = False
        return matrix
