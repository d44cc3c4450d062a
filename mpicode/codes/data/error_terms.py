"""What the error of an approximate code is made of, and an estimate of it from the answers alone.

The decomposition is that of Moradi et al., NeurIPS 2024 (arXiv:2406.00300).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ...errors import ConfigError
from ..data_code import Answers
from .approximate import ApproximateCode, Matrix


class ErrorTerms(NamedTuple):
    """Mean squared errors over the blocks, the squares summed over the coordinates.

    loss           : of the decoded values
    generalization : of the decoder: the decoded values beside the function of what the encoding
                     curve gives at the blocks' points
    training       : of the encoder: what the curve gives there beside the blocks
    bound          : ``2 * generalization + 2 * lipschitz**2 * training``, which the loss cannot
                     exceed for a function with that constant; rounding apart
    """

    loss: float
    generalization: float
    training: float
    bound: float


def error_terms(
    code: ApproximateCode,
    blocks: npt.NDArray[np.float64],
    function: Callable[[Matrix], Matrix],
    arrived: npt.NDArray[np.bool_],
    lipschitz: float,
    answers: Answers | None = None,
) -> ErrorTerms:
    """Return the parts of the error, where the function can be evaluated at the blocks themselves.

    blocks    : (n_blocks + n_masks, d), a block's number a row
    function  : takes (m, d) to (m, length), row by row
    lipschitz : a constant of it, for Euclidean norms
    answers   : as the workers gave them, (n_workers, length); None: of the function, without error
    """
    if len(blocks) != code.storage.shape[1]:
        raise ConfigError(
            f"blocks: {len(blocks)} rows, but code {code.name!r} has {code.n_blocks} blocks and "
            f"{code.n_masks} masks"
        )
    if answers is None:
        answers = function(code.storage @ blocks)
    values = code.decode(answers, arrived).values
    on_curve = code.encoded @ blocks
    training = _mean_square(on_curve - blocks[: code.n_blocks])
    generalization = _mean_square(values - function(on_curve))
    return ErrorTerms(
        loss=_mean_square(values - function(blocks[: code.n_blocks])),
        generalization=generalization,
        training=training,
        bound=2 * generalization + 2 * lipschitz**2 * training,
    )


def estimated_error(
    code: ApproximateCode, answers: Answers, arrived: npt.NDArray[np.bool_]
) -> Matrix:
    """Return how far off each decoded value may be, as the answers tell: (n_blocks, length).

    Each answer is held against what the others, without it, say of it. A block's estimate is the
    root mean square of that at the next answers on both sides: those at the two ends are nobody's,
    since without them nothing is known beyond. It is the decoder's part of the error alone; and
    with an answer left out the gap is twice as wide, so it mostly errs on the safe side. Measured
    in 80 settings (4 to 20 blocks, 10 to 100 workers; a network, functions of one number), the
    root mean square over 40 sets of answers is 1.2 to 4.2 times that of the error (in one of them
    9.9, in half of them 2.0 to 3.2); of a single set it can be too small, down to a fifth. NaN
    where fewer than 4 answers arrived.
    """
    workers = code.along(arrived)
    vectors = code.given(answers, arrived)
    rows = np.array([v for v in (vectors[w] for w in workers) if v is not None], dtype=float)
    if workers.size < 4:
        return np.full((code.n_blocks, rows.shape[1]), np.nan)
    weights = left_out(code, answers, arrived)[:, workers]
    points = code.worker_points[workers][1:-1]
    right = np.clip(np.searchsorted(points, code.block_points), 1, points.size - 1)
    with np.errstate(invalid="ignore", over="ignore"):
        missed = weights @ rows
        estimate: Matrix = np.hypot(missed[right - 1], missed[right]) / np.sqrt(2)
    return estimate


def left_out(code: ApproximateCode, answers: Answers, arrived: npt.NDArray[np.bool_]) -> Matrix:
    """Return the weights by which each answer differs from what the others say of it.

    (n_arrived - 2, n_workers), in the order of the points, without those at both ends.
    """
    workers = code.along(arrived)
    penalty = code.penalty(answers, arrived)
    points = code.worker_points[workers]
    weights = np.zeros((max(workers.size - 2, 0), code.n_workers))
    for i in range(1, workers.size - 1):
        others = np.delete(np.arange(workers.size), i)
        said = code.curve(points[others], points[i : i + 1], penalty)[0]
        weights[i - 1, workers[others]] = -said
        weights[i - 1, workers[i]] = 1.0
    return weights


def _mean_square(rows: Matrix) -> float:
    return float(np.sum(rows**2) / len(rows))
