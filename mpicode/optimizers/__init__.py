"""Optimizers: how the master turns gradients into steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ..registry import Registry
from .adam import Adam
from .base import Optimizer
from .gradient_descent import GradientDescent
from .momentum import HeavyBall, Nesterov

__all__ = ["CONTEXT", "OPTIMIZERS", "Optimizer", "make", "names"]

CONTEXT = ("n_parameters", "dtype")  # what `make` hands over, no user's key

OPTIMIZERS = Registry[Optimizer](
    "optimizer",
    (
        GradientDescent,
        HeavyBall,
        Nesterov,
        Adam,
    ),
)


def names() -> list[str]:
    """Return the names of the optimizers."""
    return list(OPTIMIZERS)


def make(
    name: str,
    parameters: Mapping[str, Any] | None = None,
    *,
    n_parameters: int,
    dtype: npt.DTypeLike = np.float64,
) -> Optimizer:
    """Build an optimizer; `ConfigError` names the key that is wrong."""
    return OPTIMIZERS.make(name, parameters, n_parameters=n_parameters, dtype=dtype)
