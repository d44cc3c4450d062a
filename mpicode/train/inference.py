"""What an inference gives, and how it is put together round by round."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..codes import DataCode
from ..errors import GaveUp, MpicodeError
from .map_job import Master, Values
from .round import Interrupted

Array = NDArray[Any]


@dataclass
class Inference:
    """What `infer` gives.

    values         : (n_samples, n_outputs) in the dataset's order, or (n_blocks, ...)
    error          : (n_samples,) or (n_blocks,), estimated, root mean square over the outputs; over
                     a prime field it bounds what rounding the rows does
    total          : sum of the values over all samples, or blocks
    arrived        : (n_rounds, n_workers), whose answers were used; ``corrupt``: found wrong
    lebesgue       : (n_rounds,), NaN over a field; ``wait`` and ``decode`` likewise, in seconds
    generalization : estimate of the decoder's part of the mean squared error, the squares summed
                     over the outputs
    training       : the encoder's: mean squared distance between the rows and what the encoding
                     curve has in their place; a function multiplies it by its Lipschitz constant,
                     squared
    comparison     : numbers by name: ``accuracy`` or ``rmse`` beside the labels; of rows that the
                     master computed too ``checked``, ``agreement``, ``deviation``
    notes          : what a reader should know, and what happened to workers
    silent         : workers that did not leave in time
    path           : the file, None if none was written
    """

    values: NDArray[np.float64]
    error: NDArray[np.float64]
    total: NDArray[np.float64]
    arrived: NDArray[np.bool_]
    corrupt: NDArray[np.bool_]
    lebesgue: NDArray[np.float64]
    wait: NDArray[np.float64]
    decode: NDArray[np.float64]
    generalization: float
    training: float = 0.0
    comparison: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    silent: list[int] = field(default_factory=list)
    path: Path | None = None


def collected(
    code: DataCode,
    master: Master,
    values: NDArray[np.float64],
    error: NDArray[np.float64],
    take: Callable[[int, Values], None],
) -> Inference:
    """Go through the rounds and return what came of them.

    values, error : those of `Inference`, which ``take`` fills, given the number of a round and what
                    it gave

    Raises `GaveUp` where a round got nothing or the inference is interrupted.
    """
    rounds, lebesgue = [], []
    try:
        with contextlib.closing(master.rounds()) as going:
            for number, done in enumerate(going):
                if done.found is None:
                    raise GaveUp(f"round {number}: nothing arrived by the deadline")
                rounds.append(done)
                lebesgue.append(code.lebesgue(done.arrived))
                take(number, done.found)
    except Interrupted:
        stopped = GaveUp("interrupted by a signal")
        stopped.silent = tuple(master.silent)
        raise stopped from None
    except MpicodeError as raised:
        raised.silent = tuple(master.silent)
        raise
    n_outputs = values[0].size
    result = Inference(
        values=values,
        error=error,
        total=values.sum(axis=0),
        arrived=np.array([done.arrived for done in rounds]),
        corrupt=np.array([done.corrupt for done in rounds]),
        lebesgue=np.array(lebesgue),
        wait=np.array([done.wait for done in rounds]),
        decode=np.array([done.decode for done in rounds]),
        generalization=float(np.mean(error**2) * n_outputs),
        silent=master.silent,
    )
    for change in master.changes:
        who = f"worker {change.worker}: " if change.worker >= 0 else ""
        first = change.detail.partition("\n")[0]
        result.notes.append(f"{who}{change.kind}: {first}")
    return result


def rms(errors: Array) -> NDArray[np.float64]:
    """Return the root mean square over the last dimension."""
    found: NDArray[np.float64] = np.sqrt(np.mean(errors**2, axis=-1))
    return found
