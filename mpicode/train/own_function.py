"""A user's function as it is called: with arrays, whatever it is made of."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import ConfigError

Array = NDArray[Any]


def of_arrays(function: Callable[[Any], Any], key: str) -> Callable[[Any], ArrayLike]:
    """Return the function itself; of a module of PyTorch, what takes and gives arrays.

    key : of the configuration, for errors

    Raises `ConfigError` for a module in training mode.
    """
    torch = sys.modules.get("torch")  # whoever has a module has imported it
    if torch is None or not isinstance(function, torch.nn.Module):
        return function
    if any(part.training for part in function.modules()):
        raise ConfigError(
            f"{key}: the module is in training mode, in which batch normalisation looks at the "
            "rows beside and dropout draws; all workers must compute the same function of each "
            "row: call its eval() first"
        )
    dtype = next((part.dtype for part in function.parameters()), torch.get_default_dtype())

    def of(block: Array) -> Array:
        if np.iscomplexobj(block):
            raise ConfigError(
                "code.points: the coded blocks are complex, which modules of PyTorch do not take; "
                "wants 'chebyshev'"
            )
        with torch.no_grad():
            found: Array = function(torch.as_tensor(block, dtype=dtype)).numpy()
        return found

    return of
