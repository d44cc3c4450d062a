"""What a model's outputs lose against ``y``, and the slope of that: one loss per kind of data.

Conventions: z is (n_rows,) where a model has one output per row, else (n_rows, n_outputs);
y and weights are (n_rows,), the weights float64.

Labels may be soft, which is what combinations of rows have: real numbers, of any sign, one per
class, or one for class 1 where there are two. The losses are linear in them, so a soft label says
how often each class is counted; for hard labels the two forms agree.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..kernels import logistic_residual, softmax_residual
from .base import Float, Number

Labels = npt.NDArray[Any]


class Loss(NamedTuple):
    """A loss of rows.

    one_output : z is (n_rows,); else there is one output per class
    residual   : ``residual(z, y, weights)`` replaces ``z`` by the derivative of the weighted loss
                 in z and returns the weighted loss, complex where z is
    correct    : ``correct(z, y)`` counts the rows predicted right; NaN where that has no meaning
    """

    one_output: bool
    residual: Callable[[Float, Labels, Float], Number]
    correct: Callable[[Float, Labels], float]


def _squared_residual(z: Float, y: Labels, weights: Float) -> Number:
    z -= y
    weighted = weights * z
    # In double precision whatever the data: stop rules compare losses.
    loss = weighted.astype(np.result_type(z, np.float64), copy=False) @ z
    z[...] = weighted
    return 0.5 * loss.item()


def _not_counted(z: Float, y: Labels) -> float:
    return float("nan")


def _logistic_residual(z: Float, y: Labels, weights: Float) -> float:
    if y.dtype.kind != "f":
        return float(logistic_residual(z, y, weights, z))
    # as if all were of class 0, and then the rest, which is linear in z
    counted = weights * y
    rest = float(counted @ z)
    loss = float(logistic_residual(z, np.zeros(len(y), np.int64), weights, z))
    z -= counted
    return loss - rest


def _positive_right(z: Float, y: Labels) -> float:
    return float(np.count_nonzero((z > 0) == y))


def _softmax_residual(z: Float, y: Labels, weights: Float) -> float:
    if y.ndim == 1:
        return float(softmax_residual(z, y, weights, z))
    # as if all were of class 0, counted as often as the classes together, and then the rest
    rest = weights[:, np.newaxis] * y
    total = rest.sum(axis=1)
    rest[:, 0] -= total
    linear = float(np.vdot(rest, z))
    loss = float(softmax_residual(z, np.zeros(len(y), np.int64), total, z))
    z -= rest
    return loss - linear


def _largest_right(z: Float, y: Labels) -> float:
    return float(np.count_nonzero(z.argmax(axis=1) == y))


# ``1/2 (z - y)^2``
SQUARED = Loss(True, _squared_residual, _not_counted)
# ``log(1 + exp(z)) - y z``, y in {0, 1} or soft, (n_rows,)
LOGISTIC = Loss(True, _logistic_residual, _positive_right)
# ``log(sum_c exp(z_c)) - z_y``; of soft y, (n_rows, n_classes), ``sum_c y_c`` times the first term
# less ``y z``
SOFTMAX = Loss(False, _softmax_residual, _largest_right)

OF_TASK = {"regression": SQUARED, "binary": LOGISTIC, "multiclass": SOFTMAX}
