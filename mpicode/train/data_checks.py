"""What the master tries before a run with a code that decodes polynomials alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..codes.data.degree import probe_degree
from ..errors import ConfigError
from ..problems import Problem, Rows
from ..problems.linear import LinearModel
from .coded_rows import label_columns, soft_labels
from .data_setup import DataSetup

_ROWS = 3
# What rounding in single precision may make of two ways to one gradient.
_SAME = 1e-4


def check_function(setup: DataSetup) -> None:
    """Raise `ConfigError` if gradient or loss is no polynomial of the degree that is decoded.

    Over a field also where that is too small for the sum over all rows, which are read for it.
    """
    degree = getattr(setup.code, "degree", None)
    if degree is None:
        return
    problem = setup.problem
    width = problem.n_outputs if problem.task == "multiclass" else 1
    rng = np.random.default_rng([0, degree])
    x = rng.standard_normal(problem.n_parameters).astype(problem.dtype)

    def gradient(X: NDArray[np.floating], Y: NDArray[np.floating]) -> NDArray[np.floating]:
        return _gradient(problem, x, X, Y)

    shapes = ((_ROWS, problem.n_features), (_ROWS, width))
    probe_degree(gradient, shapes, degree, rng, dtype=problem.dtype)
    if setup.field is not None:
        _check_slope(problem, rng)
        room = setup.field.room(problem.n_features)
        for rows in setup.train_rows():
            X: Any = rows.X
            room.add(X, label_columns(rows.y, problem)[:, 0])
        room.check()


def _check_slope(problem: Problem, rng: np.random.Generator) -> None:
    """Raise `ConfigError` if the slope, which is what a field computes, is not the gradient's."""
    assert isinstance(problem, LinearModel)
    X = rng.standard_normal((_ROWS, problem.n_features)).astype(problem.dtype)
    columns = rng.standard_normal((_ROWS, 1)).astype(problem.dtype)
    x = rng.standard_normal(problem.n_parameters).astype(problem.dtype)
    wanted = _gradient(problem, x, X, columns)[:-1]
    y = (columns[:, 0] + 1) / 2 if problem.task == "binary" else columns[:, 0]
    apart = np.abs(X.T @ problem.slope(X @ x, y) - wanted).max()
    if not apart <= _SAME * max(np.abs(wanted).max(), 1.0):
        raise ConfigError(
            f"problem.name: the slope of {problem.name!r} gives another gradient, "
            f"{apart:.2g} away from its own"
        )


def _gradient(
    problem: Problem,
    x: NDArray[np.floating],
    X: NDArray[np.floating],
    Y: NDArray[np.floating],
) -> NDArray[np.floating]:
    out = np.zeros(problem.n_parameters + 1, problem.dtype)
    weights = np.ones(len(X), problem.dtype)
    out[-1] = problem.gradient(x, Rows(X, soft_labels(Y, problem)), weights, out[:-1])
    return out
