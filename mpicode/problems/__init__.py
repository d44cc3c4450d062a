"""Problems: the losses whose gradients the workers compute.

A name is one of `names`, or ``module:Class`` for a subclass of `Problem` that every rank can
import.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ConfigError
from ..registry import Registry
from .base import Problem, Rows
from .imported import imported
from .least_squares import LeastSquares
from .linear import LinearModel
from .logistic import Logistic
from .mlp import MLP
from .polynomial_logistic import PolynomialLogistic
from .softmax import Softmax
from .torch_module import TorchModule

__all__ = ["CONTEXT", "PROBLEMS", "LinearModel", "Problem", "Rows", "make", "names"]

CONTEXT = ("n_features", "n_classes", "task", "dtype")  # what `make` hands over, no user's key


class _Problems(Registry[Problem]):
    """The registry, open to classes named ``module:Class``."""

    def __getitem__(self, name: str) -> type[Problem]:
        return _imported(name) if ":" in name else super().__getitem__(name)


PROBLEMS = _Problems(
    "problem",
    (
        LeastSquares,
        Logistic,
        PolynomialLogistic,
        Softmax,
        MLP,
        TorchModule,
    ),
)


def names() -> list[str]:
    """Return the names of the built-in problems."""
    return list(PROBLEMS)


def make(
    name: str,
    parameters: Mapping[str, Any] | None = None,
    *,
    n_features: int,
    n_classes: int = 0,
    task: str,
    dtype: npt.DTypeLike = np.float64,
) -> Problem:
    """Build a problem for data of this shape; `ConfigError` names the key that is wrong."""
    return PROBLEMS.make(
        name, parameters, n_features=n_features, n_classes=n_classes, task=task, dtype=dtype
    )


def _imported(name: str) -> type[Problem]:
    """Return the class that ``module:Class`` names."""
    cls = imported(name, "problem.name", "Class")
    if not (isinstance(cls, type) and issubclass(cls, Problem)):
        raise ConfigError(f"problem.name: {name!r} is no subclass of mpicode.problems.Problem")
    missing = [key for key in ("name", "tasks") if not hasattr(cls, key)]
    missing += sorted(cls.__abstractmethods__)
    if missing:
        raise ConfigError(f"problem.name: {name!r} does not define {', '.join(missing)}")
    return cls
