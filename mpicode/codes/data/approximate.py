"""What codes by curves have in common: blocks and workers as points on one line."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from ...errors import ConfigError, NotDecodable
from ...kernels import combine_segments
from ..checks import check_stragglers
from ..data_code import Answers, DataCode, Decoded
from ..per_set import PerSet
from .points import Points, Vector, chebyshev, mask_places, scattered

Matrix = npt.NDArray[np.float64]


class ApproximateCode(DataCode):
    """A curve through the blocks is taken at the workers' points, and one through the answers back.

    block_points  : (n_blocks,), ascending, where on the curve each block lies
    worker_points : (n_workers,), where on it each worker's coded block is taken
    encoded       : (n_blocks, n_blocks + n_masks), the weights of blocks and masks in what the
                    encoding curve gives at ``block_points``: the identity where it interpolates
    n_stragglers  : the answers the master does without; there is no threshold, one answer decodes
    mask_scale    : standard deviation of the masks, in units of that of the data

    A scheme says by `curve` how values elsewhere follow from those at the knots. Whatever smooth
    function the workers evaluate, their answers then lie on a smooth curve too, which passes
    through the wanted values at ``block_points``.
    """

    kinds = ("gradient", "map")

    def __init__(
        self,
        *,
        n_workers: int,
        n_blocks: int | None,
        n_stragglers: int,
        points: Points,
        permute: bool,
        seed: int,
        n_colluding: int = 0,
        mask_scale: float = 1.0,
    ) -> None:
        check_stragglers(n_workers, n_stragglers)
        n_blocks = max(1, n_workers // 2 - n_colluding) if n_blocks is None else n_blocks
        if n_colluding < 0:
            raise ConfigError(f"code.n_colluding: must not be negative, got {n_colluding}")
        if not 1 <= n_blocks <= n_workers - n_colluding:
            masks = f", {n_colluding} of them for masks" if n_colluding else ""
            raise ConfigError(
                f"code.n_blocks: {n_blocks} blocks cannot be told apart by {n_workers} workers"
                f"{masks}; wants 1 to {max(1, n_workers - n_colluding)}"
            )
        if not (np.isfinite(mask_scale) and mask_scale > 0):
            raise ConfigError(f"code.mask_scale: must be positive and finite, got {mask_scale}")
        self.n_stragglers = n_stragglers
        self.mask_scale = mask_scale
        is_mask = mask_places(n_blocks, n_colluding)
        inputs = chebyshev(n_blocks + n_colluding, "first")
        self.block_points = _frozen(inputs[~is_mask])
        places = scattered(n_workers, seed) if permute else np.arange(n_workers)
        self.worker_points = _frozen(chebyshev(n_workers, points)[places])
        columns = np.argsort(is_mask, kind="stable")  # masks last
        storage = self.encoder(inputs, self.worker_points)[:, columns]
        self.encoded = _frozen(self.encoder(inputs, self.block_points)[:, columns])
        super().__init__(storage, n_masks=n_colluding)
        self._orders: PerSet[npt.NDArray[np.intp]] = PerSet(n_workers, self._order)
        if n_colluding:
            self._check_hidden(points)

    def _check_hidden(self, points: Points) -> None:
        """Raise `ConfigError` if some worker's coded block has nothing of a mask in it."""
        bare = np.flatnonzero(~self.storage[:, self.n_blocks :].any(axis=1))
        if bare.size:
            block = int(np.argmax(np.abs(self.storage[bare[0], : self.n_blocks])))
            raise ConfigError(
                f"code.n_colluding: at {points!r} points worker {bare[0]} of {self.n_workers} "
                f"would see block {block} of {self.n_blocks} bare; wants other code.points or "
                "another number of workers, blocks or masks"
            )

    @abstractmethod
    def encoder(self, knots: Vector, at: Vector) -> Matrix:
        """Return the weights of blocks (and masks) at ``knots`` in coded blocks taken ``at``."""

    @abstractmethod
    def curve(self, knots: Vector, at: Vector, penalty: float = 0.0) -> Matrix:
        """Return the weights of answers at the ascending ``knots`` in values taken ``at``.

        penalty : at least so much of roughness, where the scheme has such a thing; see `penalty`
        """

    def penalty(self, answers: Answers, arrived: npt.NDArray[np.bool_]) -> float:
        """Return the penalty of roughness that these answers ask for; 0 where none matters."""
        return 0.0

    def decode(
        self, answers: Answers, arrived: npt.NDArray[np.bool_], degree: int | None = None
    ) -> Decoded:
        """Return the function's value at each block, by the curve that fits these answers.

        Arguments and errors are those of `DataCode.decode`. Nobody is found corrupt, and what is
        left over is not compared: see `error_terms.estimated_error`.
        """
        penalty = self.penalty(answers, arrived)
        if penalty == 0:
            return super().decode(answers, arrived, degree)
        vectors = self.given(answers, arrived)
        length = next(v.size for v in vectors if v is not None)
        values = np.empty((self.n_blocks, length))
        combine_segments(self._fit(arrived, penalty), vectors, values)
        return Decoded(values, np.zeros(self.n_workers, dtype=bool), False, 0.0)

    def solve(self, arrived: npt.NDArray[np.bool_]) -> Matrix:
        """Compute `decode_matrix`: the curve through the answers, taken at the blocks' points."""
        return self._fit(arrived, 0.0)

    def _fit(self, arrived: npt.NDArray[np.bool_], penalty: float) -> Matrix:
        workers = self.along(arrived)
        matrix = np.zeros((self.n_blocks, self.n_workers))
        matrix[:, workers] = self.curve(self.worker_points[workers], self.block_points, penalty)
        return _frozen(matrix)

    def along(self, arrived: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
        """Return the workers that arrived in the order of their points; `NotDecodable` if none."""
        return self._orders(arrived)

    def _order(self, arrived: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
        workers = np.flatnonzero(arrived)
        if not workers.size:
            raise NotDecodable(
                f"code {self.name!r}: 0 of {self.n_workers} answers, wants at least 1"
            )
        return workers[np.argsort(self.worker_points[workers], kind="stable")]

    def leakage(self, colluders: Iterable[int], data_scale: float = 1.0) -> float:
        """Return what ``colluders`` can learn of one coordinate of all blocks at most, in bits.

        data_scale : standard deviation of that coordinate, in units of the data's

        The mutual information of their coded numbers and independent Gaussian blocks, log2 det(I +
        P (M M')^-1 L L'), where L and M are the colluders' rows of the storage for blocks and masks
        and P is the ratio of the variances. Blocks that are alike can tell more, but never more
        than with a ``data_scale`` sqrt(n_blocks) times as large. Infinite for more colluders than
        masks. Every coordinate adds as much.
        """
        workers = sorted(set(colluders))
        for worker in workers:
            if not 0 <= worker < self.n_workers:
                raise ConfigError(f"worker {worker} does not exist: there are {self.n_workers}")
        if not workers:
            return 0.0
        if len(workers) > self.n_masks:
            return float("inf")
        rows = self.storage[workers]
        masks = rows[:, self.n_blocks :]
        seen = data_scale / self.mask_scale * rows[:, : self.n_blocks]
        with np.errstate(divide="ignore"):  # masks in which two colluders differ by nothing
            hidden, all_of_it = (
                2 * np.log2(np.linalg.svd(part, compute_uv=False)).sum()
                for part in (masks, np.hstack([seen, masks]))
            )
        return float(all_of_it - hidden)


def _frozen(array: Matrix) -> Matrix:
    array = np.ascontiguousarray(array)
    array.flags.writeable = False
    return array
