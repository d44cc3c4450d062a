"""Codes of several segments on a design: what Munim and Ramamoorthy's constructions share."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.linalg import lapack

from ..errors import ConfigError
from .designs import Design, placement
from .designs.known import Assignment
from .gram import GramCode

Matrix = npt.NDArray[np.float64]


class DesignCode(GramCode, ABC):
    """A design says who holds what; a scheme says with which numbers the pieces are weighted.

    design       : who holds what. "bibd": any two workers share equally many blocks; "srg": a
                   strongly regular graph; "biregular": random; "coset": one circulant, repeated
                   n_segments times, whose generating set is chosen for a small residual
    n_segments   : messages are this many times shorter than the gradient
    replication  : workers that hold a block; default: as the design gives it, see `placement`
    load         : blocks on a worker, of those of the design; default: likewise
    n_stragglers : answers not waited for
    n_blocks     : blocks in all, a multiple of those of the design; default as many as it has
    """

    def __init__(
        self,
        *,
        n_workers: int,
        seed: int = 0,
        design: Design = "biregular",
        n_segments: int = 2,
        replication: int | None = None,
        load: int | None = None,
        n_stragglers: int = 1,
        n_blocks: int | None = None,
    ) -> None:
        if n_workers < 1:
            raise ConfigError(f"run.n_workers: wants at least 1 worker, got {n_workers}")
        if n_segments < 1:
            raise ConfigError(f"code.n_segments: wants at least 1, got {n_segments}")
        assignment = placement(design, n_workers, n_segments, replication, load, seed)
        rng = np.random.default_rng([seed, n_workers, n_segments])
        super().__init__(
            self.weighted(assignment, n_segments, rng),
            n_segments=n_segments,
            n_stragglers=n_stragglers,
            n_blocks=n_blocks,
        )

    @abstractmethod
    def weighted(self, assignment: Assignment, n_segments: int, rng: np.random.Generator) -> Any:
        """Return the coefficients of the pieces, (n_workers, n_segments * n_blocks).

        assignment : (n_blocks, n_workers) of 0 and 1; where it is 0, so are they
        """

    @classmethod
    def for_load(cls, n_workers: int, load: int, n_segments: int = 1) -> list[dict[str, Any]]:
        """Return the parameters for ``load`` holders of each block, for each design."""
        sets = super().for_load(n_workers, load, n_segments)
        return [{k: v for k, v in each.items() if k != "load"} for each in sets]


class VectorCode(DesignCode):
    """A worker weights each segment alike in all its blocks, by a vector of its own.

    vectors : (n_workers, n_segments)

    Where any two workers share equally many blocks (block designs), the inner products of the
    messages are ``(load - overlap) diag(|V[i]|^2) + overlap V V'``, so their inverse is known
    (Woodbury) and decoding takes one system of n_segments numbers, whoever answered. With one
    segment that is the constant coefficient of Kadhe, Koyluoglu & Ramchandran (ISIT 2019).
    """

    @abstractmethod
    def draw(self, shape: tuple[int, int], rng: np.random.Generator) -> Matrix:
        """Return the vectors, of this shape; none of them is 0."""

    def weighted(self, assignment: Assignment, n_segments: int, rng: np.random.Generator) -> Any:
        """Weight segment u by ``vectors[i, u]`` in all blocks of worker i."""
        self.vectors = self.draw((assignment.shape[1], n_segments), rng)
        self._shared = _shared(assignment)
        return per_worker(assignment, self.vectors)

    def with_vectors(self, vectors: Matrix) -> VectorCode:
        """Return this code with other ``vectors``, (n_workers, n_segments), none of them 0."""
        other = copy.copy(self)
        for known in ("products", "system", "_all", "_strength", "_balanced"):
            other.__dict__.pop(known, None)
        change = vectors / self.vectors
        message, segment = self._places
        old = self.encoding
        other.encoding = sparse.csr_array(
            (old.data * change[message, segment], old.indices, old.indptr), shape=old.shape
        )
        other.vectors = vectors
        other.forget()
        return other

    @cached_property
    def _places(self) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """The message and the segment of each number in the encoding."""
        counts = np.diff(self.encoding.indptr)
        segments = np.asarray(self.encoding.indices // self.n_blocks, dtype=np.intp)
        return np.repeat(np.arange(self.n_messages), counts), segments

    @cached_property
    def _held(self) -> Matrix:
        """The blocks that any two workers share, (n_workers, n_workers)."""
        held = self.encoding[:, : self.n_blocks].astype(bool).astype(float)
        return np.asarray((held @ held.T).toarray())

    @cached_property
    def products(self) -> tuple[Matrix, Matrix]:
        """Inner products of the messages with each other and with the wanted sums.

        (n_messages, n_messages), symmetric, and (n_messages, n_segments).
        """
        return self._held * (self.vectors @ self.vectors.T), self._held.diagonal()[:, None] * (
            self.vectors
        )

    @cached_property
    def _balanced(self) -> tuple[Matrix, Matrix, Matrix] | None:
        """What the closed form needs, None unless any two workers share equally many blocks."""
        if self._shared is None:
            return None
        load, overlap = self._shared
        squares = (self.vectors**2).sum(axis=1)
        alone = load * self.vectors.T / ((load - overlap) * squares)
        return alone, self.vectors * (overlap / load), np.eye(self.n_segments)

    def solve(self, arrived: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
        """Return the coefficients of least residual, in closed form on block designs.

        arrived : (n_messages,) bool      returns (n_segments, n_messages), 0 where nothing arrived
        """
        if self._balanced is None:
            return super().solve(arrived)
        alone, shared, identity = self._balanced
        left = alone * arrived
        inverse = lapack.dposv(identity + left @ shared, identity)[1]
        coefficients: Matrix = inverse @ left
        return coefficients


def _shared(assignment: Assignment) -> tuple[int, int] | None:
    """Return load and overlap if any two workers share equally many blocks but not all."""
    held = assignment.astype(float)
    common = held.T @ held
    load, overlap = int(common[0, 0]), int(common[0, -1])
    wanted = (load - overlap) * np.eye(len(common)) + overlap
    return (load, overlap) if load > overlap and np.array_equal(common, wanted) else None


def per_worker(assignment: Assignment, vectors: Matrix) -> Any:
    """Return the coefficients if a worker weights a segment alike in all its blocks.

    vectors : (n_workers, n_segments)      returns (n_workers, n_segments * n_blocks), sparse

    Such a worker sends combinations of the segments of one ordinary gradient, that of its blocks.
    """
    held = sparse.csr_array(assignment.T, dtype=float)
    return sparse.hstack([sparse.diags_array(column) @ held for column in vectors.T])
