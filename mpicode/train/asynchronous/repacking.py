"""Rows made anew while a run goes on, for the segments as they are by then."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...codes.gradient.lwpd import Lwpd
from ...codes.packing import (
    information,
    left_unknown,
    most_information,
    most_informative,
    telling_order,
)
from ...errors import ConfigError
from ...pool import Stream
from ...pool.background import Job
from .kept import count, numbers
from .light import Generation, generation_of

if TYPE_CHECKING:
    from ..setup import Setup

Matrix = NDArray[np.float64]

# Of the moving average of the covariance, what stays when the estimate is looked at again.
KEPT = 0.5
# New rows are used if they tell so much more than those at work; else it is not worth the change.
GAIN = 1.01
# Rounds over all rows after the first: more gain little, and take a second for 64 segments.
SWEEPS = 1


class Repacking:
    """Says when there are new rows, and makes them.

    The covariance of the segments is that of the columns of the estimate of the gradient that the
    decoder keeps, (k, length) for each block, and its mean over blocks and over time counts. The
    inner products of the last messages would have to be solved for the same, and be kept for that.

    The first k rows of the code's own packing stay for good. They determine every segment, so that
    no part of the gradient is lost sight of, which would be the end of it: its energy would be
    estimated as none. The others are those that tell the most beside them.

    at_work    : the code of the rows at work
    covariance : (k, k) moving average, zero at first
    told       : share of the most information that as many rows of any weight can give, of the rows
                 at work when they were made; NaN at first
    from_message : messages used before these rows were sent: the n-th that is used, counted from 0,
                 of age a, is of these rows or later ones if n - a is not less
    """

    def __init__(self, setup: Setup, pool: Stream, first: Generation) -> None:
        table, code = setup.config.asynchronous, setup.code
        assert isinstance(code, Lwpd)
        self.at_work = first
        self.covariance: Matrix = np.zeros((code.n_segments, code.n_segments))
        self.told = float("nan")
        self.from_message = 0
        self._own = code
        self._pool = pool
        self._every = table.repack_every
        self._noise = table.repack_noise
        self._due = self._every
        self._job: Job[tuple[Generation, float]] | None = None

    @property
    def rows(self) -> Matrix:
        """Those at work of each block, (n_rows, k)."""
        assert isinstance(self.at_work.code, Lwpd)
        return self.at_work.code.packed

    def is_due(self, version: int) -> bool:
        """Return whether it is time for the rows to be made."""
        return version >= self._due

    def offer(self, version: int, estimate: Matrix) -> bool:
        """Return whether `at_work` has just been decided on; that takes time, beside the run.

        estimate : (n_segments * n_blocks, length), of all pieces
        """
        if self._job is None:
            self._look(estimate)
            arguments = self.at_work, self._own, self.covariance.copy(), self._noise
            self._job = Job(lambda cancelled: repacked(*arguments))
            self._pool.start_job(self._job)
        if not self._job.done:
            return False
        self.at_work, self.told = self._job.result()
        self._job = None
        self.put_off(version)
        return True

    def put_off(self, version: int) -> None:
        """Take it that rows were made at this version."""
        self._due = version + self._every

    def _look(self, estimate: Matrix) -> None:
        k = len(self.covariance)
        columns = estimate.reshape(k, -1)
        now = columns @ columns.T / columns.shape[1]
        seen = bool(self.covariance.any())
        self.covariance = KEPT * self.covariance + (1.0 - KEPT) * now if seen else now

    def arrays(self) -> dict[str, Any]:
        """Return what a run file keeps of the rows at work, beside whose they are."""
        return {
            "encoding": self.at_work.code.encoding,
            "covariance": self.covariance,
            "from_message": np.array([self.from_message]),
        }

    def state(self) -> dict[str, Any]:
        """Return what a run goes on from."""
        return {
            "rows": self.rows,
            "covariance_of_segments": self.covariance,
            "told": self.told,
            "due": self._due,
            "from_message": self.from_message,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state`; raises `DataError` where it is not of this code."""
        rows = numbers(state, "rows", self.rows.shape)
        covariance = numbers(state, "covariance_of_segments", self.covariance.shape)
        if not np.array_equal(rows, self.rows):
            self.at_work = generation_of(self._own.repacked(np.array(rows, dtype=np.float64)))
        self.covariance = np.array(covariance, dtype=np.float64)
        self.told = float(numbers(state, "told", ()))
        self._due, self.from_message = count(state, "due"), count(state, "from_message")
        self._job = None


def repacked(
    at_work: Generation, own: Lwpd, covariance: Matrix, noise: float
) -> tuple[Generation, float]:
    """Return the code to go by from now on, and its share of the most information.

    own   : as it was made, with the rows that stay
    noise : relative to the mean of the variances

    It is the very one ``at_work``, unless other rows tell more.
    """
    assert isinstance(at_work.code, Lwpd)
    scale = float(np.trace(covariance)) / len(covariance)
    if not (np.isfinite(covariance).all() and scale > 0.0):
        return at_work, float("nan")
    S, k, n_rows = covariance / scale, len(covariance), len(own.packed)
    stay = own.packed[:k]
    made = most_informative(left_unknown(stay, S, noise), n_rows - k, own.weight, noise, SWEEPS)
    rows = np.concatenate([stay, made])
    rows = rows[telling_order(rows, S, noise)]
    told, before = (information(each, S, noise) for each in (rows, at_work.code.packed))
    most = most_information(n_rows, S, noise)
    if told < GAIN * before:
        return at_work, before / most
    return generation_of(own.repacked(rows)), told / most


def check_repacking(setup: Setup) -> None:
    """Raise `ConfigError` where rows are to be made anew and cannot be."""
    table, code = setup.config.asynchronous, setup.code
    if not table.repack_every:
        return
    if not isinstance(code, Lwpd):
        raise ConfigError(
            f"asynchronous.repack_every: {code.name!r} has no rows that could be made anew; wants "
            "code 'lwpd'"
        )
    n_rows, k = code.packed.shape
    if n_rows == k:
        raise ConfigError(
            f"asynchronous.repack_every: {k} of the {n_rows} rows stay, so code.n_messages has to "
            f"be more than {k} for each block"
        )
    rank = int(np.linalg.matrix_rank(code.packed[:k]))
    if rank < k:
        raise ConfigError(
            f"asynchronous.repack_every: the first {k} rows of {code.variant!r}, which stay, "
            f"determine {rank} of {k} segments; wants another code.variant or run.seed"
        )
    if table.even:
        raise ConfigError(
            "asynchronous.even: counts how often each message comes, and with "
            "asynchronous.repack_every it is another one each time"
        )
    if table.downlink == "updates":
        raise ConfigError(
            "asynchronous.repack_every: rows made anew cannot be replayed by workers; wants "
            "asynchronous.downlink 'parameters'"
        )
