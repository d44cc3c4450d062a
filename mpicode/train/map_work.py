"""What a worker computes for a ``map`` request: a function, on some slots of its coded block."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError
from ..pool.worker import Request

Array = NDArray[Any]
Function = Callable[[Array, Array], Array]
"""Takes the parameters, (n_parameters,), and rows, (n_rows, n_features), to the outputs."""

_PROBES = 3
# A row's outputs may change by rounding when the row stands alone: by as many machine precisions.
_ROUNDINGS = 1e4


class MapWork:
    """Round ``r`` asks for the function at what ``inputs(r)`` gives.

    inputs : of this worker, coded
    length : numbers of an answer; a last round of fewer is filled up with zeros
    """

    def __init__(
        self,
        function: Function,
        inputs: Callable[[int], Array],
        length: int,
        dtype: np.dtype[Any],
        load: float,
    ) -> None:
        self.answer_length = length
        self.dtype = dtype
        self.load = load
        self._function = function
        self._inputs = inputs

    def compute(self, request: Request, message: int, out: Array) -> Iterator[float]:
        """Fill ``out`` with the outputs, flat."""
        inputs = self._inputs(request.iteration)
        values = np.asarray(self._function(request.payload, inputs)).reshape(-1)
        if values.size > out.size:
            raise ConfigError(
                f"infer.function: gave {values.size} numbers, {out.size} for as many rows before"
            )
        out[: values.size] = values
        out[values.size :] = 0
        yield len(inputs)


def outputs_per_row(
    function: Function, x: Array, n_features: int, dtype: np.dtype[Any], name: str
) -> int:
    """Return how many numbers ``function`` gives per row, after trying it on a few.

    Raises `ConfigError` for one that fails, gives another number of rows, other numbers the second
    time (dropout, say), or other numbers for a row that stands alone (statistics of the batch, as
    in training mode): all workers must compute the same function of each row.
    """
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((_PROBES, n_features)).astype(dtype)
    together, again = (tried(function, x, rows, name) for _ in range(2))
    if together.ndim not in (1, 2) or len(together) != _PROBES:
        raise ConfigError(
            f"infer.function: {name!r} gives shape {together.shape} for {_PROBES} rows, wants "
            f'({_PROBES},) or ({_PROBES}, n_outputs); or infer.per = "block"'
        )
    alone = np.concatenate([tried(function, x, rows[i : i + 1], name) for i in range(_PROBES)])
    real = np.zeros(0, dtype).real.dtype
    bound = _ROUNDINGS * np.finfo(real).eps * np.abs(together).max(initial=0.0)
    for what, other in (("a second time", again), ("for rows that stand alone", alone)):
        apart = np.abs(other - together).max(initial=0.0)
        if not apart <= bound:
            raise ConfigError(
                f"infer.function: {name!r} gives other numbers {what}: they differ by {apart:.2g}; "
                "all workers must compute the same function of each row"
            )
    return int(np.prod(together.shape[1:]))


def tried(function: Function, x: Array, rows: Array, name: str) -> Array:
    """Call the user's function; an exception, or no numbers, becomes one line."""
    try:
        found = np.asarray(function(x, rows))
    except ConfigError:
        raise
    except Exception as error:
        told = ": ".join([type(error).__name__, *str(error).strip().splitlines()[:1]])
        raise ConfigError(
            f"infer.function: {name!r} fails on rows {rows.shape} with {told}"
        ) from error
    if found.dtype.kind not in "biufc":
        raise ConfigError(f"infer.function: {name!r} gives {found.dtype}, wants numbers")
    return found
