"""Lagrange coded computing: Yu, Li, Raviv, Kalan, Soltanolkotabi & Avestimehr, AISTATS 2019."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ...errors import ConfigError, NotDecodable
from ...kernels import combine_segments, modular_combine
from ..data_code import Answers, DataCode, Decoded
from ..per_set import PerSet, as_mask
from . import analog, exact, field
from .lagrange_points import Points, field_points, real_points
from .points import scattered

Bool = npt.NDArray[np.bool_]

# The share of an answer that rounding may be amplified to; where more is possible, a set of
# answers is refused as too few are.
ROUNDING = 1e-4


class _Group(NamedTuple):
    """Workers whose answers decode some of the blocks, all by themselves."""

    workers: npt.NDArray[np.intp]
    blocks: npt.NDArray[np.intp]


class Lagrange(DataCode):
    """Any (K + T - 1) degree + 2A + 1 answers decode a polynomial function, exactly.

    n_blocks     : blocks (K), each of which the function is wanted of
    n_stragglers : lost workers tolerated (S)
    n_corrupt    : wrong answers tolerated, and found (A)
    n_colluding  : workers that together learn nothing of the data (T): as many random masks
    degree       : of the function, as a polynomial in the numbers of a block
    prime        : calculate modulo this prime, below 2**31 or 2305843009213693951 (2**61 - 1);
                   without one, with floating numbers, which hide data from nobody perfectly
    points       : where workers and blocks sit without a prime: ``roots-of-unity`` (coded blocks
                   are complex), ``chebyshev`` or ``integers`` (the paper's)
    permute      : neighbouring workers get points far apart, so that losing some hurts less

    Blocks and masks are values, at points b_j, of the polynomial u of least degree through them;
    worker i holds u(a_i), and its answer is a value of f(u), of degree (K + T - 1) degree. So many
    answers and one more determine it; each straggler costs one worker more, each wrong answer two.
    Where workers are too few for that, but K (S + 2A + 1) are there, and T = 0, each block is held
    in clear by workers of its own: replication.

    Over a prime field everything is exact, T workers learn nothing at all, and the answers taken
    for right are proved right. In floating numbers a set of answers whose decoding would amplify
    rounding too much is refused.
    """

    name = "lagrange"
    kinds = ("gradient", "map")

    def __init__(
        self,
        *,
        n_workers: int,
        n_blocks: int = 2,
        n_stragglers: int = 1,
        n_corrupt: int = 0,
        n_colluding: int = 0,
        degree: int = 2,
        prime: int | None = None,
        points: Points = "roots-of-unity",
        permute: bool = True,
        seed: int = 0,
    ) -> None:
        for key, value, least in (
            ("n_blocks", n_blocks, 1),
            ("n_stragglers", n_stragglers, 0),
            ("n_corrupt", n_corrupt, 0),
            ("n_colluding", n_colluding, 0),
            ("degree", degree, 1),
        ):
            if value < least:
                raise ConfigError(f"code.{key}: wants at least {least}, got {value}")
        self.n_stragglers, self.n_corrupt, self.degree = n_stragglers, n_corrupt, degree
        self.prime = prime
        single = _polynomial_degree(n_blocks, n_colluding, degree) + 2 * n_corrupt + 1
        if single + n_stragglers <= n_workers:
            n_groups = 1
        elif not n_colluding and n_blocks * (2 * n_corrupt + 1 + n_stragglers) <= n_workers:
            n_groups = n_blocks
        else:
            raise ConfigError(
                f"code: {n_blocks} blocks of a function of degree {degree}, with n_colluding = "
                f"{n_colluding} and n_corrupt = {n_corrupt}, decode at {single} answers, so that "
                f"n_stragglers = {n_stragglers} wants at least {single + n_stragglers} workers, "
                f"got {n_workers}"
            )
        self._groups = [
            _Group(np.arange(g, n_workers, n_groups), np.arange(g, n_blocks, n_groups))
            for g in range(n_groups)
        ]
        per_group = n_blocks // n_groups
        if prime is None:
            at_workers, at_blocks = real_points(points, n_workers, per_group, n_colluding)
            if permute:
                at_workers = at_workers[scattered(n_workers, seed)]
            rows = analog.interpolation(at_workers, at_blocks)
        else:
            field.check_prime(prime)
            at_workers, at_blocks = field_points(n_workers, per_group, n_colluding, prime)
            rows = field.interpolation(at_workers.tolist(), at_blocks.tolist(), prime)
        storage = np.zeros((n_workers, n_blocks + n_colluding), dtype=rows.dtype)
        for group in self._groups:
            storage[np.ix_(group.workers, group.blocks)] = rows[group.workers, :per_group]
        storage[:, n_blocks:] = rows[:, per_group:]
        super().__init__(storage, n_masks=n_colluding)
        self._worker_points, self._block_points = at_workers, at_blocks[:per_group]
        # along the line or around the circle; a field has no neighbours
        self.worker_points = None if prime is not None else _along(at_workers)
        # how much larger than the blocks a coded block may be
        self._growth = np.abs(rows).sum(axis=1, dtype=np.float64)
        self._by_degree: dict[int, PerSet[npt.NDArray[Any]]] = {}

    def threshold(self, kind: str, degree: int | None = None) -> int:
        """Return how many answers, from whomever, are enough."""
        spare = min(group.workers.size - self._wanted(group, degree) for group in self._groups)
        if spare < 0:
            raise ConfigError(
                f"code.degree: a function of degree {degree} wants {self.n_workers - spare} "
                f"workers, there are {self.n_workers}"
            )
        return self.n_workers - spare

    def _wanted(self, group: _Group, degree: int | None) -> int:
        return self._degree(group, degree) + 2 * self.n_corrupt + 1

    def _degree(self, group: _Group, degree: int | None) -> int:
        """Return the degree of the polynomial whose values the group's answers are."""
        function = self.degree if degree is None else degree
        return _polynomial_degree(group.blocks.size, self.n_masks, function)

    def decode_matrix(self, arrived: Bool, degree: int | None = None) -> npt.NDArray[Any]:
        """Return how answers, all taken for right, are combined into the value of each block.

        degree : of the function; None for what the code was made for

        As in `DataCode`; over a prime field, residues.
        """
        degree = self.degree if degree is None else degree
        if degree not in self._by_degree:
            self._by_degree[degree] = PerSet(self.n_workers, lambda a: self._solve(a, degree))
        return self._by_degree[degree](arrived)

    def _solve(self, arrived: Bool, degree: int) -> npt.NDArray[Any]:
        matrix = np.zeros((self.n_blocks, self.n_workers), dtype=self.storage.dtype)
        for group in self._groups:
            here = group.workers[arrived[group.workers]]
            of_answers = self._degree(group, degree)
            self._check_count(here.size, of_answers + 1)
            at = self._worker_points[here]
            if self.prime is None:
                rows = analog.coefficients(self._block_points, at, of_answers, self._worker_points)
                self._check_rounding(rows, here, degree)
            else:
                here, at = here[: of_answers + 1], at[: of_answers + 1]
                rows = field.interpolation(self._block_points.tolist(), at.tolist(), self.prime)
            matrix[np.ix_(group.blocks, here)] = rows
        matrix.flags.writeable = False
        return matrix

    def check_count(self, arrived: Bool, degree: int | None = None) -> None:
        """Raise `NotDecodable` below the answers that find ``n_corrupt`` wrong ones."""
        for group in self._groups:
            here = group.workers[arrived[group.workers]]
            self._check_count(here.size, self._wanted(group, degree))

    def _check_count(self, count: int, wanted: int) -> None:
        if count < wanted:
            whose = "" if len(self._groups) == 1 else " from the workers of one block"
            raise NotDecodable(
                f"code {self.name!r}: {count} answers arrived{whose}, decoding wants {wanted}"
            )

    def _check_rounding(
        self, rows: npt.NDArray[Any], here: npt.NDArray[np.intp], degree: int
    ) -> None:
        rounding = np.finfo(np.float64).eps * (np.abs(rows) @ self._growth[here] ** degree).max()
        if not rounding <= ROUNDING:
            raise NotDecodable(
                f"code {self.name!r}: {here.size} answers arrived, but their points amplify "
                f"rounding to {rounding:.1g} of a value, wants {ROUNDING:g}"
            )

    def decode(self, answers: Answers, arrived: Bool, degree: int | None = None) -> Decoded:
        """Return the function's value at each block, and who is wrong.

        As in `DataCode`. Over a prime field answers and values are residues, int64. Raises
        `NotDecodable` below `threshold` answers, and where more than ``n_corrupt`` are wrong.
        """
        arrived = as_mask(arrived, self.n_workers)
        vectors = self.given(answers, arrived)
        self.check_count(arrived, degree)
        corrupt, residual = np.zeros(self.n_workers, dtype=bool), 0.0
        for group in self._groups if self.n_corrupt else ():
            here = group.workers[arrived[group.workers]]
            wrong, disagreement = self._wrong(here, vectors, self._degree(group, degree))
            corrupt[here] = wrong
            residual = max(residual, disagreement)
        values = self._combined(self.decode_matrix(arrived & ~corrupt, degree), vectors)
        return Decoded(values, corrupt, self.n_corrupt > 0, residual)

    def _wrong(
        self, here: npt.NDArray[np.intp], vectors: list[npt.NDArray[Any] | None], degree: int
    ) -> tuple[Bool, float]:
        """Return which of the answers of the workers ``here`` are wrong, and the residual."""
        given = [vector for w in here.tolist() if (vector := vectors[w]) is not None]
        at = self._worker_points[here]
        if self.prime is not None:
            wrong = exact.wrong_answers(at.tolist(), given, degree, self.n_corrupt, self.prime)
            found = None if wrong is None else analog.Found(wrong, 0.0)
        else:
            found = analog.wrong_answers(at, given, degree, self.n_corrupt, self._worker_points)
        if found is None:
            raise NotDecodable(
                f"code {self.name!r}: more than {self.n_corrupt} of {here.size} answers are wrong"
            )
        return found

    def _combined(
        self, matrix: npt.NDArray[Any], vectors: list[npt.NDArray[Any] | None]
    ) -> npt.NDArray[Any]:
        length = next((vector.size for vector in vectors if vector is not None), 0)
        if self.prime is not None:
            residues = np.empty((self.n_blocks, length), dtype=np.int64)
            try:
                return modular_combine(matrix, vectors, self.prime, residues)
            except (TypeError, ValueError) as error:
                # vectors[i] is what worker i answered
                raise NotDecodable(f"code {self.name!r}: answers are wrong, {error}") from None
        if matrix.dtype.kind == "c":
            vectors = [None if v is None else v.astype(np.complex128, copy=False) for v in vectors]
        return combine_segments(matrix, vectors, np.empty((self.n_blocks, length)))

    def sum_weights(self, arrived: Bool) -> npt.NDArray[Any]:
        """Return how answers, all taken for right, are combined into the sum over the blocks."""
        if self.prime is None:
            return super().sum_weights(arrived)
        total = self.decode_matrix(arrived).astype(object).sum(axis=0) % self.prime
        return np.array(total, dtype=np.int64)

    def lebesgue(self, arrived: Bool) -> float:
        """Return the largest error of a value where every answer is wrong by 1 at most.

        NaN over a prime field, where no answer is a little wrong.
        """
        return float("nan") if self.prime is not None else super().lebesgue(arrived)


def _polynomial_degree(n_blocks: int, n_masks: int, degree: int) -> int:
    return (n_blocks + n_masks - 1) * degree


def _along(points: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return numbers in whose order the points lie on their line, or around the circle."""
    along: npt.NDArray[np.float64] = points
    if points.dtype.kind == "c":
        along = np.angle(points) % (2 * np.pi)
    return along
